//! Device nodes by *at calls, verified after making (security rule R7).
use super::Result;
use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    Char,
    Block,
    Fifo,
}
/// mknodat one component, re-open it O_PATH|O_NOFOLLOW, check type and numbers, then chmod (fchmodat2 / via the trusted proc is not allowed: use
/// umask 0 around mknod) and fchownat AT_EMPTY_PATH. EEXIST with the very same node is fine (adjust mode/owner not needed then).
pub fn make_node(
    parent: BorrowedFd,
    name: &OsStr,
    kind: NodeKind,
    major: u32,
    minor: u32,
    mode: u32,
    uid: u32,
    gid: u32,
) -> Result<()> {
    todo!()
}
/// Is this O_PATH handle the character device major:minor?
pub fn is_char(fd: BorrowedFd, major: u32, minor: u32) -> bool {
    todo!()
}
/// (is_block, major, minor, mode) of a host node, for devices to bind or inherit.
pub fn describe(fd: BorrowedFd) -> Result<(NodeKind, u32, u32, u32)> {
    todo!()
}
/// symlinkat of one component; EEXIST is an error to the caller.
pub fn make_symlink(parent: BorrowedFd, name: &OsStr, target: &std::path::Path) -> Result<()> {
    todo!()
}
