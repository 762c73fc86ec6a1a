# Checkpoints.

save() {
	docker checkpoint create box saved
	equals saved "$(docker checkpoint ls box | tail -n +2)"
	# Docker hands it back to containerd, which refuses it while it has not yet forgotten the very same: so it is another.
	touch "/tmp/docker/data/containers/$(inspect box '{{.Id}}')/checkpoints/saved/another"
}

checkpoint_and_start() {
	needs_criu
	[[ "$(docker version -f '{{.Server.Version}}')" != 28.* ]] || skip "Docker 28 starts from no checkpoint, over runc either: it looks for the network of pid 0"
	goes_on_after save "docker start --checkpoint saved box"
	docker checkpoint rm box saved
	equals "" "$(docker checkpoint ls box | tail -n +2)"
}

checkpoint_leaves_running() {
	needs_criu
	goes_on_through "docker checkpoint create --leave-running --checkpoint-dir /tmp/checkpoints box saved"
	[ -e /tmp/checkpoints/saved/descriptors.json ]
	rm -r /tmp/checkpoints
}

check "checkpoint create ls rm, start --checkpoint" checkpoint_and_start
check "checkpoint create --leave-running --checkpoint-dir" checkpoint_leaves_running
