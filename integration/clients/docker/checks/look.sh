# Looking at containers: logs, top, stats, inspect, ps, exec.

logs() {
	docker run --name box busybox sh -c 'echo one; echo two >&2'
	equals "one two" "$(docker logs box 2>&1 | sort | xargs)"
	equals "one" "$(docker logs box 2>/dev/null)"
	contains "T" "$(docker logs -t --tail 1 box 2>&1)"
}

logs_followed() {
	docker run -d --name box busybox sh -c 'for n in 1 2 3; do echo $n; sleep 0.2; done'
	equals "1 2 3" "$(docker logs -f box | xargs)"
}

top() {
	docker run -d --name box busybox sh -c 'sleep 301 & echo up; exec sleep 302'
	says_in_log box up
	local shown
	shown=$(docker top box)
	contains "sleep 301" "$shown"
	contains "sleep 302" "$shown"
	equals 3 "$(docker top box -o pid,comm | wc -l)"
}

stats() {
	needs_controllers
	docker run -d --memory 64m --name box busybox sh -c 'echo up; while :; do :; done'
	says_in_log box up
	local shown
	shown=$(docker stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}} {{.CPUPerc}}' box)
	contains "box " "$shown"
	contains "/ 64MiB 1" "$shown"
	lacks " 0.00%" "$shown"
}

inspect_and_ps() {
	docker run -d --label wanted=yes --name box busybox sleep 300
	equals "box sleep" "$(docker inspect box | jq -r '.[0] | (.Name | ltrimstr("/")) + " " + .Path')"
	equals box "$(docker ps --filter label=wanted=yes --format '{{.Names}}')"
	contains "Up" "$(docker ps --format '{{.Status}}')"
	docker kill box
	equals "" "$(docker ps -q)"
	contains "Exited (137)" "$(docker ps -a --format '{{.Status}}')"
}

healthcheck() {
	docker run -d --health-cmd 'test -e /well' --health-interval 500ms --health-retries 1 --name box busybox sleep 300
	events box 'health_status: unhealthy' 1
	equals unhealthy "$(inspect box '{{.State.Health.Status}}')"
	docker exec box touch /well
	events box 'health_status: healthy' 1
	equals healthy "$(inspect box '{{.State.Health.Status}}')"
}

check "logs" logs
check "logs -f" logs_followed
check "top" top
check "stats" stats
check "inspect ps" inspect_and_ps
check "exec" exec_in_it
check "exec -it" exec_on_a_terminal
check "healthcheck" healthcheck
