//! Signals to every process of a container.
//!
//! A pid from cgroup.procs may be another process's by the time it is used. So a process is opened first, and
//! signalled only if its pid is listed again after that: then it is the listed one, or it is dead and the
//! signal hits nobody.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::SIGKILL;
use nix::unistd::Pid;

use super::directory::is_gone;
use super::freeze;
use super::hierarchy::{Hierarchy, primary, sole_unified, unified};
use super::procs::Processes;
use crate::fail;
use crate::linux::pidfd;
use crate::report::{Code, Context, Result, log};

/// Freezing is only to catch all forks at once; who cannot be frozen is signalled all the same.
const FREEZE_DEADLINE: Duration = Duration::from_secs(2);

/// Processes opened at a time: well below the usual limit of 1024 descriptors.
const BATCH: usize = 256;

/// Rounds of looking for new processes. A process with SIGKILL pending cannot fork (kernel/fork.c:
/// copy_process), so each round leaves only what forked before its parent was hit; this many are a fork bomb
/// on a host without freezer.
const ROUNDS: usize = 1000;

/// Sends `signal` to every process of the container.
///
/// # Errors
/// What the kernel answers to a signal (not: that a process is gone), and a container that forks faster than
/// it dies.
pub fn signal_all(hierarchies: &[Hierarchy], signal: i32) -> Result<()> {
    match signal {
        SIGKILL => kill(hierarchies),
        _ => signal_each(hierarchies, signal),
    }
}

fn signal_each(hierarchies: &[Hierarchy], signal: i32) -> Result<()> {
    let was_frozen = freeze::is_frozen(hierarchies)?;
    let held = !was_frozen && hold(hierarchies);
    let sent = primary(hierarchies).map_or(Ok(()), |hierarchy| {
        let processes = Processes::in_hierarchy(hierarchy)?;
        send(hierarchy, &processes.pids, signal)
    });
    let thawed = if held { freeze::thaw(hierarchies) } else { Ok(()) };
    sent.and(thawed)
}

fn kill(hierarchies: &[Hierarchy]) -> Result<()> {
    let killed_as_one = match unified(hierarchies) {
        Some(hierarchy) => kill_as_one(hierarchy)?,
        None => false,
    };
    if killed_as_one && sole_unified(hierarchies).is_some() {
        return Ok(());
    }
    if !killed_as_one {
        hold(hierarchies);
    }
    let swept = hierarchies.iter().try_for_each(sweep);
    // On v1 a frozen process dies only once it is thawed.
    let released = freeze::thaw_all(hierarchies);
    swept.and(released)
}

/// `cgroup.kill` (Linux 5.14): all at once, forks in flight and frozen ones too. False where it does not
/// serve: a threaded cgroup, or one that is not there.
fn kill_as_one(hierarchy: &Hierarchy) -> Result<bool> {
    let Some(directory) = hierarchy.directory()? else { return Ok(false) };
    match directory.write("cgroup.kill", "1") {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP) => Ok(false),
        Err(errno) if is_gone(errno) => Ok(false),
        Err(errno) => {
            Err(errno).with_context(|| format!("kill cgroup {:?}", directory.path())).code(Code::Cgroup)
        }
    }
}

/// Kills what is listed until nobody new is.
fn sweep(hierarchy: &Hierarchy) -> Result<()> {
    let mut seen = BTreeSet::new();
    for _ in 0..ROUNDS {
        let listed = Processes::in_hierarchy(hierarchy)?.pids;
        let new: BTreeSet<i32> = listed.difference(&seen).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        send(hierarchy, &new, SIGKILL)?;
        seen.extend(new);
    }
    fail!(Code::Cgroup, "processes of cgroup {:?} fork faster than they can be killed", hierarchy.path());
}

fn send(hierarchy: &Hierarchy, pids: &BTreeSet<i32>, signal: i32) -> Result<()> {
    let pids: Vec<i32> = pids.iter().copied().collect();
    for batch in pids.chunks(BATCH) {
        let mut opened = Vec::with_capacity(batch.len());
        for pid in batch {
            match pidfd::open(Pid::from_raw(*pid)) {
                Ok(process) => opened.push((*pid, process)),
                Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno).with_context(|| format!("open process {pid}")),
            }
        }
        let listed = Processes::in_hierarchy(hierarchy)?.pids;
        for (pid, process) in opened.iter().filter(|(pid, _)| listed.contains(pid)) {
            match pidfd::send_signal(process.as_fd(), signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => {
                    return Err(errno).with_context(|| format!("send signal {signal} to process {pid}"));
                }
            }
        }
    }
    Ok(())
}

/// False where it cannot be frozen; then it runs.
fn hold(hierarchies: &[Hierarchy]) -> bool {
    let frozen = freeze::freeze(hierarchies, FREEZE_DEADLINE);
    if let Err(error) = &frozen {
        log::debug(format!("signalling a container that is not frozen: {error}"));
    }
    frozen.is_ok()
}
