# What a cluster does with its pods.

pod_logs_and_exec() {
	apply_pod box '{}' 'echo hello; sleep 300'
	kubectl wait --for condition=Ready pod/box --timeout 60s
	equals hello "$(kubectl logs box)"
	equals inside "$(kubectl exec box -- echo inside)"
	exits_with 4 kubectl exec box -- sh -c 'exit 4'
	equals trug "$(cri ListPodSandbox <<<'{}' | jq -r '.items[].runtime_handler')"
}

limits() {
	apply_pod box '{"containers": [{"name": "main", "image": "localhost/busybox:latest", "imagePullPolicy": "Never",
		"command": ["sleep", "300"], "resources": {"limits": {"memory": "64Mi", "cpu": "200m"}}}]}' ''
	kubectl wait --for condition=Ready pod/box --timeout 60s
	equals 67108864 "$(kubectl exec box -- cat /sys/fs/cgroup/memory/memory.limit_in_bytes)"
	equals 20000 "$(kubectl exec box -- cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us)"
}

restarts() {
	apply_pod box '{}' 'sleep 1; exit 1'
	until_pod box '{.status.containerStatuses[0].restartCount}' 1
}

out_of_memory() {
	apply_pod box '{"restartPolicy": "Never", "containers": [{"name": "main", "image": "localhost/busybox:latest", "imagePullPolicy": "Never",
		"command": ["tail", "/dev/zero"], "resources": {"limits": {"memory": "32Mi"}}}]}' ''
	until_pod box '{.status.containerStatuses[0].state.terminated.reason}' OOMKilled
}

job() {
	kubectl create -f - <<-'END'
		apiVersion: batch/v1
		kind: Job
		metadata: {name: work}
		spec:
		  completions: 2
		  template:
		    spec:
		      runtimeClassName: trug
		      restartPolicy: Never
		      containers: [{name: main, image: "localhost/busybox:latest", imagePullPolicy: Never, command: [echo, done]}]
	END
	kubectl wait --for condition=complete job/work --timeout 80s
	contains done "$(kubectl logs job/work)"
}

deployment_with_service() {
	kubectl create -f - <<-'END'
		apiVersion: apps/v1
		kind: Deployment
		metadata: {name: web}
		spec:
		  replicas: 2
		  selector: {matchLabels: {app: web}}
		  template:
		    metadata: {labels: {app: web}}
		    spec:
		      runtimeClassName: trug
		      terminationGracePeriodSeconds: 1
		      containers:
		      - name: main
		        image: localhost/busybox:latest
		        imagePullPolicy: Never
		        command: [sh, -c, "mkdir /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www"]
		        readinessProbe: {exec: {command: [wget, -q, -O, /dev/null, "http://127.0.0.1/"]}, periodSeconds: 1}
	END
	kubectl expose deployment web --port 80
	kubectl rollout status deployment/web --timeout 80s
	local address
	address=$(kubectl get service web -o jsonpath='{.spec.clusterIP}')
	equals served "$(timeout 30 bash -c "until curl -s -m 2 http://$address/; do sleep 0.3; done")"
	kubectl scale deployment web --replicas 1
}

static_pod() {
	cat >/tmp/kubernetes/static/still.yaml <<-'END'
		apiVersion: v1
		kind: Pod
		metadata: {name: still}
		spec:
		  runtimeClassName: trug
		  containers: [{name: main, image: "localhost/busybox:latest", imagePullPolicy: Never, command: [sleep, "300"]}]
	END
	until_pod still-node '{.status.phase}' Running
	rm /tmp/kubernetes/static/still.yaml
}

deleted() {
	apply_pod box '{}' 'sleep 300'
	kubectl wait --for condition=Ready pod/box --timeout 60s
	kubectl delete pod box --timeout 60s
	lacks box "$(kubectl get pods)"
}

check "pod, logs, exec" pod_logs_and_exec
check "limits in the cgroup's files" limits
check "restarts" restarts
check "OOMKilled" out_of_memory
check "job" job
check "deployment with a service, exec probes" deployment_with_service
check "static pod" static_pod
check "delete" deleted
