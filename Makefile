# trug: build it, see it, test it. `make help` says what there is.

PREFIX ?= /usr/local
DESTDIR ?=

# In the place of .cargo/config.toml's, for whatever is called here. `make TARGET=x86_64-unknown-linux-gnu …` is for glibc.
MUSL := x86_64-unknown-linux-musl
TARGET := $(MUSL)
export CARGO_BUILD_TARGET := $(TARGET)
ifeq ($(TARGET),$(MUSL))
# There is room for it: the limit is 4,000,000 bytes (integration/run-tests-release).
export CARGO_PROFILE_RELEASE_OPT_LEVEL := 2
endif
TRUG := target/$(TARGET)/release/trug
EXAMPLES := hello shell web readonly hooks
# What the build needs, and what the tests need beside it (Debian's names).
BUILD_PACKAGES := gcc libc6-dev libseccomp-dev pkg-config
TEST_PACKAGES := busybox-static strace mmdebstrap debian-archive-keyring procps iproute2 util-linux criu iptables \
	uidmap golang-github-opencontainers-specs-dev
BENCH_PACKAGES := python3 runc crun busybox-static linux-libc-dev util-linux
NEEDED := integration/rust-target $(TARGET) && integration/packages
FUZZ_SECONDS ?= 10
SOAK_SECONDS ?= 3600
AT_ONCE ?= 2
# Where cargo-deb is found or made.
TOOLS := target/tools
CLIENTS := docker containerd cri podman buildah lxcfs errors
MAN := $(DESTDIR)$(PREFIX)/share/man/man8
SHARE := $(DESTDIR)$(PREFIX)/share
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=CARGO_BUILD_TARGET)

.PHONY: build demo examples bench docs deb test test-release test-races test-older-kernel fuzz test-guest test-guest-all $(CLIENTS:%=test-%) test-clients test-kubernetes test-deb soak lint install clean help

build: ## build the release binary
	@$(NEEDED) $(BUILD_PACKAGES)
	cargo build --release

demo: ## build trug and run bundle-examples/hello with it
	@$(NEEDED) $(BUILD_PACKAGES) busybox-static
	cargo build --release
	@bundle-examples/make-rootfs bundle-examples/hello
	@echo "\$$ trug run --bundle bundle-examples/hello hello"
	@$(AS_ROOT) $(TRUG) run --bundle bundle-examples/hello hello

docs: ## write the man pages and the completions for shells (target/docs)
	@$(NEEDED) $(BUILD_PACKAGES)
	cargo run --quiet --package trug-docs -- target/docs

deb: build docs ## make a Debian package (target/debian-package)
	@test -x $(TOOLS)/bin/cargo-deb || cargo install --quiet --locked --root $(TOOLS) --target x86_64-unknown-linux-gnu cargo-deb
	@mkdir -p target/contrib && cp -r contrib/. target/contrib
	@grep -rlZ /usr/local/sbin/trug target/contrib | xargs -0 sed -i 's|/usr/local/sbin/trug|/usr/sbin/trug|g'
	$(TOOLS)/bin/cargo-deb --quiet --no-build --target $(TARGET) --output target/debian-package/

examples: ## make the root filesystem of every example
	@integration/packages busybox-static
	bundle-examples/make-rootfs $(EXAMPLES:%=bundle-examples/%)

test: ## run unit and integration tests; the last line has the counts
	@$(NEEDED) $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@$(AS_ROOT) integration/debian-rootfs
	@$(AS_ROOT) integration/criu
	@integration/run-tests

test-release: build ## run a part of the integration suite against the release binary
	@integration/packages $(TEST_PACKAGES)
	@integration/run-tests-release $(TRUG)

bench: build ## compare with runc, crun and the floor: a table, and target/bench.json
	@integration/packages $(BENCH_PACKAGES)
	@$(AS_ROOT) bench/run --trug $(TRUG) --json target/bench.json

test-races: ## run every race for 20 seconds
	@$(NEEDED) $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@TRUG_LONG=1 integration/run-tests escapes::races

test-older-kernel: ## run the integration suite as on Linux 5.14, newer calls hidden
	@$(NEEDED) $(BUILD_PACKAGES) $(TEST_PACKAGES)
	cargo build --example older-kernel
	@TRUG_TEST_UNDER=$(CURDIR)/target/$(TARGET)/debug/examples/older-kernel integration/run-tests

fuzz: ## fuzz every target for FUZZ_SECONDS each
	@$(NEEDED) $(BUILD_PACKAGES) g++
	fuzz/run $(FUZZ_SECONDS)

test-guest: ## run something of each kind in a guest with cgroup v2 alone and systemd (QEMU; ten minutes)
	@$(AS_ROOT) integration/guest/run

test-guest-all: ## run there all that cgroups, systemd and AppArmor have a say in
	@$(AS_ROOT) integration/guest/run --all

$(CLIENTS:%=test-%): test-%:
	@$(NEEDED) $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@$(AS_ROOT) integration/debian-rootfs
	@$(AS_ROOT) integration/criu
	cargo build --quiet
	$(AS_ROOT) integration/clients/test $*

soak: ## make, enter and remove containers by Docker for SOAK_SECONDS (an hour), eight at once
	@$(NEEDED) $(BUILD_PACKAGES) $(TEST_PACKAGES)
	cargo build --quiet
	$(AS_ROOT) env SOAK_SECONDS=$(SOAK_SECONDS) integration/clients/test soak

test-kubernetes: ## bring up a Kubernetes node and run pods on trug (by hand: its programs are built first, once)
	@$(NEEDED) $(BUILD_PACKAGES) $(TEST_PACKAGES)
	cargo build --quiet
	$(AS_ROOT) integration/clients/kubernetes/build
	$(AS_ROOT) integration/clients/test kubernetes

test-clients: ## run real clients, AT_ONCE (2) of them: each of test-docker -containerd -cri -podman -buildah -lxcfs -errors
	@$(NEEDED) $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@$(AS_ROOT) integration/debian-rootfs
	@$(AS_ROOT) integration/criu
	cargo build --quiet
	$(AS_ROOT) env AT_ONCE=$(AT_ONCE) integration/clients/test $(CLIENTS)

test-deb: deb ## install, run and remove the Debian package in a tree of its own
	@$(AS_ROOT) integration/clients/test-deb target/debian-package/trug_*.deb

lint: ## check format, clippy, and the floors of the house
	@$(NEEDED) $(BUILD_PACKAGES)
	cargo fmt --all --check
	cargo clippy --package trug --package trug-docs --all-targets -- -D warnings -D clippy::undocumented-unsafe-blocks
	@mkdir -p target && rustc --edition 2024 -o target/floors integration/lint/floors.rs
	target/floors src

install: ## install trug to $(DESTDIR)$(PREFIX)/sbin, its man pages and its completions
	@test -x $(TRUG) || { echo "build it first: make build" >&2; exit 1; }
	install -D -m 0755 $(TRUG) $(DESTDIR)$(PREFIX)/sbin/trug
	@test -d target/docs || { echo "there are no man pages yet: make docs" >&2; exit 1; }
	install -D -m 0644 -t $(MAN) target/docs/man/*.8
	install -D -m 0644 target/docs/completions/trug.bash $(SHARE)/bash-completion/completions/trug
	install -D -m 0644 -t $(SHARE)/zsh/site-functions target/docs/completions/_trug
	install -D -m 0644 -t $(SHARE)/fish/vendor_completions.d target/docs/completions/trug.fish

clean: ## remove what was built
	cargo clean
	rm -rf $(EXAMPLES:%=bundle-examples/%/rootfs)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
