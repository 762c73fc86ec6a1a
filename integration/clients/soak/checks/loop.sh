# The loop, and what is counted beside it.

# One container's life; the number of a worker keeps names apart.
one_life() {
	local name=soak-$1
	docker run -d --name "$name" --memory 64m busybox sleep 300
	[ "$(docker exec "$name" echo inside)" = inside ]
	docker exec -d "$name" sleep 100
	docker pause "$name"
	docker unpause "$name"
	docker rm -f "$name"
	[ "$(docker run --rm busybox echo short)" = short ] || echo "$name" >>/tmp/soak-lost
}

worker() {
	local count=0
	while [ "$(date +%s)" -lt "$2" ]; do
		one_life "$1" >/dev/null || { echo "worker $1 failed at life $count" >&2; return 1; }
		count=$((count + 1))
		echo "$count" >"/tmp/soak/$1"
	done
}

resident() { # NAME: kilobytes
	awk '/^VmRSS/ { print $2 }' "/proc/$(pgrep -o -x "$1")/status"
}

# What dockerd holds in memory after a collection of its garbage, in kilobytes: there a leak shows first.
in_use() {
	curl -s --unix-socket /tmp/docker/docker.sock 'http://dockerd/debug/pprof/heap?gc=1&debug=1' | awk '/^# HeapAlloc/ { print int($4 / 1024) }'
}

goroutines() {
	curl -s --unix-socket /tmp/docker/docker.sock 'http://dockerd/debug/pprof/goroutine?debug=1' | awk 'NR == 1 { print $NF }'
}

descriptors() { # NAME
	ls "/proc/$(pgrep -o -x "$1")/fd" | wc -l
}

# One line: seconds, containers made, memory and descriptors of the daemons, and what is there of each kind.
figures() {
	local lives
	lives=$(cat /tmp/soak/* 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }')
	printf '%5d s %6d lives  dockerd %6d kB %3d fds %6d kB in use %4d goroutines  containerd %6d kB %3d fds  %3d shims %3d processes %3d mounts %3d cgroups %2d in /run/trug\n' \
		"$SECONDS" "$lives" "$(resident dockerd)" "$(descriptors dockerd)" "$(in_use)" "$(goroutines)" "$(resident containerd)" "$(descriptors containerd)" \
		"$(pgrep -c -f containerd-shim || true)" "$(ps -e | wc -l)" "$(wc -l </proc/self/mountinfo)" \
		"$(find /sys/fs/cgroup -mindepth 2 -type d | wc -l)" "$(find /run/trug /run/docker/runtime-runc -mindepth 1 -maxdepth 2 ! -name @seccomp 2>/dev/null | wc -l)" |
		tee -a "$FIGURES"
}

many_lives() {
	mkdir /tmp/soak
	: >/tmp/soak-lost
	SECONDS=0
	# The first life of each makes what is made once.
	worker 0 "$(($(date +%s) + 1))"
	docker ps -aq | wc -l
	figures
	picture >/tmp/soak-before
	local until=$(($(date +%s) + SOAK_SECONDS)) number workers=()
	for number in $(seq "$SOAK_AT_ONCE"); do
		worker "$number" "$until" &
		workers+=($!)
	done
	# A line each twentieth of the time, while they work.
	while [ "$(date +%s)" -lt "$until" ]; do
		sleep "$((SOAK_SECONDS / 20 + 1))"
		figures
	done
	for number in "${workers[@]}"; do
		wait "$number"
	done
	figures
	# dockerd goes round every five minutes (execCommandGC), and forgets what it has executed at the second round.
	sleep 630
	figures
}

# A dockerd that gets no processor while a short container lives may close its pipe before it has read it, and says so.
no_output_lost() {
	at_most "$(grep -c 'reading from a closed fifo' "$LOGS/dockerd.log")" "$(wc -l </tmp/soak-lost)"
}

nothing_leaked() {
	equals "" "$(docker ps -aq)"
	picture >/tmp/soak-after
	diff /tmp/soak-before /tmp/soak-after
}

descriptors_stay() {
	local daemon
	for daemon in 'dockerd' 'containerd'; do
		local first last
		first=$(head -n 1 "$FIGURES" | sed "s/.* $daemon *[0-9]* kB *\([0-9]*\) fds.*/\1/")
		last=$(tail -n 1 "$FIGURES" | sed "s/.* $daemon *[0-9]* kB *\([0-9]*\) fds.*/\1/")
		# Connections of clients that have just gone.
		at_most "$((first + 8))" "$last"
	done
}

# What a daemon keeps from the system goes up and down with its garbage: the last quarter may not be a quarter above the
# second one. What dockerd really holds when all is over is, beside its caches, what it held at the beginning.
memory_stays() {
	local daemon
	for daemon in 'dockerd' 'containerd'; do
		sed "s/.* $daemon *\([0-9]*\) kB.*/\1/" "$FIGURES" | awk '
			{ memory[NR] = $1 }
			END {
				for (line = 1; line <= NR; line++) {
					if (line > NR / 4 && line <= NR / 2) { early += memory[line]; earlies++ }
					if (line > NR * 3 / 4) { late += memory[line]; lates++ }
				}
				printf "%d kB, then %d kB\n", early / earlies, late / lates
				exit late / lates > 1.25 * early / earlies
			}'
	done
	local held='s/.* \([0-9]*\) kB in use.*/\1/p'
	at_most "$(($(head -n 1 "$FIGURES" | sed -n "$held") + 10240))" "$(tail -n 1 "$FIGURES" | sed -n "$held")"
}

check "containers made, entered and removed, $SOAK_AT_ONCE at once for $SOAK_SECONDS s" many_lives
sed 's/^/# /' "$FIGURES"
check "no output lost but by dockerd itself" no_output_lost
check "no process, mount, cgroup, shim or directory leaked" nothing_leaked
check "the daemons' descriptors stay" descriptors_stay
check "the daemons' memory stays" memory_stays
