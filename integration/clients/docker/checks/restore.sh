# Containers that outlive their daemon.

live_restore() {
	start_another restored '{"live-restore": true}'
	docker run -d --network none --name box busybox sh -c 'echo up; sleep 300'
	says_in_log box up
	local pid
	pid=$(inspect box '{{.State.Pid}}')
	stop_daemon restored
	kill -0 "$pid"
	start_again restored
	equals "running $pid" "$(inspect box '{{.State.Status}} {{.State.Pid}}')"
	equals inside "$(docker exec box echo inside)"
	docker pause box
	docker unpause box
	docker rm -f box
	stop_another restored
}

check "live-restore" live_restore
