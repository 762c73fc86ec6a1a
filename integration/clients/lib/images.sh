# Images from what is here, without a registry: busybox, and the Debian of mmdebstrap.

IMAGES=/tmp/images

make_busybox_tar() {
	mkdir -p "$IMAGES/busybox"/{bin,etc,proc,sys,dev,tmp,root,home,var}
	cp /bin/busybox "$IMAGES/busybox/bin/"
	/bin/busybox --list | grep -vx busybox | while read -r applet; do
		ln -sf busybox "$IMAGES/busybox/bin/$applet"
	done
	chmod 1777 "$IMAGES/busybox/tmp"
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n' >"$IMAGES/busybox/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\n' >"$IMAGES/busybox/etc/group"
	tar -C "$IMAGES/busybox" -cf "$IMAGES/busybox.tar" .
}

make_debian_tar() {
	[ ! -d /debian/usr ] || tar -C /debian --exclude=./dev --exclude=./proc --exclude=./sys -cf "$IMAGES/debian.tar" .
}

# make_oci_archive LAYER.tar NAME ARCHIVE [COMMAND]: what `podman load` and `ctr image import` read.
make_oci_archive() {
	local layer=$1 name=$2 archive=$3 command=${4:-'["/bin/sh"]'} place=$IMAGES/oci-${2//[\/:]/-} diff
	mkdir -p "$place/blobs/sha256"
	diff=$(add_blob "$place" "$layer")
	jq -n --arg diff "sha256:$diff" --argjson command "$command" '{
		architecture: "amd64", os: "linux", config: {Cmd: $command, Env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"]},
		rootfs: {type: "layers", diff_ids: [$diff]}}' >"$place/config"
	local config
	config=$(add_blob "$place" "$place/config")
	jq -n --arg config "sha256:$config" --arg layer "sha256:$diff" \
		--argjson config_size "$(stat -c %s "$place/config")" --argjson layer_size "$(stat -c %s "$layer")" '{
		schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: $config_size},
		layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $layer, size: $layer_size}]}' >"$place/manifest"
	jq -n --arg name "$name" --arg manifest "sha256:$(add_blob "$place" "$place/manifest")" \
		--argjson size "$(stat -c %s "$place/manifest")" '{
		schemaVersion: 2, manifests: [{
			mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $manifest, size: $size,
			annotations: {"org.opencontainers.image.ref.name": $name, "io.containerd.image.name": $name}}]}' >"$place/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$place/oci-layout"
	rm "$place/config" "$place/manifest"
	tar -C "$place" -cf "$archive" .
	rm -r "$place"
}

add_blob() {
	local digest
	digest=$(sha256sum "$2" | cut -d ' ' -f 1)
	cp "$2" "$1/blobs/sha256/$digest"
	echo "$digest"
}
