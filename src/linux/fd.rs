//! Descriptors: bounded reads, whole writes, closing all but a few.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use super::Result;

/// Marks every descriptor >= `first` close-on-exec (close_range CLOSE_RANGE_CLOEXEC).
pub fn mark_cloexec_from(first: RawFd) -> Result<()> {
    todo!()
}
/// Really closes every descriptor >= `first` but those in `keep`.
pub fn close_from(first: RawFd, keep: &[RawFd]) -> Result<()> {
    todo!()
}
/// dup3 to exactly `number` (or only clears/sets the flag where it is that already).
pub fn place(fd: BorrowedFd, number: RawFd, cloexec: bool) -> Result<()> {
    todo!()
}
pub fn set_cloexec(fd: RawFd, on: bool) -> Result<()> {
    todo!()
}
pub fn is_open(fd: RawFd) -> bool {
    todo!()
}
/// Writes all, over EINTR and short writes.
pub fn write_all(fd: BorrowedFd, bytes: &[u8]) -> Result<()> {
    todo!()
}
/// One read, over EINTR.
pub fn read(fd: BorrowedFd, buffer: &mut [u8]) -> Result<usize> {
    todo!()
}
/// Reads to the end; EFBIG above `limit`.
pub fn read_to_end(fd: BorrowedFd, limit: usize) -> Result<Vec<u8>> {
    todo!()
}
/// Opens /dev/null in place of those of 0, 1, 2 that are closed, so that nothing of ours lands there.
pub fn ensure_stdio() -> Result<()> {
    todo!()
}
/// fchown that leaves alone what is not to be chowned (stdio to the container's user, as runc's fixStdioPermissions:
/// skip when it is /dev/null's rdev or the uid is right already; EINVAL, EPERM, EROFS are ignored as runc does).
pub fn own_stdio(uid: u32) -> Result<()> {
    todo!()
}
/// Takes over an inherited descriptor by number.
pub fn adopt(fd: RawFd) -> OwnedFd {
    todo!()
}
