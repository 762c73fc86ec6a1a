# A container's life, step by step.

stop_kills_after_its_time() {
	docker run -d --name box busybox sh -c 'trap "" TERM; echo up; while :; do sleep 1; done'
	says_in_log box up
	docker stop -t 1 box
	equals "137" "$(inspect box '{{.State.ExitCode}}')"
}

kill_with_a_signal() {
	docker run -d --name box busybox sh -c 'trap "echo usr1" USR1; trap "exit 7" QUIT; echo up; while :; do sleep 0.1; done'
	says_in_log box up
	docker kill -s USR1 box
	says_in_log box usr1
	docker kill -s QUIT box
	equals 7 "$(docker wait box)"
	docker start box
	docker kill box
	equals 137 "$(docker wait box)"
}

stop_signal_of_the_image() {
	docker run -d --stop-signal HUP --name box busybox sh -c 'trap "exit 8" HUP; echo up; while :; do sleep 0.1; done'
	says_in_log box up
	docker stop -t 20 box
	equals 8 "$(inspect box '{{.State.ExitCode}}')"
}

wait_rename_and_events() {
	docker create --name box busybox sh -c 'exit 6'
	docker rename box duo
	docker start duo
	equals 6 "$(docker wait duo)"
	local events
	events=$(docker events --since 0 --until "$(date +%s)" --filter container=duo --format '{{.Action}}')
	contains start "$events"
	contains die "$events"
	equals "exited" "$(inspect duo '{{.State.Status}}')"
}

attach() {
	docker run -di --name box busybox sh -c 'while read line; do echo "got $line"; done'
	mkfifo /tmp/keys
	docker attach box </tmp/keys >/tmp/screen &
	attached=$!
	exec 7>/tmp/keys
	echo words >&7
	shows /tmp/screen "got words"
	docker kill box
	exits_with 137 wait $attached
	exec 7>&-
	docker create -i --name duo busybox sh -c 'read line; echo "got $line"; exit 3'
	contains "got more" "$(echo more | exits_with 3 docker start -ai duo)"
}

detach_keys() {
	docker run -dit --name box busybox
	local screen
	mkfifo /tmp/keys
	in_terminal 'docker attach box; echo status $?' </tmp/keys >/tmp/screen &
	attached=$!
	exec 7>/tmp/keys
	echo 'echo at''tached' >&7
	shows /tmp/screen '^attached'
	printf '\020\021' >&7
	exec 7>&-
	wait $attached
	contains "read escape sequence" "$(cat /tmp/screen)"
	equals running "$(inspect box '{{.State.Status}}')"
}

restart_always() {
	docker run -d --restart always --name box busybox sh -c 'echo up; sleep 0.2; exit 1'
	events box start 3
	at_least 2 "$(inspect box '{{.RestartCount}}')"
}

restart_on_failure() {
	docker run -d --restart on-failure:2 --name box busybox sh -c 'exit 1'
	events box die 3
	equals 1 "$(docker wait box)"
	equals 2 "$(inspect box '{{.RestartCount}}')"
}

check "create start stop restart rm" create_start_stop_restart_rm
check "stop: kills after its time" stop_kills_after_its_time
check "kill" kill_with_a_signal
check "stop: the image's signal" stop_signal_of_the_image
check "wait rename events" wait_rename_and_events
check "attach" attach
check "attach: detach keys" detach_keys
check "pause unpause" pause_and_unpause
check "run --restart=always" restart_always
check "run --restart=on-failure:N" restart_on_failure
