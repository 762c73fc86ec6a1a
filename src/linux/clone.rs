//! clone3: the one fork of trug.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::unistd::Pid;

use super::Result;
use super::namespace::Kind;

/// What the new process gets.
pub struct CloneArgs<'a> {
    pub namespaces: &'a [Kind],
    /// CLONE_INTO_CGROUP: the directory of a v2 cgroup.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// CLONE_PARENT: a sibling, child of our own parent.
    pub sibling: bool,
}

pub enum Cloned {
    Parent { pid: Pid, pidfd: OwnedFd },
    Child,
}

/// Forks with clone3(CLONE_PIDFD | …, SIGCHLD). The pidfd is close-on-exec.
/// Safe only in a single-threaded process: it checks that (a /proc/self/task count would cost; a debug assertion serves).
pub fn clone3(args: &CloneArgs) -> Result<Cloned> {
    todo!()
}
