# What Docker and Podman do alike, by the command ENGINE, which a client sets.

inspect() { # CONTAINER TEMPLATE
	$ENGINE inspect -f "$2" "$1"
}

# says_in_log CONTAINER TEXT: waits until a container has printed TEXT.
says_in_log() {
	until_line "$2" $ENGINE logs -f "$1"
}

run_in_the_foreground() {
	equals hello "$($ENGINE run --rm busybox echo hello)"
	equals in "$(echo in | $ENGINE run --rm -i busybox cat)"
	equals "v /tmp" "$($ENGINE run --rm -e V=v -w /tmp busybox sh -c 'echo $V $PWD')"
	equals box "$($ENGINE run --rm --hostname box busybox hostname)"
	local streams
	streams=$($ENGINE run --rm busybox sh -c 'echo out; echo err >&2' 2>/tmp/err)
	equals "out err" "$streams $(cat /tmp/err)"
	rm /tmp/err
}

exit_status() {
	exits_with 3 $ENGINE run --rm busybox sh -c 'exit 3'
	exits_with 137 $ENGINE run --rm --init busybox sh -c 'kill -9 $$'
}

run_on_a_terminal() {
	answers_on_a_terminal "$ENGINE run --rm -it busybox sh"
}

exec_in_it() {
	$ENGINE run -d --name box busybox sleep 300
	equals hi "$($ENGINE exec box echo hi)"
	equals in "$(echo in | $ENGINE exec -i box cat)"
	exits_with 4 $ENGINE exec box sh -c 'exit 4'
	equals "1000 /tmp v" "$($ENGINE exec -u 1000 -w /tmp -e V=v box sh -c 'echo $(id -u) $PWD $V')"
	$ENGINE exec -d box sh -c 'echo behind > /done; exec sleep 303'
	until_line "sleep 303" bash -c "while $ENGINE top box; do sleep 0.1; done"
	equals "$($ENGINE exec box cat /proc/1/cgroup)" "$($ENGINE exec box cat /proc/self/cgroup)"
}

exec_on_a_terminal() {
	$ENGINE run -d --name box busybox sleep 300
	answers_on_a_terminal "$ENGINE exec -it box sh"
}

create_start_stop_restart_rm() {
	$ENGINE create --name box busybox sh -c 'trap "echo told; exit 4" TERM; echo up; while :; do sleep 0.1; done'
	equals created "$(inspect box '{{.State.Status}}')"
	$ENGINE start box
	says_in_log box up
	$ENGINE stop -t 20 box
	equals "exited 4" "$(inspect box '{{.State.Status}} {{.State.ExitCode}}')"
	contains told "$($ENGINE logs box)"
	$ENGINE restart box
	equals running "$(inspect box '{{.State.Status}}')"
	$ENGINE kill -s KILL box
	equals 137 "$($ENGINE wait box)"
	$ENGINE rm box
	equals "" "$($ENGINE ps -aq)"
}

pause_and_unpause() {
	$ENGINE run -d --name box busybox sh -c 'echo up; while :; do sleep 0.1; done'
	says_in_log box up
	$ENGINE pause box
	equals paused "$(inspect box '{{.State.Status}}')"
	lacks ran "$($ENGINE exec box echo ran 2>&1 || true)"
	$ENGINE unpause box
	equals running "$(inspect box '{{.State.Status}}')"
	$ENGINE exec box true
}

out_of_memory() {
	needs_controllers
	$ENGINE run --memory 32m --memory-swap 32m --name box busybox tail /dev/zero || true
	equals "true 137" "$(inspect box '{{.State.OOMKilled}} {{.State.ExitCode}}')"
}

pid_modes() {
	equals 1 "$($ENGINE run --rm busybox sh -c 'echo $$')"
	equals "$(readlink /proc/self/ns/pid)" "$($ENGINE run --rm --pid host busybox readlink /proc/self/ns/pid)"
	$ENGINE run -d --name box busybox sleep 304
	contains "sleep 304" "$($ENGINE run --rm --pid container:box busybox ps)"
}

ipc_modes() {
	equals "$(readlink /proc/self/ns/ipc)" "$($ENGINE run --rm --ipc host busybox readlink /proc/self/ns/ipc)"
	$ENGINE run -d --ipc shareable --name box busybox sleep 300
	$ENGINE exec box touch /dev/shm/ours
	equals /dev/shm/ours "$($ENGINE run --rm --ipc container:box busybox ls /dev/shm/ours)"
	$ENGINE run --rm --ipc none busybox sh -c '! grep -q " /dev/shm " /proc/mounts'
	$ENGINE run --rm --ipc private busybox ls /dev/shm
}

uts_modes() {
	equals "$(hostname)" "$($ENGINE run --rm --uts host busybox hostname)"
	equals named "$($ENGINE run --rm --hostname named busybox hostname)"
}

# What a container changed: seen, kept, taken out.
commit_and_diff() {
	$ENGINE run --name box busybox sh -c 'echo made > /made; rm /etc/group'
	contains "A /made" "$($ENGINE diff box)"
	contains "D /etc/group" "$($ENGINE diff box)"
	$ENGINE commit box grown
	equals made "$($ENGINE run --rm grown cat /made)"
	$ENGINE export box | tar -tf - | grep -x made
	$ENGINE rmi grown
}

copy_in_and_out() {
	$ENGINE run -d --name box busybox sleep 300
	echo carried >/tmp/carried
	$ENGINE cp /tmp/carried box:/tmp/carried
	equals carried "$($ENGINE exec box cat /tmp/carried)"
	$ENGINE cp box:/tmp/carried /tmp/back
	equals carried "$(cat /tmp/back)"
	rm /tmp/carried /tmp/back
}

# An alias on a network of its own, and a port of the host's.
alias_and_published_port() {
	$ENGINE network create --subnet 10.77.0.0/24 mine
	$ENGINE run -d --network mine --network-alias web -p 127.0.0.1:8077:80 --name box busybox sh -c "$WEB"
	equals page "$($ENGINE run --rm --network mine busybox sh -c "$(fetch http://web/)")"
	equals page "$(curl -s http://127.0.0.1:8077/)"
	equals page "$(curl -s "http://$(inspect box '{{.NetworkSettings.Networks.mine.IPAddress}}')/")"
	$ENGINE rm -f -t 0 box 2>/dev/null || $ENGINE rm -f box
	$ENGINE network rm mine
}

# A checkpoint, and back from it: the commands that make the one and start from it.
goes_on_after() { # CHECKPOINT-COMMAND RESTORE-COMMAND
	$ENGINE run -d --network none --name box busybox sh -c "$COUNTER"
	says_in_log box '^n=5$'
	$1
	equals exited "$(inspect box '{{.State.Status}}')"
	local number
	number=$(counted $ENGINE logs box)
	$2
	counts_on "$number" $ENGINE logs -f box
	counts_in_order $ENGINE logs box
	equals inside "$($ENGINE exec box echo inside)"
}

# A checkpoint that leaves the container running.
goes_on_through() { # CHECKPOINT-COMMAND
	$ENGINE run -d --name box busybox sh -c "$COUNTER"
	says_in_log box '^n=5$'
	$1
	equals running "$(inspect box '{{.State.Status}}')"
	counts_on "$(counted $ENGINE logs box)" $ENGINE logs -f box
}
