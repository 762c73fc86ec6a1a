# Checkpoints: as an image of containerd's, and as a directory of CRIU's.

checkpoint_and_restore() {
	needs_criu
	# What it has written is in the checkpoint too; one that began again would go on in that file with 1.
	run -d --null-io -- one sh -c "exec >>/count; $COUNTER"
	until_line '^n=5$' bash -c 'while :; do ctr tasks exec --exec-id e$RANDOM one cat /count; sleep 0.1; done'
	ctr containers checkpoint --task --rw --image one localhost/saved:1
	local number
	number=$(counted ctr tasks exec --exec-id last one cat /count)
	ctr tasks kill -s KILL one
	delete_task one
	ctr containers delete one
	ctr containers restore --live --rw two localhost/saved:1
	counts_on "$number" bash -c 'while :; do ctr tasks exec --exec-id e$RANDOM two cat /count; sleep 0.1; done'
	counts_in_order ctr tasks exec --exec-id last two cat /count
	ctr image rm localhost/saved:1
}

checkpoint_a_task() {
	needs_criu
	run -d --log-uri file:///tmp/one.log -- one sh -c "$COUNTER"
	shows /tmp/one.log '^n=5$'
	ctr tasks checkpoint --image-path /tmp/saved --work-path /tmp/saved one
	[ -e /tmp/saved/descriptors.json ]
	counts_on "$(counted cat /tmp/one.log)" tail -n +1 -s 0.05 -F /tmp/one.log
	rm -r /tmp/saved /tmp/one.log
}

check "checkpoint, restore" checkpoint_and_restore
check "tasks checkpoint --image-path" checkpoint_a_task
