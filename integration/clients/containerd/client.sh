# containerd by ctr, through the shim io.containerd.runc.v2.

source lib/containerd.sh
BUSYBOX=localhost/busybox:latest

ctr() {
	timeout -k 3 60 /usr/bin/ctr "$@"
}

# run FLAGS… -- ID COMMAND…: ctr run of busybox on the runtime.
run() {
	local flags=()
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	ctr run --runtime io.containerd.runc.v2 --runc-binary /usr/local/sbin/trug "${flags[@]}" "$BUSYBOX" "$@"
}

client_version() {
	containerd --version | cut -d " " -f 1,3
}

start_client() {
	start_containerd
	ctr image import "$IMAGES/busybox.oci" >/dev/null
}

stop_client() {
	ctr image rm "$BUSYBOX" >/dev/null
	stop_containerd
	# The cgroup that all of ctr's containers of the namespace `default` are in.
	find /sys/fs/cgroup -depth -path '*/default*' -type d -exec rmdir {} +
}

tidy_after_check() {
	local id
	for id in $(ctr tasks list -q); do
		ctr tasks kill -s KILL "$id"
		ctr tasks delete -f "$id"
	done
	ctr containers list -q | xargs -r timeout 60 ctr containers delete
}

# Waits until a task has ended, and deletes it; ctr prints the exit status if it is not 0.
delete_task() {
	until_line "^$1 .*STOPPED" bash -c 'while ctr tasks list; do sleep 0.1; done'
	ctr tasks delete "$1" 2>&1
}
