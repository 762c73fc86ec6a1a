//! Which cgroup hierarchies this host has mounted where (`man 7 cgroups`).
use super::Result;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    Unified,
    Legacy,
    Hybrid,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Directory under /sys/fs/cgroup, `cpu,cpuacct`; "" for the unified tree mounted at the top, "unified" in a hybrid.
    pub directory: String,
    /// Absolute mount point.
    pub mount_point: PathBuf,
    /// The root field of mountinfo (not `/` in a container without a cgroup namespace).
    pub root: PathBuf,
    /// Controllers, or `name=systemd`; empty for the unified tree.
    pub controllers: Vec<String>,
    pub unified: bool,
    /// The cgroup of this process in it, from /proc/self/cgroup.
    pub own: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupTree {
    pub layout: Layout,
    pub hierarchies: Vec<Hierarchy>,
}

impl CgroupTree {
    /// By statfs of /sys/fs/cgroup, /proc/self/cgroup and, for v1, /proc/self/mountinfo.
    pub fn detect(proc: &super::procfs::Proc) -> Result<Self> {
        todo!()
    }
}
