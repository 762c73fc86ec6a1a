//! Every published escape from a container by way of its runtime, tried: one test for each CVE or advisory of
//! runc, crun, youki and their neighbours, named by its id, which sets its trigger up and claims that the host is
//! untouched.
//!
//! The set-up is an image, or a neighbour on a shared volume, that is hostile; config.json is the engine's. What is
//! outside is a [`canary::Canary`]: a directory of files whose owner, mode, content and time must not change.
//!
//! `TRUG_LONG=1` has each race run for 20 seconds, otherwise a second or two. Against an older peer
//! (`TRUG_BIN=/usr/sbin/runc`) some of these fail: comments that begin with "Seen" say with which, Debian 12's
//! runc 1.1.5 and crun 1.8.1, the attack was seen to succeed, and so that the test can fail.
//!
//! Of 86, 63 pass with that runc and 58 with that crun (without its cgroups, for it knows no hybrid machine, and with
//! `ociVersion` set to 1.0.0). What fails without such a comment fails by their words, or by what they lack.

mod advisories;
mod canary;
mod racer;
mod trace;

mod capabilities;
mod criu;
mod devices;
mod directory;
mod hooks;
mod hostile_json;
mod identity;
mod kernel_floor;
mod lint;
mod masks;
mod mounts;
mod neighbours;
mod proc;
mod program_entry;
mod program_file;
mod races;
mod seccomp;
mod skipped;
mod user_namespaces;
