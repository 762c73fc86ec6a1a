//! What state.json says of a container: what was done to it, never what it is doing now.
//!
//! Version rule: a field may be added (readers ignore what they do not know, and default what they
//! miss); a change that an older reader would get wrong raises `FORMAT`.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use crate::cgroup::Location;
use crate::fail;
use crate::linux::procfs::Proc;
use crate::linux::{self, Errno, host, pidfd};
use crate::report::{Code, Context, Result};

/// The layout of state.json that this build writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// Clock ticks from boot to its start (`man 5 proc_pid_stat`, field 22); 0 where it was not looked up, since the
    /// next is known.
    pub start_time: u64,
    /// Its number on pidfs, which no other process of this boot has; where it is known, nothing else is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
}

impl ProcessId {
    /// The process that has this number now.
    ///
    /// # Errors
    /// ENOENT or ESRCH where there is none.
    pub fn look_up(proc: &Proc, pid: Pid) -> linux::Result<Self> {
        Ok(Self { pid: pid.as_raw(), start_time: proc.stat(pid)?.start_time, inode: None })
    }

    /// This process.
    pub fn of_this_process(proc: &Proc) -> linux::Result<Self> {
        let pid = nix::unistd::getpid();
        Self::of_held(proc, pid, pidfd::open(pid)?.as_fd())
    }

    /// The same, of a process that is held.
    pub fn of_held(proc: &Proc, pid: Pid, held: BorrowedFd) -> linux::Result<Self> {
        match pidfd::unique_inode(held)? {
            Some(inode) => Ok(Self { pid: pid.as_raw(), start_time: 0, inode: Some(inode) }),
            None => Self::look_up(proc, pid),
        }
    }

    /// A descriptor of it, if it still runs. Opened first and compared after: so it is the process
    /// that was compared, whoever has its number later (`man 2 pidfd_open`).
    pub fn hold(self, proc: &Proc) -> linux::Result<Option<OwnedFd>> {
        if self.pid <= 0 {
            return Ok(None);
        }
        let held = match pidfd::open(Pid::from_raw(self.pid)) {
            Ok(held) => held,
            // EINVAL and ENOENT: the number is a thread's that leads no process.
            Err(Errno::ESRCH | Errno::EINVAL | Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        Ok(self.is_alive(proc)?.then_some(held))
    }

    /// Whether it still runs: a zombie does not, nor does a stranger with its number.
    ///
    /// The boot id must have been compared before: start times begin anew with each boot.
    pub fn is_alive(self, proc: &Proc) -> linux::Result<bool> {
        if self.pid <= 0 {
            return Ok(false);
        }
        if let Some(inode) = self.inode {
            return match pidfd::open(Pid::from_raw(self.pid)) {
                Ok(held) => {
                    Ok(pidfd::unique_inode(held.as_fd())? == Some(inode) && !pidfd::has_ended(held.as_fd())?)
                }
                Err(Errno::ESRCH | Errno::EINVAL | Errno::ENOENT) => Ok(false),
                Err(errno) => Err(errno),
            };
        }
        match proc.stat(Pid::from_raw(self.pid)) {
            Ok(stat) => Ok(stat.start_time == self.start_time && !matches!(stat.state, 'Z' | 'X' | 'x')),
            Err(Errno::ENOENT | Errno::ESRCH) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

/// How far `create` got. What was done, never a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// `runtime` is at work, and init dies if it does.
    Creating,
    /// Init has the commit and lives by itself.
    Created,
}

/// Everything a later command must know that the kernel does not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `FORMAT`.
    pub format: u32,
    /// Of the specification that the state JSON follows.
    pub oci_version: String,
    pub id: String,
    /// Absolute.
    pub bundle: PathBuf,
    /// Absolute.
    #[serde(default)]
    pub rootfs: PathBuf,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// RFC 3339 with nanoseconds, in UTC.
    pub created: String,
    /// The uid that called create.
    #[serde(default)]
    pub owner: u32,
    pub phase: Phase,
    /// Of the boot in which the two processes below were started.
    pub boot_id: String,
    /// The trug that creates the container.
    pub runtime: ProcessId,
    /// The container's first process, once there is one.
    #[serde(default)]
    pub init: Option<ProcessId>,
    pub cgroup: Location,
    #[serde(default)]
    pub systemd_cgroup: bool,
    #[serde(default)]
    pub rootless: bool,
    /// The pid namespace is the container's own: killing init kills all that is in it.
    #[serde(default)]
    pub own_pid_namespace: bool,
    #[serde(default)]
    pub no_new_keyring: bool,
    /// It was started as it was made: there is no gate before its program that could still be shut.
    #[serde(default)]
    pub ungated: bool,
    /// What standard input, output and error of the program were (`pipe:[7]`), where it has no terminal.
    #[serde(default)]
    pub descriptors: Vec<String>,
    /// The limits and device rules in force: those of the config, and what `update` has changed since.
    #[serde(default)]
    pub resources: Limits,
}

impl State {
    /// The content of state.json.
    ///
    /// # Errors
    /// What is no JSON, lacks a field, or is of another format.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let state: State = serde_json::from_slice(bytes)?;
        if state.format != FORMAT {
            fail!(Code::InvalidConfig, "format {} is not of this version of trug", state.format);
        }
        Ok(state)
    }

    /// Whether the processes it names can still be there.
    pub fn is_of_this_boot(&self) -> Result<bool> {
        Ok(host::boot_id().context("read the boot id")? == self.boot_id)
    }
}

/// What a container is doing now, in the words of runtime-spec runtime.md#state (and `paused`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// The word in state JSON.
    pub fn word(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
