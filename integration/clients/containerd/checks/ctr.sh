# ctr's commands.

foreground() {
	equals hello "$(run --rm -- one echo hello)"
	exits_with 3 run --rm -- one sh -c 'exit 3'
	equals "v /tmp" "$(run --rm --env V=v --cwd /tmp -- one sh -c 'echo $V $PWD')"
	equals named "$(run --rm --hostname named -- one hostname)"
	equals 1000 "$(run --rm --user 1000 -- one id -u)"
}

on_a_terminal() {
	answers_on_a_terminal "ctr run --rm -t --runc-binary /usr/local/sbin/trug $BUSYBOX one sh"
}

detached_exec_kill_delete() {
	run -d -- one sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'
	contains RUNNING "$(ctr tasks list)"
	equals in "$(ctr tasks exec --exec-id e one echo in)"
	exits_with 4 ctr tasks exec --exec-id e one sh -c 'exit 4'
	equals "1000 /tmp" "$(ctr tasks exec --exec-id e --user 1000 --cwd /tmp one sh -c 'echo $(id -u) $PWD')"
	ctr tasks kill -s TERM one
	contains "exit code 7" "$(delete_task one)"
	ctr containers delete one
}

exec_on_a_terminal() {
	run -d -- one sleep 300
	answers_on_a_terminal "ctr tasks exec -t --exec-id e one sh"
}

pause_and_resume() {
	run -d -- one sleep 300
	ctr tasks pause one
	contains PAUSED "$(ctr tasks list)"
	ctr tasks resume one
	contains RUNNING "$(ctr tasks list)"
	ctr tasks exec --exec-id e one true
}

processes() {
	run -d -- one sh -c 'sleep 301 & exec sleep 302'
	ctr tasks exec --exec-id e one true
	equals 3 "$(ctr tasks ps one | wc -l)"
}

metrics() {
	needs_controllers
	run -d --memory-limit 67108864 -- one sleep 300
	local shown
	shown=$(ctr tasks metrics --format json one)
	contains 67108864 "$shown"
	at_least 1 "$(jq '.. | objects | select(has("pids")) | .pids.current' <<<"$shown" | head -n 1)"
}

limits() {
	needs_controllers
	run -d --memory-limit 67108864 --cpus 0.5 -- one sleep 300
	local cgroup
	cgroup=$(sed -n 's/.*:memory://p' "/proc/$(ctr tasks list | awk '$1 == "one" { print $2 }')/cgroup")
	equals 67108864 "$(cat "/sys/fs/cgroup/memory$cgroup/memory.limit_in_bytes")"
	equals 50000 "$(cat "/sys/fs/cgroup/cpu$cgroup/cpu.cfs_quota_us")"
}

out_of_memory() {
	needs_controllers
	exits_with 137 run --rm --memory-limit 33554432 -- one tail /dev/zero
}

options() {
	equals "ro" "$(run --rm --read-only -- one sh -c 'touch /x 2>/dev/null && echo rw || echo ro')"
	mkdir -p /tmp/given
	echo given >/tmp/given/file
	equals given "$(ctr run --rm --runc-binary /usr/local/sbin/trug --mount type=bind,src=/tmp/given,dst=/given,options=rbind:ro $BUSYBOX one cat /given/file)"
	equals "$(readlink /proc/self/ns/net)" "$(run --rm --net-host -- one readlink /proc/self/ns/net)"
	equals 00000000a80425fb "$(run --rm -- one sed -n 's/^CapEff:\t//p' /proc/self/status)"
	equals 2 "$(run --rm --seccomp -- one sed -n 's/^Seccomp:\t//p' /proc/self/status)"
	contains 1 "$(run --rm -- one sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
	run --rm --privileged -- one mount -t tmpfs t /tmp
}

own_rootfs() {
	equals own "$(ctr run --rm --runc-binary /usr/local/sbin/trug --rootfs "$IMAGES/busybox" one /bin/echo own)"
}

user_namespace() {
	contains 100000 "$(ctr run --rm --runc-binary /usr/local/sbin/trug --uidmap 0:100000:65536 --gidmap 0:100000:65536 $BUSYBOX one cat /proc/self/uid_map)"
}

events() {
	/usr/bin/ctr events >/tmp/events &
	local listening=$!
	# It listens once it has heard something.
	timeout 60 bash -c 'until grep -q /namespaces/update /tmp/events; do ctr namespaces label default heard=$RANDOM; sleep 0.1; done'
	run -d -- one sh -c 'sleep 0.3; exit 6'
	shows /tmp/events /tasks/exit
	contains "exit code 6" "$(delete_task one)"
	kill "$listening"
	local kind
	# Not /tasks/delete: the shim sends it as it goes, and containerd 2 misses it now and then, whatever the runtime.
	for kind in /containers/create /tasks/create /tasks/start /tasks/exit; do
		contains "$kind" "$(cat /tmp/events)"
	done
	rm /tmp/events
}

attach() {
	run -d -- one sh -c 'while :; do echo tick; sleep 0.1; done'
	until_line tick ctr tasks attach one
}

check "run" foreground
check "run -it" on_a_terminal
check "run -d, exec, kill, rm" detached_exec_kill_delete
check "exec -it" exec_on_a_terminal
check "attach" attach
check "pause unpause" pause_and_resume
check "top" processes
check "stats" metrics
check "limits in the cgroup's files" limits
check "--memory: OOMKilled" out_of_memory
check "mounts, read-only, capabilities, seccomp, privileged" options
check "--rootfs" own_rootfs
check "--uidmap --gidmap" user_namespace
check "events" events
