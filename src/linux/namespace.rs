//! The eight kinds of namespace (`man 7 namespaces`).

use std::os::fd::{BorrowedFd, OwnedFd};

use serde::Serialize;

use super::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    User,
    Pid,
    Network,
    Ipc,
    Uts,
    Mount,
    Cgroup,
    Time,
}

impl Kind {
    pub const ALL: [Kind; 8] =
        [Kind::User, Kind::Pid, Kind::Network, Kind::Ipc, Kind::Uts, Kind::Mount, Kind::Cgroup, Kind::Time];
    /// CLONE_NEW*.
    pub fn flag(self) -> u64 {
        todo!()
    }
    /// File name in /proc/PID/ns: `user pid net ipc uts mnt cgroup time`.
    pub fn proc_name(self) -> &'static str {
        todo!()
    }
    /// Name in runtime-spec: `user pid network ipc uts mount cgroup time`.
    pub fn spec_name(self) -> &'static str {
        todo!()
    }
}

/// setns by a namespace file; EINVAL where it is of another kind.
pub fn join(namespace: BorrowedFd, kind: Kind) -> Result<()> {
    todo!()
}
/// setns by pidfd: several namespaces of a process at once, atomically (`man 2 setns`, Linux 5.8).
pub fn join_process(pidfd: BorrowedFd, kinds: &[Kind]) -> Result<()> {
    todo!()
}
/// unshare(2).
pub fn unshare(kind: Kind) -> Result<()> {
    todo!()
}
/// The kind of an open namespace file (NS_GET_NSTYPE); None if it is not one.
pub fn kind_of(namespace: BorrowedFd) -> Option<Kind> {
    todo!()
}
/// sethostname / setdomainname.
pub fn set_hostname(name: &str) -> Result<()> {
    todo!()
}
pub fn set_domainname(name: &str) -> Result<()> {
    todo!()
}
