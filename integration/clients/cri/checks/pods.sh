# Pods and their containers.

two_containers_in_a_pod() {
	local config pod web other
	config=$(pod_config '{"hostname": "podded"}')
	pod=$(run_pod "$config")
	equals "SANDBOX_READY trug" "$(cri ListPodSandbox <<<'{}' | jq -r '.items[] | "\(.state // "SANDBOX_READY") \(.runtime_handler)"')"
	web=$(run_container "$pod" "$config" web '{}' "$WEB")
	other=$(run_container "$pod" "$config" other '{}' 'echo started; sleep 300')
	logged other started
	# They share the network, the hostname and the IPC namespace, and have pids and files of their own.
	equals page "$(exec_sync "$other" "$(fetch http://127.0.0.1/)")"
	equals "podded" "$(exec_sync "$other" hostname)"
	local kind
	for kind in net uts ipc; do
		equals "$(exec_sync "$web" "readlink /proc/self/ns/$kind")" "$(exec_sync "$other" "readlink /proc/self/ns/$kind")"
	done
	lacks "$(exec_sync "$web" 'readlink /proc/self/ns/pid')" "$(exec_sync "$other" 'readlink /proc/self/ns/pid')"
	lacks www "$(exec_sync "$other" 'ls /')"
	# The pod has an address on the network.
	equals page "$(curl -s "http://$(cri PodSandboxStatus <<<"{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.network.ip)/")"
}

shared_pids() {
	local config pod one two
	config=$(pod_config '{"linux": {"security_context": {"namespace_options": {"pid": "POD"}}}}')
	pod=$(run_pod "$config")
	local share='{"linux": {"security_context": {"namespace_options": {"pid": "POD"}}}}'
	one=$(run_container "$pod" "$config" one "$share" 'exec sleep 301')
	two=$(run_container "$pod" "$config" two "$share" 'exec sleep 302')
	contains "sleep 301" "$(exec_sync "$two" ps)"
	contains "sleep 302" "$(exec_sync "$one" ps)"
}

exec_sync_in_all_forms() {
	local config pod box
	config=$(pod_config)
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box '{"envs": [{"key": "V", "value": "v"}], "working_dir": "/tmp"}' 'sleep 300')
	equals "v /tmp" "$(exec_sync "$box" 'echo $V $PWD')"
	contains "status 4" "$(exec_sync "$box" 'echo err >&2; exit 4')"
	contains "DEADLINE_EXCEEDED" "$(jq -nc --arg id "$box" '{container_id: $id, cmd: ["sleep", "60"], timeout: 1}' | exits_with 1 cri ExecSync)"
}

logs_and_exit_status() {
	local config pod box
	config=$(pod_config)
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box '{}' 'echo out; echo err >&2; exit 6')
	logged box "stdout F out"
	logged box "stderr F err"
	exited "$box"
	equals 6 "$(container_status "$box" .exit_code)"
}

