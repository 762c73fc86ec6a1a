# docker run, in its forms.

the_runtime_is_ours() {
	contains "trug" "$(docker info -f '{{json .Runtimes}}')"
	equals trug "$(docker info -f '{{.DefaultRuntime}}')"
	docker run --name box busybox true
	equals trug "$(inspect box '{{.HostConfig.Runtime}}')"
}

in_the_foreground() {
	equals "hello" "$(docker run --rm busybox echo hello)"
	equals "in" "$(echo in | docker run --rm -i busybox cat)"
	equals "42" "$(docker run --rm -e N=42 -w /tmp busybox sh -c 'echo $N; [ $PWD = /tmp ]')"
	equals "box" "$(docker run --rm --hostname box busybox hostname)"
	local streams
	streams=$(docker run --rm busybox sh -c 'echo out; echo err >&2' 2>/tmp/err)
	equals "out err" "$streams $(cat /tmp/err)"
}

exit_status() {
	exits_with 3 docker run --rm busybox sh -c 'exit 3'
	exits_with 137 docker run --rm --init busybox sh -c 'kill -9 $$'
}

in_the_background() {
	local id
	id=$(docker run -d --name box busybox sh -c 'echo started; exec sleep 300')
	equals "$id" "$(docker ps -q --no-trunc)"
	says_in_log box started
	equals "running true" "$(inspect box '{{.State.Status}} {{.State.Running}}')"
	kill -0 "$(inspect box '{{.State.Pid}}')"
}

on_a_terminal() {
	local screen
	screen=$(printf 'tty; stty size; echo sum $((40 + 2)); exit 5\n' |
		in_terminal 'stty rows 33 cols 99; docker run --rm -it busybox; echo status $?')
	contains /dev/pts/0 "$screen"
	contains "33 99" "$screen"
	contains "sum 42" "$screen"
	contains "status 5" "$screen"
}

interrupted_by_ctrl_c() {
	local screen
	mkfifo /tmp/keys
	in_terminal 'docker run --rm -it busybox sh -c "trap \"echo caught; exit 9\" INT; echo wait\"\"ing; while :; do sleep 1; done"; echo status $?' \
		</tmp/keys >/tmp/screen &
	attached=$!
	exec 7>/tmp/keys
	shows /tmp/screen 'waiting'
	printf '\003' >&7
	exec 7>&-
	wait $attached
	screen=$(cat /tmp/screen)
	contains caught "$screen"
	contains "status 9" "$screen"
}

debian_image() {
	[ -e "$IMAGES/debian.tar" ] || skip "no Debian tree: integration/debian-rootfs has not made it"
	docker import "$IMAGES/debian.tar" debian
	contains "Debian" "$(docker run --rm debian cat /etc/os-release)"
	docker run --rm debian dpkg -l | grep "ii  base-files"
	docker rmi debian
}

eight_at_once() {
	local n ids=()
	for n in 1 2 3 4 5 6 7 8; do
		docker run --rm busybox sh -c "echo $n" >"/tmp/at-once-$n" &
		ids+=($!)
	done
	wait "${ids[@]}"
	equals "1 2 3 4 5 6 7 8" "$(cat /tmp/at-once-* | xargs)"
	rm /tmp/at-once-*
}

check "info: the runtime is ours" the_runtime_is_ours
check "run" in_the_foreground
check "run: exit status" exit_status
check "run -d" in_the_background
check "run -it" on_a_terminal
check "run -it: Ctrl-C" interrupted_by_ctrl_c
check "run: a Debian" debian_image
check "run: eight at once" eight_at_once
