# Namespaces shared with the host and with other containers.

users() {
	equals "1000 1000" "$(docker run --rm -u 1000:1000 busybox sh -c 'echo $(id -u) $(id -g)')"
	equals "user" "$(docker run --rm -u user busybox id -un)"
	contains "2000" "$(docker run --rm -u user busybox id -G)"
	contains "3000" "$(docker run --rm --group-add 3000 busybox id -G)"
}

init_process() {
	contains "docker-init" "$(docker run --rm --init busybox sh -c 'cat /proc/1/cmdline | tr "\0" " "')"
	# It reaps what nobody waits for.
	docker run --rm --init busybox sh -c '(sleep 0.1 &); sleep 0.5; ! ps -o stat | grep -q Z'
}

userns_remap() {
	echo 'dockremap:200000:65536' | tee -a /etc/subuid >>/etc/subgid
	useradd --system dockremap 2>/dev/null || true
	start_another remap '{"userns-remap": "default"}'
	contains "200000" "$(docker run --rm --network none busybox cat /proc/self/uid_map)"
	docker run -d --name box -v kept:/data busybox sh -c 'touch /data/file; echo up; sleep 300'
	says_in_log box up
	equals 200000 "$(stat -c %u "/proc/$(inspect box '{{.State.Pid}}')")"
	equals 0 "$(docker exec box id -u)"
	equals 0 "$(docker exec box stat -c %u /data/file)"
	docker run --rm --userns host busybox sh -c 'grep -q 4294967295 /proc/self/uid_map'
	docker rm -f box
	stop_another remap
}

check "--pid host container:" pid_modes
check "--ipc host container: none private" ipc_modes
check "--uts host --hostname" uts_modes
check "-u --group-add" users
check "--init" init_process
check "--userns-remap" userns_remap