limits_and_update() {
	needs_controllers
	local config pod box cgroup
	config=$(pod_config '{"linux": {"cgroup_parent": "/pods"}}')
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box '{"linux": {"resources": {"memory_limit_in_bytes": 67108864, "cpu_quota": 20000, "cpu_period": 100000, "cpu_shares": 512}}}' 'sleep 300')
	equals 67108864 "$(cat "/sys/fs/cgroup/memory/pods/$box/memory.limit_in_bytes")"
	equals "20000 512" "$(cat "/sys/fs/cgroup/cpu/pods/$box/"{cpu.cfs_quota_us,cpu.shares} | xargs)"
	cri UpdateContainerResources <<<"{\"container_id\": \"$box\", \"linux\": {\"memory_limit_in_bytes\": 100663296, \"cpu_quota\": 30000}}"
	equals 100663296 "$(cat "/sys/fs/cgroup/memory/pods/$box/memory.limit_in_bytes")"
	equals "30000" "$(cat "/sys/fs/cgroup/cpu/pods/$box/cpu.cfs_quota_us")"
	tidy_after_check
	rmdir /sys/fs/cgroup/*/pods
}

out_of_memory() {
	needs_controllers
	local config pod box
	config=$(pod_config)
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box '{"linux": {"resources": {"memory_limit_in_bytes": 33554432}}}' 'tail /dev/zero')
	exited "$box"
	equals "OOMKilled 137" "$(container_status "$box" '.reason + " " + (.exit_code | tostring)')"
}

statistics() {
	needs_controllers
	local config pod box stats
	config=$(pod_config)
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box '{}' 'echo up; sleep 300')
	logged box up
	stats=$(cri ContainerStats <<<"{\"container_id\": \"$box\"}")
	at_least 1 "$(jq -r .stats.cpu.usage_core_nano_seconds.value <<<"$stats")"
	at_least 1 "$(jq -r .stats.memory.working_set_bytes.value <<<"$stats")"
}

security() {
	local config pod box context
	config=$(pod_config)
	pod=$(run_pod "$config")
	context='{"linux": {"security_context": {"run_as_user": {"value": 1000}, "readonly_rootfs": true, "no_new_privs": true,
		"supplemental_groups": [2000], "capabilities": {"drop_capabilities": ["ALL"]}, "seccomp": {"profile_type": "RuntimeDefault"}}}}'
	box=$(run_container "$pod" "$config" box "$context" 'sleep 300')
	equals "1000" "$(exec_sync "$box" 'id -u')"
	equals "CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2" \
		"$(exec_sync "$box" 'echo $(grep -e CapBnd -e NoNewPrivs -e Seccomp: /proc/1/status)')"
	contains 2000 "$(exec_sync "$box" 'id -G')"
	contains "Read-only" "$(exec_sync "$box" 'touch /tmp/x')"
}

privileged() {
	local config pod box
	config=$(pod_config '{"linux": {"security_context": {"privileged": true}}}')
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" strong '{"linux": {"security_context": {"privileged": true}}}' 'sleep 300')
	contains "status 13" "$(exec_sync "$box" 'mount -t tmpfs t /tmp && [ -e /dev/fuse ] && exit 13')"
}

user_namespace() {
	local map='"userns_options": {"mode": "POD", "uids": [{"host_id": 300000, "container_id": 0, "length": 65536}],
		"gids": [{"host_id": 300000, "container_id": 0, "length": 65536}]}'
	local config pod box
	config=$(pod_config "{\"linux\": {\"security_context\": {\"namespace_options\": {\"pid\": \"CONTAINER\", $map}}}}")
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box "{\"linux\": {\"security_context\": {\"namespace_options\": {\"pid\": \"CONTAINER\", $map}}}}" 'sleep 300')
	contains 300000 "$(exec_sync "$box" 'cat /proc/self/uid_map')"
	equals 0 "$(exec_sync "$box" 'id -u')"
	equals 0 "$(exec_sync "$box" 'stat -c %u /bin/busybox')"
}

volumes_and_devices() {
	local config pod box
	config=$(pod_config)
	pod=$(run_pod "$config")
	mkdir -p /tmp/pods/volume
	echo kept >/tmp/pods/volume/file
	box=$(run_container "$pod" "$config" box '{"mounts": [{"container_path": "/data", "host_path": "/tmp/pods/volume", "readonly": true}],
		"devices": [{"container_path": "/dev/fuse", "host_path": "/dev/fuse", "permissions": "rwm"}]}' 'sleep 300')
	equals kept "$(exec_sync "$box" 'cat /data/file')"
	contains "Read-only" "$(exec_sync "$box" 'touch /data/x')"
	contains crw "$(exec_sync "$box" 'ls -l /dev/fuse')"
}

stop_and_remove() {
	local config pod box
	config=$(pod_config)
	pod=$(run_pod "$config")
	box=$(run_container "$pod" "$config" box '{}' 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done')
	logged box up
	cri StopContainer <<<"{\"container_id\": \"$box\", \"timeout\": 20}"
	equals "CONTAINER_EXITED 9" "$(container_status "$box" '"\(.state) \(.exit_code)"')"
	cri RemoveContainer <<<"{\"container_id\": \"$box\"}"
	equals 0 "$(cri ListContainers <<<'{}' | jq '.containers // [] | length')"
	cri StopPodSandbox <<<"{\"pod_sandbox_id\": \"$pod\"}"
	equals SANDBOX_NOTREADY "$(cri PodSandboxStatus <<<"{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.state)"
	cri RemovePodSandbox <<<"{\"pod_sandbox_id\": \"$pod\"}"
	equals 0 "$(cri ListPodSandbox <<<'{}' | jq '.items // [] | length')"
}

check "pod: two containers share namespaces" two_containers_in_a_pod
check "pod: shared pids" shared_pids
check "exec" exec_sync_in_all_forms
check "logs" logs_and_exit_status
check "limits in the cgroup's files" limits_and_update
check "--memory: OOMKilled" out_of_memory
check "stats" statistics
check "user, capabilities, seccomp, read-only" security
check "--privileged" privileged
check "user namespace" user_namespace
check "volumes, devices" volumes_and_devices
check "stop, rm" stop_and_remove
