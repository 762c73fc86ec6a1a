# What a client's checks may leave: nothing. Looked at before its daemons start, and after they have stopped.

picture() {
	echo "# processes"
	# Those of this script itself come and go, and have its session.
	ps -e -o pid=,sid=,args= | awk -v own="$(ps -o sid= -p $$)" '$1 != 1 && $2 != own + 0 { $1 = $2 = ""; print }' | sort
	echo "# mounts"
	awk '{ print $5 }' /proc/self/mountinfo | sort
	echo "# cgroups"
	find /sys/fs/cgroup -mindepth 2 -type d | sort
	echo "# containers known to the runtime"
	# Not trug's compiled seccomp filters, which are there for the next container.
	find /run -mindepth 2 -maxdepth 2 \( -path '/run/trug/*' -o -path '/run/runc/*' \) ! -name @seccomp | sort
	echo "# shims"
	find /run -path '*/containerd/s/*' | sort
}

picture_before() {
	picture >"$tap_scratch/before"
}

nothing_is_left() {
	picture >"$tap_scratch/after"
	diff "$tap_scratch/before" "$tap_scratch/after"
}
