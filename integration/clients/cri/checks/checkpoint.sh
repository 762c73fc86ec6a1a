# Checkpoints, as the kubelet's checkpoint API asks for them: the container goes on, and the archive can be run elsewhere.

checkpoint_and_restore() {
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
	cri StopContainer <<<"{\"container_id\": \"$box\"}"
	# A container whose image is a checkpoint is made from it.
	box=$(run_container "$pod" "$config" restored '{"image": {"image": "/tmp/pods/box.tar"}, "command": []}' '')
	logged restored "n=$((number + 10))$"
	at_least 5 "$(cut -d ' ' -f 4 /tmp/pods/restored.log | sed -n '1s/^n=//p')"
	cut -d ' ' -f 4 /tmp/pods/restored.log | counts_in_order cat
}

check "checkpoint, restore" checkpoint_and_restore
