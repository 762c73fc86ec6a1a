# Checkpoints.

checkpoint_and_restore() {
	needs_criu
	goes_on_after "podman container checkpoint box" "podman container restore box"
}

export_and_import() {
	needs_criu
	podman run -d --name box busybox sh -c "echo kept >/kept; $COUNTER"
	says_in_log box '^n=5$'
	podman container checkpoint --export /tmp/box.tar.gz box
	local number
	number=$(counted podman logs box)
	podman rm box
	podman container restore --import /tmp/box.tar.gz --name duo
	counts_on "$number" podman logs -f duo
	counts_in_order podman logs duo
	equals kept "$(podman exec duo cat /kept)"
	rm /tmp/box.tar.gz
}

checkpoint_leaves_running() {
	needs_criu
	goes_on_through "podman container checkpoint --leave-running --keep box"
}

check "container checkpoint, restore" checkpoint_and_restore
check "container checkpoint --export, restore --import" export_and_import
check "container checkpoint --leave-running" checkpoint_leaves_running
