# Checkpoints.

save() {
	docker checkpoint create box saved
	equals saved "$(docker checkpoint ls box | tail -n +2)"
}

checkpoint_and_start() {
	needs_criu
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
