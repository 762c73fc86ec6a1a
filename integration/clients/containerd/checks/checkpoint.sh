# Checkpoints: as an image of containerd's, and as a directory of CRIU's.

checkpoint_and_restore() {
	needs_criu
	run -d --log-uri file:///tmp/one.log -- one sh -c "$COUNTER"
	shows /tmp/one.log '^n=5$'
	ctr containers checkpoint --task --rw --image one localhost/saved:1
	ctr tasks kill -s KILL one
	delete_task one
	local number
	number=$(counted cat /tmp/one.log)
	ctr containers delete one
	rm /tmp/one.log
	ctr containers restore --live --rw two localhost/saved:1 >/tmp/two.log
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
