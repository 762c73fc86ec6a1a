# Building through the runtime.

# The flags for a runtime; limits cannot be raised here.
RUNTIME_FLAGS=(--runtime /usr/local/sbin/trug --isolation oci)
LIMITS=(--ulimit "nofile=$(ulimit -Sn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Su):$(ulimit -Hu)")

run_in_a_working_container() {
	local box
	box=$(buildah from "${LIMITS[@]}" localhost/busybox)
	equals "hello" "$(buildah run "${RUNTIME_FLAGS[@]}" "$box" -- echo hello)"
	exits_with 4 buildah run "${RUNTIME_FLAGS[@]}" "$box" -- sh -c 'exit 4'
	buildah run "${RUNTIME_FLAGS[@]}" "$box" -- sh -c 'echo made > /made'
	buildah commit "$box" grown
	equals made "$(podman run --rm grown cat /made)"
	buildah rmi grown
}

build_a_file() {
	mkdir -p /tmp/build
	printf 'FROM localhost/busybox\nRUN echo built > /built && id -u\nUSER 1000\nRUN id -u > /tmp/who\n' >/tmp/build/Containerfile
	buildah build "${RUNTIME_FLAGS[@]}" "${LIMITS[@]}" --network none -t built /tmp/build
	equals "built 1000" "$(podman run --rm built cat /built /tmp/who | xargs)"
	buildah rmi built
	rm -r /tmp/build
}

check "run --isolation oci" run_in_a_working_container
check "build" build_a_file
