# Checkpoints.

checkpoint_and_start() {
	needs_criu
	docker run -d --network none --name box busybox sh -c "$COUNTER"
	says_in_log box '^n=5$'
	docker checkpoint create box saved
	equals exited "$(inspect box '{{.State.Status}}')"
	equals saved "$(docker checkpoint ls box | tail -n +2)"
	local number
	number=$(counted docker logs box)
	docker start --checkpoint saved box
	counts_on "$number" docker logs -f box
	counts_in_order docker logs box
	equals inside "$(docker exec box echo inside)"
	docker checkpoint rm box saved
	equals "" "$(docker checkpoint ls box | tail -n +2)"
}

checkpoint_leaves_running() {
	needs_criu
	# On a network, whose interface is saved too.
	docker run -d --name box busybox sh -c "$COUNTER"
	says_in_log box '^n=5$'
	docker checkpoint create --leave-running --checkpoint-dir /tmp/checkpoints box saved
	equals running "$(inspect box '{{.State.Status}}')"
	counts_on "$(counted docker logs box)" docker logs -f box
	[ -e /tmp/checkpoints/saved/descriptors.json ]
	rm -r /tmp/checkpoints
}

check "checkpoint create ls rm, start --checkpoint" checkpoint_and_start
check "checkpoint create --leave-running --checkpoint-dir" checkpoint_leaves_running
