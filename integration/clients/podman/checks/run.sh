# podman run, and a container's life.

the_runtime_is_ours() {
	equals "trug /usr/local/sbin/trug" "$(podman info -f '{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}')"
	podman run --name box busybox true
	equals trug "$(inspect box '{{.OCIRuntime}}')"
}

logs_top_stats() {
	needs_controllers
	podman run -d --memory 64m --name box busybox sh -c 'echo one; sleep 301 & exec sleep 302'
	says_in_log box one
	contains "sleep 301" "$(podman top box args)"
	contains "67.11MB" "$(podman stats --no-stream --format '{{.Name}} {{.MemUsage}}' box)"
	contains box "$(podman ps --format '{{.Names}}')"
}

healthcheck() {
	podman run -d --health-cmd 'test -e /well' --health-interval disable --name box busybox sleep 300
	contains unhealthy "$(exits_with 1 podman healthcheck run box)"
	podman exec box touch /well
	podman healthcheck run box
}

limits_and_update() {
	needs_controllers
	podman run -d --memory 64m --cpu-quota 20000 --cpu-period 100000 --pids-limit 50 --name box busybox sleep 300
	local path
	path=$(inspect box '{{.State.CgroupPath}}')
	equals 67108864 "$(cat "/sys/fs/cgroup/memory$path/memory.limit_in_bytes")"
	equals 20000 "$(cat "/sys/fs/cgroup/cpu$path/cpu.cfs_quota_us")"
	equals 50 "$(cat "/sys/fs/cgroup/pids$path/pids.max")"
	podman update --memory 96m --cpu-quota 30000 box
	equals 100663296 "$(cat "/sys/fs/cgroup/memory$path/memory.limit_in_bytes")"
	equals 30000 "$(cat "/sys/fs/cgroup/cpu$path/cpu.cfs_quota_us")"
}

check "info: the runtime is ours" the_runtime_is_ours
check "run" run_in_the_foreground
check "run: exit status" exit_status
check "run -it" run_on_a_terminal
check "create start stop restart rm" create_start_stop_restart_rm
check "pause unpause" pause_and_unpause
check "exec" exec_in_it
check "exec -it" exec_on_a_terminal
check "logs top stats ps" logs_top_stats
check "healthcheck" healthcheck
check "limits in the cgroup's files, update" limits_and_update
check "--memory: OOMKilled" out_of_memory
