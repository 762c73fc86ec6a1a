# podman run, and a container's life.

the_runtime_is_ours() {
	equals "trug /usr/local/sbin/trug" "$(podman info -f '{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}')"
	podman run --name box busybox true
	equals trug "$(inspect box '{{.OCIRuntime}}')"
}

in_the_foreground() {
	equals hello "$(podman run --rm busybox echo hello)"
	equals in "$(echo in | podman run --rm -i busybox cat)"
	exits_with 3 podman run --rm busybox sh -c 'exit 3'
	equals "v /tmp" "$(podman run --rm -e V=v -w /tmp busybox sh -c 'echo $V $PWD')"
}

on_a_terminal() {
	local screen
	screen=$(printf 'tty; echo sum $((40 + 2)); exit 5\n' | in_terminal 'podman run --rm -it busybox sh; echo status $?')
	contains /dev/pts/0 "$screen"
	contains "sum 42" "$screen"
	contains "status 5" "$screen"
}

lifecycle() {
	podman create --name box busybox sh -c 'trap "exit 4" TERM; echo up; while :; do sleep 0.1; done'
	podman start box
	says_in_log box up
	podman stop -t 20 box
	equals 4 "$(inspect box '{{.State.ExitCode}}')"
	podman restart box
	equals running "$(inspect box '{{.State.Status}}')"
	podman kill -s KILL box
	equals 137 "$(podman wait box)"
	podman rm box
	exits_with 1 podman container exists box
}

pause_and_unpause() {
	podman run -d --name box busybox sleep 300
	podman pause box
	equals paused "$(inspect box '{{.State.Status}}')"
	podman unpause box
	podman exec box true
}

exec_in_it() {
	podman run -d --name box busybox sleep 300
	equals hi "$(podman exec box echo hi)"
	exits_with 4 podman exec box sh -c 'exit 4'
	equals "1000 /tmp v" "$(podman exec -u 1000 -w /tmp -e V=v box sh -c 'echo $(id -u) $PWD $V')"
}

exec_on_a_terminal() {
	podman run -d --name box busybox sleep 300
	local screen
	screen=$(printf 'tty; echo sum $((40 + 2)); exit 5\n' | in_terminal 'podman exec -it box sh; echo status $?')
	contains /dev/pts/ "$screen"
	contains "sum 42" "$screen"
	contains "status 5" "$screen"
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

out_of_memory() {
	needs_controllers
	podman run --memory 32m --memory-swap 32m --name box busybox tail /dev/zero || true
	equals "true 137" "$(inspect box '{{.State.OOMKilled}} {{.State.ExitCode}}')"
}

check "info: the runtime is ours" the_runtime_is_ours
check "run" in_the_foreground
check "run -it" on_a_terminal
check "create start stop restart rm" lifecycle
check "pause unpause" pause_and_unpause
check "exec" exec_in_it
check "exec -it" exec_on_a_terminal
check "logs top stats ps" logs_top_stats
check "healthcheck" healthcheck
check "limits in the cgroup's files, update" limits_and_update
check "--memory: OOMKilled" out_of_memory
