# Files: volumes, read-only roots, and what is taken out of containers.

bind_mounts() {
	mkdir -p /tmp/host/sub
	echo host >/tmp/host/file
	docker run --rm -v /tmp/host:/data busybox sh -c 'cat /data/file; echo back > /data/back'
	equals back "$(cat /tmp/host/back)"
	contains "Read-only" "$(exits_with 1 docker run --rm -v /tmp/host:/data:ro busybox touch /data/new)"
	equals host "$(docker run --rm --mount type=bind,source=/tmp/host/file,target=/one,readonly busybox cat /one)"
	rm -r /tmp/host
}

propagation() {
	mkdir /tmp/shared
	mount -t tmpfs shared /tmp/shared
	mount --make-shared /tmp/shared
	mkdir /tmp/shared/sub
	docker run -d -v /tmp/shared:/data:rslave --name box busybox sleep 300
	docker run -d -v /tmp/shared:/data:rshared --cap-add SYS_ADMIN --name duo busybox sh -c 'mkdir /data/in; mount -t tmpfs in /data/in && echo mounted; sleep 300'
	says_in_log duo mounted
	mount -t tmpfs sub /tmp/shared/sub
	contains "/data/sub" "$(docker exec box cat /proc/mounts)"
	contains "/tmp/shared/in" "$(cat /proc/mounts)"
	docker rm -f box duo
	umount -R /tmp/shared
	rmdir /tmp/shared
}

named_volume() {
	docker volume create kept
	docker run --rm -v kept:/data busybox sh -c 'echo kept > /data/file'
	equals kept "$(docker run --rm -v kept:/data busybox cat /data/file)"
	docker run -d --name box -v kept:/data busybox sleep 300
	equals kept "$(docker run --rm --volumes-from box busybox cat /data/file)"
	# What the image has there is copied into a new one.
	contains passwd "$(docker run --rm -v fresh:/etc busybox ls /etc)"
	docker rm -f box
	docker volume rm kept fresh
}

tmpfs_volume() {
	local shown
	shown=$(docker run --rm --tmpfs /scratch:size=1m,mode=700,noexec busybox sh -c 'grep /scratch /proc/mounts; stat -c %a /scratch')
	contains "tmpfs /scratch tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k" "$shown"
	contains 700 "$shown"
	contains "size=2048k" "$(docker run --rm --mount type=tmpfs,target=/t,tmpfs-size=2m busybox grep ' /t ' /proc/mounts)"
	contains "size=8192k" "$(docker run --rm --shm-size 8m busybox grep /dev/shm /proc/mounts)"
}

read_only_root() {
	contains "Read-only" "$(exits_with 1 docker run --rm --read-only busybox touch /new)"
	docker run --rm --read-only --tmpfs /tmp busybox touch /tmp/new
}

save_and_load() {
	docker tag busybox other
	docker save -o /tmp/saved.tar other
	docker rmi other
	docker load -i /tmp/saved.tar
	equals loaded "$(docker run --rm other echo loaded)"
	docker rmi other
	rm /tmp/saved.tar
}

check "-v: bind" bind_mounts
check "-v: propagation" propagation
check "-v: named volume" named_volume
check "--tmpfs --shm-size" tmpfs_volume
check "--read-only" read_only_root
check "commit diff export" commit_and_diff
check "save load" save_and_load
check "cp" copy_in_and_out
