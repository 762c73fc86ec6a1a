# The same mistake, over both.

BROKEN=(-v /tmp/broken:/broken)

missing_command() {
	fails_alike 127 'exec: "missing": executable file not found in \$PATH' "$1" busybox missing
	fails_alike 127 '/no/such/file.*no such file or directory' "$1" busybox /no/such/file
}

not_executable() {
	fails_alike 126 '/broken/not-executable.*permission denied' "$1" "${BROKEN[@]}" busybox /broken/not-executable
	fails_alike 126 'is a directory\|permission denied' "$1" busybox /etc
}

# What only the kernel can tell from a program is started, says so in its log, and ends with 255 (1 over runc before 1.2).
not_a_program() {
	local wrong file
	for wrong in "not-a-program: exec format error" "no-interpreter: no such file or directory"; do
		file=/broken/${wrong%%:*}
		both "$1" "${BROKEN[@]}" busybox "$file"
		equals "exec /broken/$wrong" "$trug"
		equals "exec /broken/$wrong" "$runc"
		contains "$trug_status $runc_status" "255 255, 255 1"
	done
}

# A directory for a file.
bad_mount() {
	both "$1" --mount type=bind,source=/tmp/broken,target=/bin/busybox "${@:2}" busybox true
	equals "$runc_status" "$trug_status"
	local told
	for told in "$trug" "$runc"; do
		contains /tmp/broken "$told"
		contains /bin/busybox "$told"
		grep -i "not a directory" <<<"$told"
	done
}

bad_sysctl() {
	both "$1" --sysctl net.ipv4.no_such=1 busybox true
	equals "$runc_status" "$trug_status"
	contains no_such "$trug"
}

exec_mistakes() {
	local runtime trug= runc= status
	for runtime in trug runc; do
		docker run -d --runtime "$runtime" --name "$runtime" "${BROKEN[@]}" busybox sleep 300
	done
	local wrong
	for wrong in missing /no/such /broken/not-executable; do
		trug_status=0 runc_status=0
		trug=$(docker exec trug "$wrong" 2>&1) || trug_status=$?
		runc=$(docker exec runc "$wrong" 2>&1) || runc_status=$?
		printf 'over trug (%s): %s\nover runc (%s): %s\n' "$trug_status" "$trug" "$runc_status" "$runc" | tee -a "$LOGS/side-by-side"
		equals "$runc_status" "$trug_status"
		contains "$wrong" "$trug"
	done
}

with_ctr() {
	local runtime=$1
	shift
	timeout -k 3 60 ctr run --rm --runc-binary "$(command -v "$runtime")" localhost/busybox:latest "wrong-$runtime" "$@"
}

ctr_mistakes() {
	fails_alike 1 'exec: "missing": executable file not found in \$PATH' with_ctr missing
	fails_alike 1 '/etc/passwd.*permission denied' with_ctr /etc/passwd
}

check "docker: a missing command is 127" "missing_command with_docker"
check "docker: what is not executable is 126" "not_executable with_docker"
check "docker: what is no program" "not_a_program with_docker"
check "docker: a bad mount names the mount" "bad_mount with_docker"
check "docker: a bad sysctl" "bad_sysctl with_docker"
check "docker: exec" exec_mistakes
check "podman: a missing command is 127" "missing_command with_podman"
check "podman: what is not executable is 126" "not_executable with_podman"
check "podman: what is no program" "not_a_program with_podman"
check "podman: a bad mount names the mount" "bad_mount with_podman"
check "podman: a bad sysctl" "bad_sysctl with_podman"
check "ctr: a missing command, what is not executable" ctr_mistakes
