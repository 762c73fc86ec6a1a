# Podman, with contrib's containers.conf: as root, and as a user with ranges of subordinate ids.

ENGINE=podman

podman() {
	timeout -k 3 60 /usr/bin/podman "$@"
}

client_version() {
	podman --version
}

start_client() {
	export PODMAN_IGNORE_CGROUPSV1_WARNING=1
	mkdir -p /etc/containers/containers.conf.d /tmp/podman
	cp "$CONTRIB/podman/containers.conf" /etc/containers/containers.conf.d/trug.conf
	# There is no systemd here, no right to raise limits, and overlayfs wants a place that is no overlay.
	printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\nlog_driver = "k8s-file"\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' \
		"$(ulimit -Sn)" "$(ulimit -Hn)" "$(ulimit -Su)" "$(ulimit -Hu)" >/etc/containers/containers.conf.d/world.conf
	printf '[storage]\ndriver = "overlay"\ngraphroot = "/tmp/podman/storage"\nrunroot = "/run/containers/storage"\n' >/etc/containers/storage.conf
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
	make_oci_archive "$IMAGES/busybox.tar" localhost/busybox:latest "$IMAGES/busybox.oci"
	podman load -q -i "$IMAGES/busybox.oci" >/dev/null
}

stop_client() {
	tidy_after_check >/dev/null
	umount -q /tmp/podman/storage/overlay || true
	umount -q -R /run/netns || true
	rm -rf /tmp/podman /run/containers /run/libpod /run/netns /run/netavark /run/containers
	find /sys/fs/cgroup -depth -path '*/libpod*' -type d -exec rmdir {} +
}

tidy_after_check() {
	podman pod rm -a -f -t 0
	podman rm -a -f -t 0
	podman volume prune -f
	rm -f /tmp/keys /tmp/screen
}

