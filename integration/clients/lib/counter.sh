# Checkpoints: a container that counts in memory, and whether it goes on where it was.

COUNTER='n=0; while :; do n=$((n + 1)); echo "n=$n"; sleep 0.1; done'

needs_criu() {
	criu check >/dev/null 2>&1 || skip "no criu works here"
}

# counted LOGS…: the last number that is in the logs, which a command prints.
counted() {
	"$@" | sed -n 's/^n=//p' | tail -n 1
}

# counts_on NUMBER FOLLOW…: a command that follows the logs shows five more after NUMBER, and none before it again.
counts_on() {
	local number=$1
	shift
	until_line "n=$((number + 5))$" "$@"
}

# counts_in_order LOGS…: no number is missing, none is twice.
counts_in_order() {
	"$@" | sed -n 's/^n=//p' | awk 'NR > 1 && $1 != last + 1 { print "after " last " comes " $1; wrong = 1 } { last = $1 } END { exit wrong }'
}
