# What people see when something fails: through Docker, ctr and Podman, over trug and over runc, side by side.
# Here the runtime under trial is always beside Debian's runc, whatever RUNTIME says.

source lib/containerd.sh
source docker/client.sh
keep_as docker start_client stop_client tidy_after_check
source podman/client.sh
keep_as podman start_client stop_client tidy_after_check

client_version() {
	echo "$(docker --version), $(podman --version), $(containerd --version | cut -d " " -f 1,3)"
}

start_client() {
	docker_start_client
	podman_start_client
	start_containerd
	ctr image import "$IMAGES/busybox.oci" >/dev/null
	# Files that are not programs, for containers to find.
	mkdir -p /tmp/broken
	echo text >/tmp/broken/not-executable
	printf 'not a program' >/tmp/broken/not-a-program
	printf '#!/no/such/interpreter\n' >/tmp/broken/no-interpreter
	chmod +x /tmp/broken/not-a-program /tmp/broken/no-interpreter
}

stop_client() {
	podman_stop_client
	stop_containerd
	docker_stop_client
	find /sys/fs/cgroup -depth -path '*/default*' -type d -exec rmdir {} +
	rm -r /tmp/broken
}

tidy_after_check() {
	docker_tidy_after_check
	podman_tidy_after_check
	timeout 60 ctr containers list -q | xargs -r timeout 60 ctr containers delete
}

# The clients, each as a command that takes the runtime, Docker's flags and a command line.
with_docker() {
	local runtime=$1
	shift
	timeout -k 3 60 docker run --rm --network none --runtime "$runtime" "$@"
}
with_podman() {
	local runtime=$1
	shift
	timeout -k 3 60 podman --runtime "$(command -v "$runtime")" run --rm --network none "$@"
}

# both CLIENT ARGUMENTS…: runs the same over trug and over runc; sets trug, runc, trug_status and runc_status.
both() {
	local client=$1
	shift
	trug_status=0 runc_status=0
	trug=$("$client" trug "$@" 2>&1) || trug_status=$?
	runc=$("$client" runc "$@" 2>&1) || runc_status=$?
	printf 'over trug (%s): %s\nover runc (%s): %s\n' "$trug_status" "$trug" "$runc_status" "$runc" | tee -a "$LOGS/side-by-side"
}

# fails_alike STATUS WORDS CLIENT ARGUMENTS…: both end with STATUS, and both tell WORDS (a regular expression).
fails_alike() {
	local status=$1 words=$2
	shift 2
	both "$@"
	equals "$status $status" "$trug_status $runc_status"
	grep -q -i -e "$words" <<<"$trug"
	grep -q -i -e "$words" <<<"$runc"
}
