//! The whole of a config to the whole of a plan.

use std::path::Path;

use oci_spec::runtime::{Process, Spec};

use super::types::{ExecPlan, Plan};
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::namespace::Kind;
use crate::report::Result;

/// What the command line and the host add to the config.
pub struct Options<'a> {
    pub id: &'a str,
    pub rootfs: &'a Path,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    /// --preserve-fds.
    pub preserve_fds: u32,
    /// LISTEN_FDS of the caller's environment.
    pub listen_fds: u32,
    /// NOTIFY_SOCKET relay: host directory to bind read-only at /run/notify, if any.
    pub notify_directory: Option<&'a Path>,
    pub cgroup_tree: &'a CgroupTree,
}

/// Compiles a validated config.
pub fn container(spec: &Spec, options: &Options) -> Result<Plan> {
    todo!()
}

/// Compiles one more process: `process` is the config's with the command line's overrides, or a --process file.
/// `spec` is the container's frozen config. `namespaces` are those of init that differ from the caller's.
pub fn exec(spec: &Spec, process: &Process, namespaces: &[Kind], options: &ExecOptions) -> Result<ExecPlan> {
    todo!()
}

pub struct ExecOptions {
    pub preserve_fds: u32,
    pub listen_fds: u32,
    pub no_new_keyring: bool,
    pub id: String,
}
