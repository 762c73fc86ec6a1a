# Kubernetes: a node by hand. etcd, the API server, its controllers, the scheduler, a kubelet and a proxy, over containerd, with
# trug as the handler of contrib's RuntimeClass. The programs are those of kubernetes/build, at /kubernetes.

source cri/client.sh
keep_as cri start_client stop_client

export KUBECONFIG=/tmp/kubernetes/config PATH=$PATH:/kubernetes
# A node cannot be at a loopback address.
NODE=10.99.0.1

kubectl() {
	timeout -k 3 90 /kubernetes/kubectl "$@"
}

client_version() {
	echo "$(kubelet --version), $(containerd --version | cut -d ' ' -f 1,3)"
}

# A kubelet sets the kernel up as it likes. It is shown files that are as it likes already.
keep_kernel_settings() {
	local setting
	for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
		kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
		echo "${setting#*=}" >"/tmp/kubernetes/${setting##*/}"
		mount --bind "/tmp/kubernetes/${setting##*/}" "/proc/sys/${setting%%=*}"
	done
}

write_kubernetes_files() {
	cd /tmp/kubernetes
	openssl genrsa -out accounts.key 2048 2>/dev/null
	echo 'a-token,admin,admin,system:masters' >tokens
	cat >config <<-'END'
		apiVersion: v1
		kind: Config
		clusters: [{name: world, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}]
		users: [{name: admin, user: {token: a-token}}]
		contexts: [{name: world, context: {cluster: world, user: admin}}]
		current-context: world
	END
	cat >kubelet.yaml <<-'END'
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		cgroupDriver: cgroupfs
		enforceNodeAllocatable: []
		evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: 50Mi}
		failSwapOn: false
		staticPodPath: /tmp/kubernetes/static
	END
	cat >proxy.yaml <<-'END'
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		clientConnection: {kubeconfig: /tmp/kubernetes/config}
		mode: iptables
		conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
	END
	mkdir static
	cd - >/dev/null
}

start_client() {
	cri_start_client
	mkdir -p /tmp/kubernetes
	[ -e /dev/kmsg ] || mknod /dev/kmsg c 1 11
	ip link add node0 type bridge
	ip address add "$NODE/24" dev node0
	ip link set node0 up
	ip route add default dev node0
	keep_kernel_settings
	write_kubernetes_files
	start_daemon etcd etcd --data-dir /tmp/kubernetes/etcd
	start_daemon apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --cert-dir /tmp/kubernetes/certificates \
		--service-cluster-ip-range 10.96.0.0/24 --authorization-mode AlwaysAllow --token-auth-file /tmp/kubernetes/tokens \
		--service-account-issuer https://kubernetes.default.svc --service-account-key-file /tmp/kubernetes/accounts.key \
		--service-account-signing-key-file /tmp/kubernetes/accounts.key --allow-privileged --advertise-address "$NODE" \
		--kubelet-preferred-address-types InternalIP
	timeout 90 bash -c 'until /kubernetes/kubectl get --raw /readyz; do sleep 0.5; done' >/dev/null 2>&1
	start_daemon controllers kube-controller-manager --kubeconfig "$KUBECONFIG" \
		--service-account-private-key-file /tmp/kubernetes/accounts.key --root-ca-file /tmp/kubernetes/certificates/apiserver.crt
	start_daemon scheduler kube-scheduler --kubeconfig "$KUBECONFIG"
	start_daemon proxy kube-proxy --config /tmp/kubernetes/proxy.yaml --hostname-override node
	start_daemon kubelet kubelet --kubeconfig "$KUBECONFIG" --config /tmp/kubernetes/kubelet.yaml --hostname-override node --node-ip "$NODE" \
		--container-runtime remote --container-runtime-endpoint unix:///run/containerd/containerd.sock --root-dir /tmp/kubernetes/kubelet
	timeout 90 bash -c 'until /kubernetes/kubectl get node node; do sleep 0.5; done' >/dev/null 2>&1
	kubectl wait --for condition=Ready node/node --timeout 80s >/dev/null
	# The account that each pod has.
	timeout 60 bash -c 'until /kubernetes/kubectl get serviceaccount default; do sleep 0.5; done' >/dev/null 2>&1
	kubectl apply -f "$CONTRIB/kubernetes/runtimeclass.yaml" >/dev/null
}

stop_client() {
	local daemon
	for daemon in kubelet proxy scheduler controllers apiserver etcd; do
		stop_daemon "$daemon"
	done
	ip link delete node0
	tidy_after_check() { :; }
	cri_stop_client
	iptables-save | grep -q KUBE && for table in filter nat mangle; do iptables -t "$table" -F && iptables -t "$table" -X; done
	local mounted
	for mounted in $(awk '$5 ~ "^/proc/sys/" || $5 ~ "^/tmp/kubernetes" { print $5 }' /proc/self/mountinfo | tac); do
		umount "$mounted"
	done
	rm -rf /tmp/kubernetes
	find /sys/fs/cgroup -depth -path '*/kubepods*' -type d -exec rmdir {} +
}

tidy_after_check() {
	kubectl delete deployment,job,service,pod --all --grace-period 1 --ignore-not-found
}

# apply_pod NAME JSON SCRIPT: a pod on trug, whose container runs a script.
apply_pod() {
	jq -nc --arg name "$1" --argjson more "${2:-{\}}" --arg script "$3" '{
		apiVersion: "v1", kind: "Pod", metadata: {name: $name, labels: {app: $name}}, spec: ({
			runtimeClassName: "trug", terminationGracePeriodSeconds: 1, automountServiceAccountToken: false,
			containers: [{name: "main", image: "localhost/busybox:latest", imagePullPolicy: "Never", command: ["sh", "-c", $script]}]} * $more)}' |
		kubectl apply -f -
}

# until_pod NAME JSONPATH VALUE: waits until a pod's status has it.
until_pod() {
	until_line "^$3$" bash -c "while :; do /kubernetes/kubectl get pod $1 -o jsonpath='$2{\"\\n\"}'; sleep 0.3; done"
}
