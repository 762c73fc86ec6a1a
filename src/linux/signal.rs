//! Signals: names, masks, and waiting for them by descriptor.
use super::Result;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
/// `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3` -> number; None if there is no such signal. 0 is not accepted... but is by number ("0").
pub fn parse(text: &str) -> Option<i32> {
    todo!()
}
/// Blocks every signal; they wait for `SignalFd` or for the next exec to unblock.
pub fn block_all() -> Result<()> {
    todo!()
}
/// Every disposition to default and an empty mask, as a new program expects (Rust ignores SIGPIPE at start).
pub fn reset() -> Result<()> {
    todo!()
}
pub struct SignalFd(OwnedFd);
impl SignalFd {
    /// Of all signals; non-blocking, close-on-exec. block_all first.
    pub fn new() -> Result<Self> {
        todo!()
    }
    /// The next pending signal number and, for SIGCHLD, nothing more: use pidfds. None if none is pending.
    pub fn read(&self) -> Result<Option<i32>> {
        todo!()
    }
}
impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
