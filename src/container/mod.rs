//! The lifecycle of a container: one file a command, on the store that remembers containers.
//!
//! Nothing here remembers a status: it is computed from the kernel at every look.

use std::path::PathBuf;

use crate::cgroup::Driver;

pub mod create;
pub mod exec;
pub mod hooks;
pub mod run;
pub mod start;
pub mod state;
pub mod store;

/// What the global flags come to, on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globals {
    /// Absolute directory that holds one directory a container.
    pub root: PathBuf,
    /// Who makes cgroups.
    pub driver: Driver,
    /// Whether we lack the rights of the host's root.
    pub rootless: bool,
    pub debug: bool,
}
