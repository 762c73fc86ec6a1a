# Buildah, with trug as its runtime by its own flags.

source podman/client.sh

buildah() {
	timeout -k 3 60 /usr/bin/buildah "$@"
}

client_version() {
	buildah --version
}

tidy_after_check() {
	buildah rm -a
}
