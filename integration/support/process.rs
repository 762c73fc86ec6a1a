//! Processes that are not our children, held by pidfd: waited for without polling, signalled without
//! the danger of hitting another that got the same number.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::deadline;

/// Some process.
pub struct Process {
    pub pid: i32,
    fd: OwnedFd,
}

impl Process {
    pub fn open(pid: i32) -> Result<Self> {
        let number = Pid::from_raw(pid).context("a pid is positive")?;
        let fd = pidfd_open(number, PidfdFlags::empty()).with_context(|| format!("open process {pid}"))?;
        Ok(Self { pid, fd })
    }

    /// Every process whose environment, or that of the image it was started from, has `marker`.
    pub fn with_marker(marker: &str) -> Result<Vec<Self>> {
        let found = numbers()?.into_iter().filter(|pid| has_marker(*pid, marker));
        Ok(found.filter_map(|pid| Self::open(pid).ok()).collect())
    }

    pub fn kill(&self, signal: Signal) -> Result<()> {
        Ok(pidfd_send_signal(&self.fd, signal)?)
    }

    /// True while it runs: a process that has ended and waits for its parent does not.
    pub fn is_alive(&self) -> Result<bool> {
        Ok(!readable_within(self.fd.as_fd(), Duration::ZERO)?)
    }

    /// Waits for its end.
    pub fn wait_gone(&self) -> Result<()> {
        let gone = readable_within(self.fd.as_fd(), deadline())?;
        ensure!(gone, "process {} ({}) is still there after {:?}", self.pid, self.describe(), deadline());
        Ok(())
    }

    /// Waits until its number is free: it has ended, and its parent has looked (POLLHUP, Linux 6.9).
    pub fn wait_reaped(&self) -> Result<()> {
        let reaped = happens_within(self.fd.as_fd(), PollFlags::empty(), deadline())?;
        ensure!(reaped, "process {} is not reaped after {:?}", self.pid, deadline());
        Ok(())
    }

    /// Waits for its end; false where it still runs when `time` is over.
    pub fn ends_within(&self, time: Duration) -> Result<bool> {
        readable_within(self.fd.as_fd(), time)
    }

    /// Its children that are there now.
    pub fn children(&self) -> Result<Vec<Self>> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        // It may have ended already.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Ok(text.split_whitespace().filter_map(|pid| Self::open(pid.parse().ok()?).ok()).collect())
    }

    /// Where each descriptor leads.
    pub fn descriptors(&self) -> Result<Vec<(i32, String)>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(format!("/proc/{}/fd", self.pid))? {
            let entry = entry?;
            let target = std::fs::read_link(entry.path())?;
            all.push((entry.file_name().to_string_lossy().parse()?, target.to_string_lossy().into_owned()));
        }
        all.sort();
        Ok(all)
    }

    /// A namespace of its, `pid:[4026531836]`.
    pub fn namespace(&self, kind: &str) -> Result<String> {
        let link = std::fs::read_link(format!("/proc/{}/ns/{kind}", self.pid))?;
        Ok(link.to_string_lossy().into_owned())
    }

    fn describe(&self) -> String {
        let read =
            |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", self.pid)).unwrap_or_default();
        format!("{} {}", read("cmdline").replace('\0', " "), read("wchan"))
    }
}

/// Every process number of the machine.
fn numbers() -> Result<Vec<i32>> {
    let entries = std::fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

fn has_marker(pid: i32, marker: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
}

/// Waits for a child's end without reaping it; false at the deadline.
pub fn ends_within(child: &Child, deadline: Duration) -> Result<bool> {
    Process::open(child.id() as i32).and_then(|process| readable_within(process.fd.as_fd(), deadline))
}

/// Kills a child that leads its own process group, and the group.
pub fn kill_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        // It may have ended in between; it is reaped by the caller in any case.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Waits until there is something to read (or an end); false at the deadline.
pub fn readable_within(fd: BorrowedFd<'_>, deadline: Duration) -> Result<bool> {
    happens_within(fd, PollFlags::IN, deadline)
}

/// What nobody need ask for (POLLHUP, POLLERR) counts too.
fn happens_within(fd: BorrowedFd<'_>, wanted: PollFlags, deadline: Duration) -> Result<bool> {
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&fd, wanted)], Some(&timeout)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
    }
}
