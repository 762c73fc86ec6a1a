# docker run, in its forms.

the_runtime_is_ours() {
	contains "trug" "$(docker info -f '{{json .Runtimes}}')"
	equals trug "$(docker info -f '{{.DefaultRuntime}}')"
	docker run --name box busybox true
	equals trug "$(inspect box '{{.HostConfig.Runtime}}')"
}

in_the_background() {
	local id
	id=$(docker run -d --name box busybox sh -c 'echo started; exec sleep 300')
	equals "$id" "$(docker ps -q --no-trunc)"
	says_in_log box started
	equals "running true" "$(inspect box '{{.State.Status}} {{.State.Running}}')"
	kill -0 "$(inspect box '{{.State.Pid}}')"
}

sized_terminal() {
	run_on_a_terminal
	contains "33 99" "$(echo 'stty size' | in_terminal 'stty rows 33 cols 99; docker run --rm -it busybox')"
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
check "run" run_in_the_foreground
check "run: exit status" exit_status
check "run -d" in_the_background
check "run -it" sized_terminal
check "run -it: Ctrl-C" interrupted_by_ctrl_c
check "run: a Debian" debian_image
check "run: eight at once" eight_at_once
