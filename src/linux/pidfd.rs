//! Processes by descriptor: no signal can hit a stranger (`man 2 pidfd_open`).

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::Result;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// Shell convention: n, or 128+signal.
    pub fn status(self) -> u8 {
        todo!()
    }
}

pub fn open(pid: Pid) -> Result<OwnedFd> {
    todo!()
}
/// `signal` by number: real-time signals too.
pub fn send_signal(pidfd: BorrowedFd, signal: i32) -> Result<()> {
    todo!()
}
/// Waits for the exit of the process (any process, not only a child); false on timeout.
pub fn wait_exit(pidfd: BorrowedFd, timeout: Option<Duration>) -> Result<bool> {
    todo!()
}
/// Reaps a child that has ended or waits for it to (waitid P_PIDFD).
pub fn reap(pidfd: BorrowedFd) -> Result<Exit> {
    todo!()
}
/// poll(2): has it ended already?
pub fn has_ended(pidfd: BorrowedFd) -> Result<bool> {
    todo!()
}
