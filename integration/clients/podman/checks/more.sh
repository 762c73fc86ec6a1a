# Files, networks, security, pods.

security() {
	equals "0000000000000000" "$(podman run --rm --cap-drop ALL busybox sed -n 's/^CapEff:\t//p' /proc/self/status)"
	equals 2 "$(podman run --rm busybox sed -n 's/^Seccomp:\t//p' /proc/self/status)"
	equals 1 "$(podman run --rm --security-opt no-new-privileges busybox sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
	contains "Read-only" "$(exits_with 1 podman run --rm --read-only busybox touch /new)"
	podman run --rm --privileged busybox mount -t tmpfs t /tmp
	equals "77" "$(podman run --rm --ulimit nofile=77:99 busybox sh -c 'ulimit -n')"
	equals 1 "$(podman run --rm --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward)"
}

files() {
	mkdir -p /tmp/host
	echo host >/tmp/host/file
	equals host "$(podman run --rm -v /tmp/host:/data busybox cat /data/file)"
	podman run --rm -v kept:/data busybox sh -c 'echo kept > /data/file'
	equals kept "$(podman run --rm -v kept:/data busybox cat /data/file)"
	rm -r /tmp/host
}

network_modes() {
	equals lo "$(podman run --rm --network none busybox ls /sys/class/net)"
	equals "$(readlink /proc/self/ns/net)" "$(podman run --rm --network host busybox readlink /proc/self/ns/net)"
}

user_namespaces() {
	# The user whose ranges `auto` takes from.
	id containers 2>/dev/null || useradd --system containers
	echo 'containers:600000:1048576' | tee -a /etc/subuid >>/etc/subgid
	local map
	map=$(podman run --rm --userns auto busybox cat /proc/self/uid_map)
	at_least 600000 "$(awk '{ print $2; exit }' <<<"$map")"
	contains "700000" "$(podman run --rm --uidmap 0:700000:1000 --gidmap 0:700000:1000 busybox cat /proc/self/uid_map)"
	podman run -d --userns auto --name box busybox sleep 300
	equals 0 "$(podman exec box id -u)"
	equals 0 "$(podman exec box stat -c %u /bin/busybox)"
}

pod() {
	podman pod create --name basket --infra-image localhost/busybox --infra-command "sleep 1000000" --hostname podded
	podman run -d --pod basket --name web busybox sh -c "$WEB"
	equals page "$(podman run --rm --pod basket busybox sh -c "$(fetch http://127.0.0.1/)")"
	equals podded "$(podman run --rm --pod basket busybox hostname)"
	contains web "$(podman pod top basket)$(podman pod inspect basket)"
	podman pod pause basket
	podman pod unpause basket
	podman pod stop -t 0 basket
	podman pod rm basket
}

kube_play() {
	needs_controllers
	cat >/tmp/pod.yaml <<-'END'
		apiVersion: v1
		kind: Pod
		metadata: {name: played}
		spec:
		  restartPolicy: Never
		  containers:
		  - name: one
		    image: localhost/busybox:latest
		    imagePullPolicy: Never
		    command: [sh, -c, "echo from a file; sleep 300"]
		    resources: {limits: {memory: 64Mi}}
	END
	podman kube play /tmp/pod.yaml
	says_in_log played-one "from a file"
	equals 67108864 "$(inspect played-one '{{.HostConfig.Memory}}')"
	podman kube down /tmp/pod.yaml
	exits_with 1 podman pod exists played
	rm /tmp/pod.yaml
}

no_cgroup() {
	podman run -d --cgroups disabled --name box busybox sleep 300
	equals "$(cat /proc/self/cgroup)" "$(cat "/proc/$(inspect box '{{.State.Pid}}')/cgroup")"
	podman rm -f -t 0 box
}

build() {
	mkdir -p /tmp/build
	printf 'FROM localhost/busybox\nRUN echo built > /built\nCMD ["cat", "/built"]\n' >/tmp/build/Containerfile
	podman build --network none -t built /tmp/build
	equals built "$(podman run --rm built)"
	podman rmi built
	rm -r /tmp/build
}

check "capabilities, seccomp, read-only, privileged, ulimit, sysctl" security
check "-v: bind, named volume" files
check "commit diff export" commit_and_diff
check "cp" copy_in_and_out
check "--pid host container:" pid_modes
check "--ipc host container: none private" ipc_modes
check "--uts host --hostname" uts_modes
check "--network none host" network_modes
check "--userns auto, --uidmap" user_namespaces
check "network: alias, published port" alias_and_published_port
check "pod" pod
check "kube play, kube down" kube_play
check "--cgroups disabled" no_cgroup
check "build" build
