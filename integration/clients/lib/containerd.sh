# containerd, with contrib's configuration for its version; everything else is its default, but for its data, which
# overlayfs cannot keep on an overlay.

start_containerd() {
	local generation
	generation=$(containerd --version | sed 's/.* v\{0,1\}\([0-9]\)\.[0-9].*/\1/')
	start_daemon containerd containerd --config "$CONTRIB/containerd/config-$generation.toml" --root /tmp/containerd
	says containerd "containerd successfully booted"
	make_oci_archive "$IMAGES/busybox.tar" localhost/busybox:latest "$IMAGES/busybox.oci"
}

stop_containerd() {
	stop_daemon containerd
	rm -rf /tmp/containerd /run/containerd
}

# The configuration that containerd has in the end, with its defaults.
containerd_settings() {
	containerd --config "$CONTRIB/containerd/config-$(containerd --version | sed 's/.* v\{0,1\}\([0-9]\)\.[0-9].*/\1/').toml" config dump
}
