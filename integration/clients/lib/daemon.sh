# Daemons and programs that go on: started by hand, waited for by what they say, ended by their pid.

# start_daemon NAME COMMAND…: its output goes to $LOGS/NAME.log, its pid to daemon_NAME.
start_daemon() {
	local name=$1
	shift
	"$@" >"$LOGS/$name.log" 2>&1 </dev/null &
	printf -v "daemon_$name" %s "$!"
}

# stop_daemon NAME: asks it to end, and waits until it has.
stop_daemon() {
	local name=$1 pid=daemon_$1
	kill -TERM "${!pid}"
	wait "${!pid}" || true
}

# until_line PATTERN COMMAND…: runs a command that goes on, until it prints a line with PATTERN; a minute at most.
until_line() {
	until_lines 1 "$@"
}

# until_lines COUNT PATTERN COMMAND…
until_lines() {
	local count=$1 pattern=$2 output process found
	shift 2
	exec {output}< <(exec timeout 60 "$@" 2>&1)
	process=$!
	found=$(grep -m "$count" -c -e "$pattern" <&"$output" || true)
	kill "$process" 2>/dev/null || true
	exec {output}<&-
	[ "$found" = "$count" ] || { echo "$* printed $found of $count lines with \"$pattern\""; return 1; }
}

# says NAME TEXT: waits until a daemon's log has TEXT.
says() {
	local pid=daemon_$1
	until_line "$2" tail -n +1 -s 0.05 -F --pid="${!pid}" "$LOGS/$1.log" && return
	tail -n 20 "$LOGS/$1.log"
	return 1
}

# shows FILE TEXT: waits until what is being written to FILE has TEXT.
shows() {
	until_line "$2" tail -n +1 -s 0.05 -F "$1"
}

# in_terminal COMMAND-LINE: runs it on a terminal, whose keyboard is our standard input; prints what the screen got.
in_terminal() {
	timeout 60 script -qefc "$1" /dev/null | sed -u 's/\r//g'
}

# answers_on_a_terminal COMMAND-LINE: it starts a shell that is on a terminal, and whose exit status it hands on.
answers_on_a_terminal() {
	local screen
	screen=$(printf 'tty; echo sum $((40 + 2)); exit 5\n' | in_terminal "$1; echo status \$?")
	contains /dev/ "$screen"
	contains "sum 42" "$screen"
	contains "status 5" "$screen"
}
