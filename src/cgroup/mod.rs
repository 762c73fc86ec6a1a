//! cgroups v1, v2 and hybrid behind one type. Knows paths, limits, freezing, killing and removal; not containers.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::procfs::Proc;
use crate::report::Result;

/// Who makes the cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Cgroupfs,
    Systemd,
    Disabled,
}

/// Where a container's cgroup is: what state.json keeps, enough to find, kill and remove it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    pub driver: Driver,
    /// systemd unit, if any.
    pub unit: Option<String>,
    /// One absolute directory a hierarchy; the key is the hierarchy's controllers joined by `,` (`cpu,cpuacct`, `name=systemd`), "" for the unified tree.
    pub paths: std::collections::BTreeMap<String, PathBuf>,
}

/// A container's cgroup.
pub struct Manager {
    location: Location,
}

impl Manager {
    /// Where the cgroup of container `id` goes by `cgroupsPath`; makes nothing.
    pub fn locate(
        tree: &CgroupTree,
        driver: Driver,
        cgroups_path: Option<&Path>,
        id: &str,
    ) -> Result<Location> {
        todo!()
    }
    pub fn new(location: Location) -> Self {
        Self { location }
    }
    pub fn location(&self) -> &Location {
        &self.location
    }
    /// Makes the directories. Refuses one that has processes in it or is frozen.
    /// What this call made is removed again if it fails.
    pub fn create(&self, resources: &LinuxResources) -> Result<()> {
        todo!()
    }
    /// The v2 directory to clone into; None on v1 and hybrid (call `add` then).
    pub fn clone_target(&self) -> Result<Option<OwnedFd>> {
        todo!()
    }
    /// Puts a process in every hierarchy that the clone did not.
    pub fn add(&self, pid: Pid) -> Result<()> {
        todo!()
    }
    /// Adds an exec'd process to the cgroup or to a sub-cgroup (`exec --cgroup [ctrl[,ctrl]:]path`); the error strings are runc's.
    pub fn add_exec(&self, pid: Pid, sub: &[String]) -> Result<()> {
        todo!()
    }
    /// Sets limits and device rules.
    pub fn apply(&self, resources: &LinuxResources) -> Result<()> {
        todo!()
    }
    pub fn freeze(&self, deadline: Duration) -> Result<()> {
        todo!()
    }
    pub fn thaw(&self, deadline: Duration) -> Result<()> {
        todo!()
    }
    pub fn is_frozen(&self) -> Result<bool> {
        todo!()
    }
    /// Pids of the container, sub-cgroups too, sorted.
    pub fn pids(&self) -> Result<Vec<Pid>> {
        todo!()
    }
    /// Signals every process (SIGKILL by cgroup.kill where there is one; freeze-kill-thaw on v1).
    pub fn signal_all(&self, signal: i32) -> Result<()> {
        todo!()
    }
    /// Waits by event until no process is left, then removes the directories and sub-directories; an absent one is fine. On timeout
    /// names the pids, their comm and state.
    pub fn remove(&self, deadline: Duration) -> Result<()> {
        todo!()
    }
    /// Number of OOM kills so far, where the kernel tells.
    pub fn oom_kills(&self) -> Result<u64> {
        todo!()
    }
    pub fn exists(&self) -> bool {
        todo!()
    }
}
