# Limits: as asked for, as the cgroup's files have them, and as they are felt.

# The value of a cgroup file of a container, as the host has it.
cgroup_file() { # CONTAINER CONTROLLER FILE
	cat "/sys/fs/cgroup/$2/docker/$(inspect "$1" '{{.Id}}')/$3"
}

limits_in_the_files() {
	needs_controllers
	docker run -d --memory 64m --memory-reservation 32m --memory-swap 96m --cpu-period 50000 --cpu-quota 25000 --cpu-shares 512 \
		--cpuset-cpus 0 --pids-limit 50 --blkio-weight 300 --name box busybox sleep 300
	equals 67108864 "$(cgroup_file box memory memory.limit_in_bytes)"
	equals 33554432 "$(cgroup_file box memory memory.soft_limit_in_bytes)"
	equals "50000 25000 512" "$(echo $(cgroup_file box cpu cpu.cfs_period_us) $(cgroup_file box cpu cpu.cfs_quota_us) $(cgroup_file box cpu cpu.shares))"
	equals 0 "$(cgroup_file box cpuset cpuset.cpus)"
	equals 50 "$(cgroup_file box pids pids.max)"
	equals "67108864 25000" "$(docker exec box sh -c 'echo $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us)')"
}

cpu_quota_is_felt() {
	needs_controllers
	docker run -d --cpu-period 100000 --cpu-quota 20000 --name box busybox \
		sh -c 'timeout 2 sh -c "while :; do :; done"; cat /sys/fs/cgroup/cpuacct/cpuacct.usage; sleep 300'
	local used
	says_in_log box '^[0-9]'
	used=$(docker logs box 2>/dev/null)
	# A fifth of two seconds, and half as much again for starting up and for the clock's grain.
	at_most 600000000 "$used"
	at_least 1 "$(cgroup_file box cpu cpu.stat | awk '/nr_throttled/ { print $2 }')"
}

pids_limit_is_felt() {
	needs_controllers
	exits_with 2 docker run --rm --pids-limit 5 busybox sh -c 'for n in 1 2 3 4 5 6 7 8; do sleep 5 & done'
}

update() {
	needs_controllers
	docker run -d --memory 64m --memory-swap 128m --cpu-quota 50000 --name box busybox sleep 300
	docker update --memory 96m --memory-swap 192m --cpu-quota 30000 --cpu-shares 256 --cpuset-cpus 1 --pids-limit 70 box
	equals 100663296 "$(cgroup_file box memory memory.limit_in_bytes)"
	equals "30000 256 1 70" "$(echo $(cgroup_file box cpu cpu.cfs_quota_us) $(cgroup_file box cpu cpu.shares) \
		$(cgroup_file box cpuset cpuset.cpus) $(cgroup_file box pids pids.max))"
	docker update --restart always box
	equals always "$(inspect box '{{.HostConfig.RestartPolicy.Name}}')"
}

cgroup_parent() {
	needs_controllers
	docker run -d --cgroup-parent /mine --name box busybox sleep 300
	[ -d "/sys/fs/cgroup/memory/mine/$(inspect box '{{.Id}}')" ]
	docker rm -f box
	rmdir /sys/fs/cgroup/*/mine
}

cgroup_namespace() {
	needs_controllers
	contains ":memory:/docker/" "$(docker run --rm --cgroupns host busybox cat /proc/self/cgroup)"
	equals "/" "$(docker run --rm --cgroupns private busybox sed -n 's/.*:memory://p' /proc/self/cgroup)"
}

ulimits() {
	equals "77 99" "$(docker run --rm --ulimit nofile=77:99 busybox sh -c 'echo $(ulimit -n) $(ulimit -Hn)')"
}

oom_score_adj() {
	equals 500 "$(docker run --rm --oom-score-adj 500 busybox cat /proc/self/oom_score_adj)"
}

check "limits in the cgroup's files" limits_in_the_files
check "--cpu-period --cpu-quota: felt" cpu_quota_is_felt
check "--pids-limit: felt" pids_limit_is_felt
check "--memory: OOMKilled" out_of_memory
check "update" update
check "--cgroup-parent" cgroup_parent
check "--cgroupns" cgroup_namespace
check "--ulimit" ulimits
check "--oom-score-adj" oom_score_adj
