# lxcfs's files over /proc: a container sees the memory and the processors that it may use.

source docker/client.sh

LXCFS=/var/lib/lxcfs
keep_as docker start_client stop_client

client_version() {
	echo "lxcfs $(dpkg-query -W -f '${Version}' lxcfs)"
}

start_client() {
	# It reads the cgroups at their usual places, in a mount namespace of its own.
	mkdir -p "$LXCFS"
	start_daemon lxcfs lxcfs -f "$LXCFS"
	timeout 30 bash -c "until [ -e $LXCFS/proc/meminfo ]; do sleep 0.1; done"
	docker_start_client
}

stop_client() {
	docker_stop_client
	stop_daemon lxcfs
	umount -q "$LXCFS" || true
	rm -rf /run/lxcfs*
}
