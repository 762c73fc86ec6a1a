# What a container with lxcfs's files sees.

needs_cgroups() {
	needs_controllers
	! grep -q "Failed to initialize cgroup support" "$LOGS/lxcfs.log" || skip "this lxcfs does not know cgroup v1"
}

# Docker's flags that bind them in.
proc_files() {
	local file
	for file in cpuinfo diskstats meminfo stat swaps uptime; do
		printf -- '-v %s:/proc/%s:ro ' "$LXCFS/proc/$file" "$file"
	done
}

own_memory() {
	needs_cgroups
	local total
	total=$(docker run --rm --memory 128m $(proc_files) busybox awk '/^MemTotal/ { print $2 }' /proc/meminfo)
	equals 131072 "$total"
	at_least 131073 "$(docker run --rm --memory 128m busybox awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
}

own_processors() {
	needs_cgroups
	equals 1 "$(docker run --rm --cpuset-cpus 0 $(proc_files) busybox grep -c ^processor /proc/cpuinfo)"
	equals "$(nproc)" "$(docker run --rm $(proc_files) busybox grep -c ^processor /proc/cpuinfo)"
}

own_uptime() {
	needs_cgroups
	docker run -d $(proc_files) --name box busybox sleep 300
	at_most 60 "$(docker exec box awk '{ print $1 }' /proc/uptime)"
}

check "a container's own memory in /proc/meminfo" own_memory
check "a container's own processors in /proc/cpuinfo" own_processors
check "a container's own uptime" own_uptime
