//! Pseudo-terminals.
use super::Result;
use std::os::fd::{BorrowedFd, OwnedFd};
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}
/// A new pair from an open `ptmx` node (verified: devpts magic or char 5:2): master is `ptmx` itself unlocked, slave by TIOCGPTPEER.
/// Returns the slave; verified to be a char device 136..143 of devpts.
pub fn open_slave(master: BorrowedFd) -> Result<OwnedFd> {
    todo!()
}
/// `/dev/pts/N` by TIOCGPTN.
pub fn slave_name(master: BorrowedFd) -> Result<String> {
    todo!()
}
pub fn set_size(fd: BorrowedFd, size: Size) -> Result<()> {
    todo!()
}
pub fn size(fd: BorrowedFd) -> Result<Size> {
    todo!()
}
/// TIOCSCTTY.
pub fn make_controlling(fd: BorrowedFd) -> Result<()> {
    todo!()
}
pub fn is_terminal(fd: BorrowedFd) -> bool {
    todo!()
}
/// OPOST's ONLCR off on a master, as runc does for console sockets.
pub fn clear_onlcr(fd: BorrowedFd) -> Result<()> {
    todo!()
}
/// Raw mode until dropped.
pub struct RawMode {
    fd: OwnedFd,
    saved: nix::sys::termios::Termios,
}
impl RawMode {
    pub fn enter(fd: BorrowedFd) -> Result<Self> {
        todo!()
    }
}
