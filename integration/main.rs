//! The integration suite: the runtime as its callers see it, on this machine's own kernel, as root.
//!
//! `cargo test --test integration` runs it against the trug just built; `TRUG_BIN=/usr/sbin/runc` runs it
//! against a peer, to see that the tests ask for what is true. See docs/testing.md.

mod support;

mod attributes;
mod bundle_examples;
mod capabilities;
mod cgroups;
mod checkpoint;
mod cli;
mod crash;
mod debian;
mod descriptors;
mod devices;
mod errors;
mod escapes;
mod events;
mod exec;
mod guest;
mod hardening;
mod hooks;
mod identity;
mod lifecycle;
mod limits;
mod list;
mod log;
mod masks;
mod mount_targets;
mod mounts;
mod namespaces;
mod paces;
mod process;
mod rootless;
mod run;
mod seccomp;
mod signals;
mod sockets;
mod state;
mod terminal;
mod trace;
mod update;
mod userns;
