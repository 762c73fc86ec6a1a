# Docker: dockerd on a unix socket, with contrib's daemon.json and what keeps it to a temporary directory.

ENGINE=docker
export DOCKER_HOST=unix:///tmp/docker/docker.sock DOCKER_CLI_HINTS=false

docker() {
	timeout -k 3 "${PATIENCE:-60}" /usr/bin/docker "$@"
}

# write_docker_config FILE JSON: contrib's settings, with JSON's added.
write_docker_config() {
	jq -s '.[0] * .[1]' "$CONTRIB/docker/daemon.json" - >"$1" <<<"$2"
}

client_version() {
	docker --version
}

# start_client [JSON]: with more settings of the daemon's.
start_client() {
	mkdir -p /tmp/docker
	write_docker_config /tmp/docker/daemon.json "$(jq ". + ${1:-{\}}" <<-'END'
		{"data-root": "/tmp/docker/data", "exec-root": "/run/docker", "pidfile": "/tmp/docker/pid",
		 "hosts": ["unix:///tmp/docker/docker.sock"], "storage-driver": "overlay2", "experimental": true}
	END
	)"
	export DOCKER_BUILDKIT_RUNC_COMMAND=/usr/local/sbin/trug
	start_daemon dockerd dockerd --config-file /tmp/docker/daemon.json
	says dockerd "API listen on"
	docker import -c 'CMD ["sh"]' "$IMAGES/busybox.tar" busybox >/dev/null
}

stop_client() {
	docker network prune -f >/dev/null
	docker volume prune -a -f >/dev/null
	stop_daemon dockerd
	# What Docker itself leaves in its network namespace and its directories for the next time.
	ip link delete docker0
	iptables -F
	umount /run/docker/netns/default 2>/dev/null || true
	umount /tmp/docker/data 2>/dev/null || true
	rm -rf /run/docker /tmp/docker
	find /sys/fs/cgroup -depth -path '*/docker*' -type d -exec rmdir {} +
}

tidy_after_check() {
	local left
	left=$(docker ps -aq)
	[ -z "$left" ] || docker rm -f -v $left
	rm -f /tmp/keys /tmp/screen
}

# start_another NAME JSON: one more dockerd, with settings of its own; the commands that follow are for it.
# It has a network namespace of its own: two would fight for one bridge.
start_another() {
	mkdir -p "/tmp/$1"
	write_docker_config "/tmp/$1/daemon.json" "$(jq --arg place "/tmp/$1" --arg run "/run/docker-$1" '. + {
		"data-root": "\($place)/data", "exec-root": $run, "pidfile": "\($place)/pid", "hosts": ["unix://\($place)/docker.sock"],
		"storage-driver": "overlay2"}' <<<"$2")"
	unshare --net="/tmp/$1/net" true 2>/dev/null || { touch "/tmp/$1/net"; unshare --net="/tmp/$1/net" true; }
	start_again "$1"
	ENGINE=docker
export DOCKER_HOST=unix:///tmp/$1/docker.sock
	docker import -c 'CMD ["sh"]' "$IMAGES/busybox.tar" busybox
}

# start_again NAME: the dockerd that start_another started, after it ended.
start_again() {
	start_daemon "$1" nsenter --net="/tmp/$1/net" dockerd --config-file "/tmp/$1/daemon.json"
	says "$1" "API listen on"
}

stop_another() {
	stop_daemon "$1"
	grep -o -e " /run/docker-$1[^ ]* " -e " /tmp/$1[^ ]* " /proc/mounts | xargs -r -n 1 umount || true
	rm -rf "/tmp/$1" "/run/docker-$1"
}

# events CONTAINER EVENT COUNT: waits for events of a container, which may be past.
events() {
	until_lines "$3" . docker events --since 0 --filter "container=$(inspect "$1" "{{.Id}}")" --filter "event=$2" --format '{{.Action}}'
}

