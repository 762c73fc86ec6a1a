# What a container may do.

# The effective capabilities of a container, in hexadecimal.
effective() {
	docker run --rm "$@" busybox sed -n 's/^CapEff:\t//p' /proc/self/status
}

capabilities() {
	equals 00000000a80425fb "$(effective)"
	equals 0000000000000000 "$(effective --cap-drop ALL)"
	equals 0000000000002000 "$(effective --cap-drop ALL --cap-add NET_RAW)"
	equals 00000000a80435fb "$(effective --cap-add NET_ADMIN)"
	equals 0000000000000000 "$(effective -u 1000)"
}

privileged() {
	equals "$(sed -n 's/^CapBnd:\t//p' /proc/self/status)" "$(effective --privileged)"
	docker run --rm --privileged busybox sh -c 'mount -t tmpfs t /tmp && [ -e /dev/fuse ] && [ -w /proc/sys/kernel/domainname ]'
	equals 0 "$(docker run --rm --privileged busybox sed -n 's/^Seccomp:\t//p' /proc/self/status)"
}

seccomp_profiles() {
	equals 2 "$(docker run --rm busybox sed -n 's/^Seccomp:\t//p' /proc/self/status)"
	equals 0 "$(docker run --rm --security-opt seccomp=unconfined busybox sed -n 's/^Seccomp:\t//p' /proc/self/status)"
	jq -n '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 5}]}' >/tmp/profile.json
	contains "Input/output error" "$(exits_with 1 docker run --rm --security-opt seccomp=/tmp/profile.json busybox mkdir /new)"
	jq -n '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS"}]}' >/tmp/profile.json
	exits_with 159 docker run --rm --security-opt seccomp=/tmp/profile.json busybox mkdir /new
	rm /tmp/profile.json
}

no_new_privileges() {
	equals 1 "$(docker run --rm --security-opt no-new-privileges busybox sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
	equals 0 "$(docker run --rm busybox sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
}

masked_paths() {
	equals "" "$(docker run --rm busybox cat /proc/keys /proc/timer_list)"
	equals "" "$(docker run --rm busybox ls /proc/acpi /sys/firmware | grep -v : || true)"
	contains "Read-only" "$(exits_with 1 docker run --rm busybox sh -c 'echo x > /proc/sys/kernel/domainname')"
	docker run --rm --security-opt systempaths=unconfined busybox sh -c '! grep -q " /proc/sys " /proc/mounts'
}

devices() {
	contains "crw" "$(docker run --rm --device /dev/fuse busybox ls -l /dev/fuse)"
	contains "crw" "$(docker run --rm --device /dev/fuse:/dev/renamed:r busybox ls -l /dev/renamed)"
	docker run --rm --device /dev/zero:/dev/nought busybox sh -c 'head -c 3 /dev/nought | wc -c | grep -qx 3'
	# 1:11 is kmsg, which no container is given.
	contains "Operation not permitted" "$(exits_with 1 docker run --rm busybox sh -c 'mknod /kmsg c 1 11 && cat /kmsg' 2>&1)"
}

sysctls() {
	equals "1" "$(docker run --rm --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward)"
	equals "12345" "$(docker run --rm --sysctl kernel.shmmni=12345 busybox cat /proc/sys/kernel/shmmni)"
}

check "--cap-add --cap-drop" capabilities
check "--privileged" privileged
check "--security-opt seccomp=" seccomp_profiles
check "--security-opt no-new-privileges" no_new_privileges
check "masked and read-only paths" masked_paths
check "--device" devices
check "--sysctl" sysctls
