# Checkpoints, as the kubelet's checkpoint API asks for them: the container goes on, and there is an archive.

checkpoint() {
	needs_criu
	local config pod box number
	config=$(pod_config)
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box '{}' "$COUNTER")
	logged box 'n=5$'
	if ! cri CheckpointContainer <<<"{\"container_id\": \"$box\", \"location\": \"/tmp/pods/box.tar\", \"timeout\": 60}" >/tmp/pods/answer 2>&1; then
		cat /tmp/pods/answer
		grep -q -i -e unimplemented -e "not implemented" /tmp/pods/answer
		skip "this containerd makes no checkpoints through the CRI"
	fi
	number=$(cut -d ' ' -f 4 /tmp/pods/box.log | counted cat)
	counts_on "$number" tail -n +1 -s 0.05 -F /tmp/pods/box.log
	tar -tf /tmp/pods/box.tar | grep '^checkpoint/inventory.img$'
}

check "checkpoint" checkpoint
