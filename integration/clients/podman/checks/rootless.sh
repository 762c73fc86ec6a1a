# The same as a user, who has ranges of subordinate ids and no cgroup of their own (v1 without systemd gives none).

# as_user COMMAND…
as_user() {
	timeout -k 3 90 runuser -u somebody -- env XDG_RUNTIME_DIR=/run/user/1234 HOME=/home/somebody \
		PODMAN_IGNORE_CGROUPSV1_WARNING=1 "$@"
}

make_user() {
	id somebody 2>/dev/null || useradd -m -u 1234 somebody
	groupadd -f -g 4321 helpers
	usermod -aG helpers somebody
	echo 'somebody:1000000:65536' | tee /etc/subuid >/etc/subgid
	mkdir -p /run/user/1234 /home/somebody/.config/containers /tmp/rootless
	printf '[storage]\ndriver = "overlay"\nrootless_storage_path = "/tmp/rootless/storage"\n' >/home/somebody/.config/containers/storage.conf
	chown -R somebody: /run/user/1234 /home/somebody /tmp/rootless
	as_user podman load -q -i "$IMAGES/busybox.oci"
}

rootless_run() {
	make_user
	equals "trug true" "$(as_user podman info -f '{{.Host.OCIRuntime.Name}} {{.Host.Security.Rootless}}')"
	equals hello "$(as_user podman run --rm busybox echo hello)"
	exits_with 3 as_user podman run --rm busybox sh -c 'exit 3'
	equals "0 1234" "$(as_user podman run --rm busybox sh -c 'echo $(id -u) $(awk "{print \$2; exit}" /proc/self/uid_map)')"
	equals 1000 "$(as_user podman run --rm -u 1000 busybox id -u)"
}

rootless_lifecycle() {
	as_user podman run -d --name box busybox sh -c 'trap "exit 4" TERM; echo up; sleep 301 & while :; do sleep 0.1; done'
	until_line up runuser -u somebody -- env XDG_RUNTIME_DIR=/run/user/1234 podman logs -f box
	equals hi "$(as_user podman exec box echo hi)"
	contains "sleep 301" "$(as_user podman top box args)"
	as_user podman stop -t 20 box
	equals 4 "$(as_user podman inspect -f '{{.State.ExitCode}}' box)"
	as_user podman rm box
}

rootless_terminal() {
	answers_on_a_terminal 'runuser -u somebody -- env XDG_RUNTIME_DIR=/run/user/1234 podman run --rm -it busybox sh'
}

rootless_identity() {
	equals 1234 "$(as_user podman run --rm --userns keep-id busybox id -u)"
	contains helpers "$(id somebody)"
	# A group that the container cannot name is nobody's in it, and is there all the same.
	contains 65534 "$(as_user podman run --rm --group-add keep-groups busybox sh -c 'grep Groups /proc/self/status')"
	install -d -m 770 -g helpers /tmp/helped
	as_user podman run --rm --group-add keep-groups -v /tmp/helped:/helped busybox touch /helped/file
	rm -r /tmp/helped
}

rootless_volume_and_build() {
	as_user podman run --rm -v kept:/data busybox sh -c 'echo kept > /data/file'
	equals kept "$(as_user podman run --rm -v kept:/data busybox cat /data/file)"
	as_user podman volume rm kept
	install -d -o somebody /tmp/build
	printf 'FROM localhost/busybox\nRUN echo built > /built\nCMD ["cat", "/built"]\n' >/tmp/build/Containerfile
	as_user podman build --network none -t built /tmp/build
	equals built "$(as_user podman run --rm built)"
	rm -r /tmp/build
}

rootless_network() {
	as_user podman run -d -p 8079:80 --name box busybox sh -c "$WEB"
	equals page "$(as_user podman exec box sh -c "$(fetch http://127.0.0.1/)")"
	equals page "$(curl -s http://127.0.0.1:8079/)"
	as_user podman rm -f -t 0 box
}

rootless_pod() {
	as_user podman pod create --name basket --infra-image localhost/busybox --infra-command "sleep 1000000" --hostname podded
	equals podded "$(as_user podman run --rm --pod basket busybox hostname)"
	as_user podman pod rm -f -t 0 basket
}

rootless_healthcheck() {
	as_user podman run -d --health-cmd 'test -e /well' --health-interval disable --name box busybox sleep 300
	contains unhealthy "$(exits_with 1 as_user podman healthcheck run box)"
	as_user podman exec box touch /well
	as_user podman healthcheck run box
	as_user podman rm -f -t 0 box
}

rootless_kube_play() {
	printf '%s\n' 'apiVersion: v1' 'kind: Pod' 'metadata: {name: played}' 'spec:' '  containers:' \
		'  - {name: one, image: "localhost/busybox:latest", imagePullPolicy: Never, command: [sleep, "300"]}' >/tmp/pod.yaml
	as_user podman kube play /tmp/pod.yaml
	equals hi "$(as_user podman exec played-one echo hi)"
	as_user podman kube down /tmp/pod.yaml
	rm /tmp/pod.yaml
}

rootless_limits() {
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || skip "on cgroup v1 a user has no cgroup, and Podman no statistics"
	as_user podman run -d --memory 64m --name box busybox sleep 300
	contains "67.11MB" "$(as_user podman stats --no-stream --format '{{.MemUsage}}' box)"
	as_user podman pause box
	as_user podman unpause box
	as_user podman rm -f -t 0 box
}

rootless_end() {
	as_user podman rm -a -f -t 0
	as_user podman system migrate
	umount -q /tmp/rootless/storage/overlay || true
	rm -rf /tmp/rootless /run/user/1234
}

check "rootless: run" rootless_run
check "rootless: run -it" rootless_terminal
check "rootless: create exec top stop rm" rootless_lifecycle
check "rootless: --userns keep-id, keep-groups" rootless_identity
check "rootless: volumes, build" rootless_volume_and_build
check "rootless: published port" rootless_network
check "rootless: pod" rootless_pod
check "rootless: healthcheck" rootless_healthcheck
check "rootless: kube play, kube down" rootless_kube_play
check "rootless: stats, limits, pause" rootless_limits
rootless_end >/dev/null 2>&1 || true
