# Checks that print TAP lines. A check is a function; each of its commands must succeed.
#
#   check "exec in a terminal" exec_in_a_terminal
#
# prints `ok 7 - docker: exec in a terminal`; a failed one tells, after it, which command failed, and its whole trace.

client=
checks=0
failures=0
# Where a check says why it is skipped, and what it printed.
tap_scratch=$(mktemp -d)

# check OPERATION "FUNCTION ARGUMENT…": runs FUNCTION in a shell of its own, and prints a TAP line for OPERATION.
check() {
	local name="$client: $1" log=$tap_scratch/log status began=$EPOCHREALTIME
	if [ -n "${ONLY:-}" ] && [[ ! "$name" =~ $ONLY ]]; then
		return
	fi
	checks=$((checks + 1))
	rm -f "$tap_scratch/skipped" "$log"
	# Not in a condition: there, bash would ignore a failing command.
	set +e
	(
		set -eEuo pipefail
		exec 9>>"$log" >>"$log" 2>&1 </dev/null
		# The trace goes elsewhere than standard error, which checks read.
		BASH_XTRACEFD=9
		PS4='+ ${BASH_SOURCE[0]##*/}:${LINENO}: '
		trap 'status=$?; { set +x; } 2>/dev/null; tell_failure "$status" "${BASH_SOURCE[0]##*/}:$LINENO" "$BASH_COMMAND"' ERR
		set -x
		$2
	) &
	local running=$!
	# Each command has its own limit; this one is for what hangs all the same.
	timeout "${CHECK_SECONDS:-150}" tail -s 0.05 --pid="$running" -f /dev/null || kill -KILL "$running"
	wait "$running" 2>/dev/null
	status=$?
	set -e
	if [ -e "$tap_scratch/skipped" ]; then
		echo "ok $checks - $name # SKIP $(cat "$tap_scratch/skipped")"
	elif [ "$status" = 0 ]; then
		echo "ok $checks - $name"
	else
		failures=$((failures + 1))
		echo "not ok $checks - $name"
		# What failed, and what came last; the daemons' logs tell the rest.
		{ grep -m 1 '^FAILED' "$log"; tail -n 14 "$log" | grep -v -e '^FAILED' -e ' tap.sh:'; } | cut -c 1-300 | sed 's/^/#   /'
	fi
	[ -z "${TIMES:-}" ] || echo "#   $(awk "BEGIN { print $EPOCHREALTIME - $began }") s"
	tidy_after_check >/dev/null 2>&1 || echo "#   tidying up after it failed"
}

# A client's library says here how what a failed check left is removed.
tidy_after_check() { :; }

# keep_as PREFIX FUNCTION…: a copy of each as PREFIX_FUNCTION, for a client that is made of others.
keep_as() {
	local prefix=$1 name
	shift
	for name in "$@"; do
		eval "${prefix}_$(declare -f "$name")"
	done
}

tell_failure() {
	echo "FAILED ($1) at $2: $3" >&9
}

# The end of a client's checks, for the next to begin with its own plan.
plan() {
	echo "1..$checks"
}

# skip WHY: the check cannot be made here.
skip() {
	echo "$*" >"$tap_scratch/skipped"
	exit 0
}

# needs_controllers: for checks of limits, whose files they read on cgroup v1.
needs_controllers() {
	[ -d /sys/fs/cgroup/memory ] || skip "the controllers are not on cgroup v2 here, and on v1 their files are looked at"
}

equals() {
	[ "$1" = "$2" ] && return
	echo "expected: $1"
	echo "found:    $2"
	return 1
}

contains() {
	[[ $2 == *"$1"* ]] && return
	echo "expected in it: $1"
	echo "found:          $2"
	return 1
}

lacks() {
	[[ $2 != *"$1"* ]] && return
	echo "not expected in it: $1"
	echo "found:              $2"
	return 1
}

# exits_with STATUS COMMAND…: prints what the command wrote.
exits_with() {
	local expected=$1 status=0
	shift
	"$@" 2>&1 || status=$?
	equals "$expected" "$status"
}

# at_most LIMIT NUMBER, at_least LIMIT NUMBER
at_most() {
	awk "BEGIN { exit !($2 <= $1) }" || { echo "$2 is more than $1"; return 1; }
}
at_least() {
	awk "BEGIN { exit !($2 >= $1) }" || { echo "$2 is less than $1"; return 1; }
}
