//! What a plan depends on besides the config: all of it is given, so that the same input gives the same plan.

use std::path::Path;

use crate::linux::cgroup_tree::CgroupTree;

/// What the command line and the host add to the config.
pub struct Options<'a> {
    pub id: &'a str,
    /// Absolute; relative mount sources count from it.
    pub bundle: &'a Path,
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
    /// The process comes to its cgroup only after it has been cloned, whatever the layout: systemd puts it there.
    pub cgroup_after_clone: bool,
    /// Whether this kernel has /proc/kcore, and so containers have /dev/core.
    pub kcore: bool,
    /// We are in a user namespace ourselves: device nodes cannot be made.
    pub in_user_namespace: bool,
    /// The caller has rights in the user namespaces that it makes, and in no other.
    pub unprivileged: bool,
}

/// What the command line adds to the process.
pub struct ExecOptions {
    pub preserve_fds: u32,
    pub no_new_keyring: bool,
    pub id: String,
}
