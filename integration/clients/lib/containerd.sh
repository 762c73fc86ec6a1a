# containerd, with contrib's configuration for its version; everything else is its default, but for its data, which
# overlayfs cannot keep on an overlay.

# containerd_generation: 1 or 2.
containerd_generation() {
	containerd --version | sed 's/.* v\{0,1\}\([0-9]\)\.[0-9].*/\1/'
}

# write_containerd_config: contrib's file, and what the world needs.
write_containerd_config() {
	local generation plugin
	generation=$(containerd_generation)
	case $generation in
	1) plugin=io.containerd.grpc.v1.cri ;;
	2) plugin=io.containerd.cri.v1.runtime ;;
	esac
	# Without CAP_SYS_RESOURCE no score below our own can be set, and pods ask for one.
	{
		cat "$CONTRIB/containerd/config-$generation.toml"
		printf '[plugins."%s"]\n  restrict_oom_score_adj = true\n' "$plugin"
	} >/tmp/containerd.toml
}

start_containerd() {
	write_containerd_config
	start_daemon containerd containerd --config /tmp/containerd.toml --root /tmp/containerd
	says containerd "containerd successfully booted"
	make_oci_archive "$IMAGES/busybox.tar" localhost/busybox:latest "$IMAGES/busybox.oci"
}

stop_containerd() {
	stop_daemon containerd
	rm -rf /tmp/containerd /run/containerd
}

# The image of a pod's first container, as the configuration has it.
sandbox_image() {
	containerd --config /tmp/containerd.toml config dump |
		sed -n "s/^ *sandbox\(_image\)\{0,1\} = ['\"]\(.*\)['\"]/\2/p" | head -n 1
}
