# The Container Runtime Interface, as the kubelet speaks it, over containerd's socket.

source lib/containerd.sh

# cri METHOD [TEXT] <REQUEST >ANSWER, both JSON; with TEXT, until the answer has it.
cri() {
	timeout -k 3 90 python3 cri/client.py "$@"
}

client_version() {
	containerd --version | cut -d " " -f 1,3
}

start_client() {
	# A network for pods, as the kubelet's administrator installs it.
	mkdir -p /etc/cni/net.d
	jq -n '{cniVersion: "1.0.0", name: "pods", plugins: [
		{type: "bridge", bridge: "cni0", isGateway: true, ipMasq: false,
		 ipam: {type: "host-local", ranges: [[{subnet: "10.88.0.0/24"}]], routes: [{dst: "0.0.0.0/0"}]}},
		{type: "portmap", capabilities: {portMappings: true}}]}' >/etc/cni/net.d/10-pods.conflist
	protoc --proto_path cri --python_out /tmp cri.proto
	start_containerd
	# A pod's pause container is a busybox that waits, under the name that the configuration has.
	local pause
	pause=$(sandbox_image)
	mkdir /tmp/pause
	cp -a "$IMAGES/busybox/." /tmp/pause
	tar -C /tmp/pause -cf "$IMAGES/pause.tar" .
	make_oci_archive "$IMAGES/pause.tar" "$pause" "$IMAGES/pause.oci" '["/bin/sleep", "1000000"]'
	ctr -n k8s.io image import "$IMAGES/pause.oci" >/dev/null
	ctr -n k8s.io image import "$IMAGES/busybox.oci" >/dev/null
	mkdir -p /tmp/pods
}

stop_client() {
	stop_containerd
	ip link delete cni0 2>/dev/null || true
	rm -rf /tmp/pods /tmp/pause /var/lib/cni
	find /sys/fs/cgroup -depth -path '*/k8s.io*' -type d -exec rmdir {} +
}

tidy_after_check() {
	local pod
	for pod in $(cri ListPodSandbox <<<'{}' | jq -r '.items[]?.id'); do
		cri StopPodSandbox <<<"{\"pod_sandbox_id\": \"$pod\"}"
		cri RemovePodSandbox <<<"{\"pod_sandbox_id\": \"$pod\"}"
	done
}

# The configuration of a pod, with JSON's added.
pod_config() {
	jq -c '. * $more' --argjson more "${1:-{\}}" <<-END
		{"metadata": {"name": "pod", "uid": "uid-$BASHPID-$RANDOM", "namespace": "default"}, "log_directory": "/tmp/pods",
		 "linux": {"security_context": {"namespace_options": {"pid": "CONTAINER"}}}}
	END
}

# run_pod CONFIG: prints its id.
run_pod() {
	cri RunPodSandbox <<<"{\"config\": $1, \"runtime_handler\": \"${HANDLER:-trug}\"}" | jq -r .pod_sandbox_id
}

# create_container POD POD-CONFIG NAME JSON SCRIPT: a container that runs a script of the shell; prints its id.
create_container() {
	jq -nc --arg pod "$1" --argjson pod_config "$2" --arg name "$3" --argjson more "${4:-{\}}" --arg script "$5" '{
		pod_sandbox_id: $pod, sandbox_config: $pod_config, config: ({
			metadata: {name: $name}, image: {image: "localhost/busybox:latest"},
			command: ["/bin/sh", "-c", $script], log_path: ($name + ".log"),
			linux: {security_context: {namespace_options: {pid: "CONTAINER"}}}} * $more)}' |
		cri CreateContainer | jq -r .container_id
}

start_container() {
	cri StartContainer <<<"{\"container_id\": \"$1\"}"
}

# run_container: create_container, and start it.
run_container() {
	local id
	id=$(create_container "$@")
	start_container "$id" >&2
	echo "$id"
}

# exec_sync CONTAINER SCRIPT: prints what it wrote.
exec_sync() {
	jq -nc --arg id "$1" --arg script "$2" '{container_id: $id, cmd: ["sh", "-c", $script], timeout: 20}' |
		cri ExecSync | jq -r '(.stdout // "" | @base64d) + (.stderr // "" | @base64d), "status \(.exit_code // 0)"' |
		sed '/^$/d; /^status 0$/d'
}

container_status() { # CONTAINER JQ-FILTER
	cri ContainerStatus <<<"{\"container_id\": \"$1\"}" | jq -r ".status | $2"
}

# exited CONTAINER: waits until it has.
exited() {
	cri ContainerStatus CONTAINER_EXITED <<<"{\"container_id\": \"$1\"}"
}

# logged NAME TEXT: waits until a container's log has TEXT.
logged() {
	shows "/tmp/pods/$1.log" "$2"
}
