//! /proc through a handle that is known to be a real procfs (security rule R6): opened once, before anything
//! hostile exists; every file below it by openat2 BENEATH|NO_XDEV|NO_MAGICLINKS|NO_SYMLINKS.

use std::os::fd::OwnedFd;

use nix::unistd::Pid;

use super::Result;

pub struct Proc(OwnedFd);

impl Proc {
    /// Opens /proc (O_PATH) and proves that it is the root of a procfs; EXDEV-like error if not.
    pub fn open() -> Result<Self> {
        todo!()
    }
    /// A file of the calling process: `self_file("attr/exec")`. Works in a child pid namespace too (resolves `self` first).
    pub fn open_self(&self, name: &str, flags: nix::fcntl::OFlag) -> Result<OwnedFd> {
        todo!()
    }
    pub fn open_pid(&self, pid: Pid, name: &str, flags: nix::fcntl::OFlag) -> Result<OwnedFd> {
        todo!()
    }
    /// A namespace file of a process (a magic link, allowed here alone, by O_PATH of `ns` and one component).
    pub fn open_namespace(&self, pid: Pid, name: &str) -> Result<OwnedFd> {
        todo!()
    }
    /// One write(2) to a file of the calling process.
    pub fn write_self(&self, name: &str, value: &[u8]) -> Result<()> {
        todo!()
    }
    pub fn write_pid(&self, pid: Pid, name: &str, value: &[u8]) -> Result<()> {
        todo!()
    }
    /// One write(2) to /proc/sys/`key` of the caller's namespaces.
    pub fn write_sysctl(&self, key: &str, value: &str) -> Result<()> {
        todo!()
    }
    pub fn read_self(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        todo!()
    }
    pub fn read_pid(&self, pid: Pid, name: &str, limit: usize) -> Result<Vec<u8>> {
        todo!()
    }
    /// A file outside the process directories: `read("sys/kernel/random/boot_id")`, `read("filesystems")`.
    pub fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        todo!()
    }
    /// The state letter and start time (clock ticks since boot) of a process, from stat (comm may hold `) (`).
    pub fn stat(&self, pid: Pid) -> Result<ProcessStat> {
        todo!()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    pub state: char,
    pub parent: i32,
    /// Field 22, clock ticks since boot.
    pub start_time: u64,
}
