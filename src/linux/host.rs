//! Facts of the machine: boot id, kernel version, which calls it has, and locks on directories.
use super::Result;
use std::os::fd::BorrowedFd;
/// /proc/sys/kernel/random/boot_id, without newline.
pub fn boot_id(proc: &super::procfs::Proc) -> Result<String> {
    todo!()
}
/// flock(LOCK_EX|LOCK_NB) on a directory, held until its descriptor closes; false if another holds it.
pub fn try_lock(fd: BorrowedFd) -> Result<bool> {
    todo!()
}
/// flock(LOCK_EX), waiting.
pub fn lock(fd: BorrowedFd) -> Result<()> {
    todo!()
}
/// flock(LOCK_UN): for every process that shares the open file, so a child's copy keeps no lock.
pub fn unlock(fd: BorrowedFd) -> Result<()> {
    todo!()
}
/// Probes the calls of our floor (openat2, close_range, mount_setattr, open_tree, fsopen, move_mount, clone3, pidfd_open) without side effects;
/// names those that answer ENOSYS (or EPERM where a filter hides them).
pub fn missing_calls() -> Vec<&'static str> {
    todo!()
}
