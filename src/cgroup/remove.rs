//! Removing a container's cgroups, once their processes are gone.
//!
//! Who is to die has been killed by then; here it is only waited for, by event: `cgroup.events` of a unified
//! tree, and on v1, which has no event, the ends of the processes themselves, by pidfd.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::directory::is_gone;
use super::events;
use super::hierarchy::{Hierarchy, unified};
use super::procs::Processes;
use super::tree;
use crate::linux::pidfd;
use crate::report::{Code, Context, Error, Result};

/// Removes the container's directory and all below it from every hierarchy. One that is not there is fine.
///
/// # Errors
/// The first hierarchy in which processes are left at the deadline, with their pids, names and states; the
/// others are removed all the same.
pub fn remove(hierarchies: &[Hierarchy], deadline: Duration) -> Result<()> {
    let end = events::end_of(deadline);
    let results: Vec<Result<()>> = hierarchies
        .iter()
        .map(|hierarchy| remove_one(hierarchy, unified(hierarchies), end, deadline))
        .collect();
    results.into_iter().collect()
}

/// Removes the directories in which there is nothing, no process and no cgroup; false where one is left. To try is
/// faster than to ask first, and says no more than asking would.
pub fn remove_empty(hierarchies: &[Hierarchy]) -> Result<bool> {
    let mut all = true;
    for hierarchy in hierarchies {
        let Some((parent, name)) = hierarchy.parent()? else { continue };
        all &= parent.remove(name).is_ok() || hierarchy.directory()?.is_none();
    }
    Ok(all)
}

fn remove_one(
    hierarchy: &Hierarchy,
    unified: Option<&Hierarchy>,
    end: Instant,
    deadline: Duration,
) -> Result<()> {
    loop {
        if try_remove(hierarchy)? {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(stuck(hierarchy, deadline));
        }
        if let Some(unified) = unified {
            wait_for_event(unified, end)?;
        }
        if !hierarchy.is_unified() {
            wait_for_ends(hierarchy, end)?;
        }
    }
}

/// False while there are processes.
fn try_remove(hierarchy: &Hierarchy) -> Result<bool> {
    let Some((parent, name)) = hierarchy.parent()? else { return Ok(true) };
    let removed = parent.remove(name).or_else(|errno| match errno {
        Errno::EBUSY | Errno::ENOTEMPTY => {
            let directory = parent.open(name.as_ref())?;
            tree::remove_below(&directory)?;
            parent.remove(name)
        }
        errno => Err(errno),
    });
    match removed {
        Ok(()) => Ok(true),
        Err(Errno::EBUSY) => Ok(false),
        Err(errno) if is_gone(errno) => Ok(true),
        // Says so even where there is nothing to remove.
        Err(Errno::EROFS) if hierarchy.directory()?.is_none() => Ok(true),
        Err(errno) => Err(Error::from(errno)
            .context(format!("remove cgroup {:?}", hierarchy.path()))
            .code(Code::Cgroup)),
    }
}

fn wait_for_event(unified: &Hierarchy, end: Instant) -> Result<()> {
    let Some(directory) = unified.directory()? else { return Ok(()) };
    let what = || format!("wait for cgroup {:?} to become empty", directory.path());
    events::wait(&directory, "populated", 0, end).with_context(what).code(Code::Cgroup).map(drop)
}

fn wait_for_ends(hierarchy: &Hierarchy, end: Instant) -> Result<()> {
    let processes = Processes::in_hierarchy(hierarchy)?;
    if processes.pids.is_empty() {
        // The last process is dead, but its exit has not come to leaving the cgroup; nothing tells when it
        // has.
        std::thread::yield_now();
    }
    for pid in processes.pids {
        let process = match pidfd::open(Pid::from_raw(pid)) {
            Err(Errno::ESRCH) => continue,
            opened => opened.with_context(|| format!("open process {pid}"))?,
        };
        let left = end.saturating_duration_since(Instant::now());
        if !pidfd::wait_exit(process.as_fd(), Some(left))
            .with_context(|| format!("wait for process {pid}"))?
        {
            return Ok(());
        }
    }
    Ok(())
}

fn stuck(hierarchy: &Hierarchy, deadline: Duration) -> Error {
    let holding = match Processes::in_hierarchy(hierarchy) {
        Ok(processes) if processes.count() > 0 => processes.describe(),
        _ => "no process is listed".to_owned(),
    };
    Error::new(Code::Cgroup, format!("still in use after {} ms: {holding}", deadline.as_millis()))
        .context(format!("remove cgroup {:?}", hierarchy.path()))
        .hint("a process in state D ends when the device or server that it waits for answers; try again then")
}
