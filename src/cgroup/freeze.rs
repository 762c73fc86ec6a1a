//! Freezing and thawing. Whatever goes wrong on the way to frozen, the container is thawed again: a
//! half-frozen one hangs.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::directory::{Directory, is_gone};
use super::events;
use super::hierarchy::{Hierarchy, Mounts, key_has, unified};
use super::location::Location;
use super::procs::Processes;
use super::tree;
use crate::fail;
use crate::linux::pidfd;
use crate::report::{Code, Context, Error, Result, log};

const V1_STATE: &str = "freezer.state";
const V2_STATE: &str = "cgroup.freeze";

/// Rounds in which a container without a stuck task is frozen.
const QUICK_ROUNDS: u32 = 256;
/// Processes waited for at a time: well below the usual limit of 1024 descriptors.
const WAITED_FOR: usize = 64;

/// Freezes every process of the container and of its sub-cgroups.
///
/// # Errors
/// There is no freezer, or not everything is frozen by the deadline (a process in an uninterruptible wait):
/// the error names the processes, and the container is thawed.
pub fn freeze(hierarchies: &[Hierarchy], deadline: Duration) -> Result<()> {
    let freezer = freezer(hierarchies)?;
    let directory = freezer.existing()?;
    let end = events::end_of(deadline);
    let frozen = match freezer.is_unified() {
        true => freeze_v2(&directory, end),
        false => freeze_v1(&directory, end),
    };
    let failed = match frozen {
        Ok(true) => return Ok(()),
        Ok(false) => {
            let holding = Processes::of(&directory).unwrap_or_default().describe();
            let text = format!("not all is frozen after {} ms: {holding}", deadline.as_millis());
            Error::new(Code::Cgroup, text)
        }
        Err(error) => error,
    };
    if let Err(error) = thaw_one(freezer, &directory) {
        log::warn(format!("cannot thaw a container that could not be frozen: {error}"));
    }
    Err(failed.context(format!("freeze cgroup {:?}", directory.path())))
}

/// Lets everything run again. Nothing to wait for: the write itself wakes the tasks, in both kinds of tree. A
/// container in a frozen ancestor runs when that does.
pub fn thaw(hierarchies: &[Hierarchy]) -> Result<()> {
    freezer(hierarchies)?;
    for hierarchy in freezers(hierarchies) {
        if let Some(directory) = hierarchy.directory()? {
            thaw_one(hierarchy, &directory)?;
        }
    }
    Ok(())
}

/// The same for each cgroup below too: what a runtime inside the container has frozen on v1 does not even
/// die.
pub fn thaw_all(hierarchies: &[Hierarchy]) -> Result<()> {
    for hierarchy in freezers(hierarchies) {
        let Some(directory) = hierarchy.directory()? else { continue };
        let (file, value) = running(hierarchy);
        let what = || format!("thaw cgroup {:?} and those below", directory.path());
        match tree::visit(&directory, &mut |directory| directory.write(file, value)) {
            Err(errno) if is_gone(errno) => {}
            thawed => thawed.with_context(what).code(Code::Cgroup)?,
        }
    }
    Ok(())
}

/// Whether the container itself has been told to freeze, in either kind of tree. One that runs in a frozen
/// ancestor has not.
pub fn is_frozen(hierarchies: &[Hierarchy]) -> Result<bool> {
    for hierarchy in freezers(hierarchies) {
        let file = if hierarchy.is_unified() { V2_STATE } else { "freezer.self_freezing" };
        match hierarchy.read_line(file) {
            Ok(state) if state == "1" => return Ok(true),
            Ok(_) => {}
            Err(errno) if is_gone(errno) => {}
            Err(errno) => {
                let what = format!("read {:?}", hierarchy.path().join(file));
                return Err(Error::from(errno).context(what).code(Code::Cgroup));
            }
        }
    }
    Ok(false)
}

/// Whether the container is paused: the same by the one freezer that it is frozen with, of a container of which nothing
/// else is asked. (Not by the v2 tree beside v1's freezer: as with runc, and a look is a quarter of what `list` takes.)
pub fn is_paused(location: &Location, mounts: &Mounts) -> Result<bool> {
    let can_freeze = |key: &str| key.is_empty() || key_has(key, "freezer");
    let hierarchies = Hierarchy::open_some(location, mounts, can_freeze)?;
    find_freezer(&hierarchies).map_or(Ok(false), |freezer| is_frozen(std::slice::from_ref(freezer)))
}

/// The directory to freeze by, if it is there.
pub fn directory(hierarchies: &[Hierarchy]) -> Result<Option<PathBuf>> {
    match find_freezer(hierarchies) {
        Some(freezer) => Ok(freezer.directory()?.map(|_| freezer.path())),
        None => Ok(None),
    }
}

/// The one to freeze with: the v1 controller where it is mounted, since others look there first.
fn find_freezer(hierarchies: &[Hierarchy]) -> Option<&Hierarchy> {
    hierarchies.iter().find(|hierarchy| hierarchy.has("freezer")).or_else(|| unified(hierarchies))
}

fn freezer(hierarchies: &[Hierarchy]) -> Result<&Hierarchy> {
    find_freezer(hierarchies).ok_or_else(|| {
        Error::new(Code::Cgroup, "cannot toggle freezer: cgroups not configured for container")
    })
}

/// All that can keep the container frozen.
fn freezers(hierarchies: &[Hierarchy]) -> impl Iterator<Item = &Hierarchy> {
    hierarchies.iter().filter(|hierarchy| hierarchy.is_unified() || hierarchy.has("freezer"))
}

fn thaw_one(hierarchy: &Hierarchy, directory: &Directory) -> Result<()> {
    let (file, value) = running(hierarchy);
    write(directory, file, value)
}

/// What makes a cgroup run.
fn running(hierarchy: &Hierarchy) -> (&'static str, &'static str) {
    match hierarchy.is_unified() {
        true => (V2_STATE, "0"),
        false => (V1_STATE, "THAWED"),
    }
}

fn freeze_v2(directory: &Directory, end: Instant) -> Result<bool> {
    write(directory, V2_STATE, "1")?;
    events::wait(directory, "frozen", 1, end).context("wait for cgroup.events").code(Code::Cgroup)
}

/// v1 has no event for "frozen": the kernel finds out only when the state is read, and says FREEZING while a
/// task has not come to the refrigerator yet. Asking again also asks those again that forked meanwhile. So
/// this asks and reads, and ends at the deadline. It is microseconds unless a task is stuck in the kernel: so
/// first the CPU is given away to who has to come, and then longer and longer, to leave it to others.
fn freeze_v1(directory: &Directory, end: Instant) -> Result<bool> {
    for round in 0.. {
        write(directory, V1_STATE, "FROZEN")?;
        let state = directory.read(V1_STATE).context("read freezer.state").code(Code::Cgroup)?;
        match state.trim() {
            "FROZEN" => return Ok(true),
            "FREEZING" if Instant::now() >= end => return Ok(false),
            "FREEZING" if round < QUICK_ROUNDS => std::thread::yield_now(),
            "FREEZING" => wait_for_an_end(directory, backoff(round))?,
            other => fail!(Code::Cgroup, "unexpected state {other} while freezing"),
        }
    }
    Ok(false)
}

/// 1, 2, 4 … and at last 64 ms.
fn backoff(round: u32) -> PollTimeout {
    PollTimeout::from(1_u8 << round.saturating_sub(QUICK_ROUNDS).min(6))
}

/// Waits for one of the processes to end, which is the one event that can bring a stuck freeze further; no
/// longer than `time`.
fn wait_for_an_end(directory: &Directory, time: PollTimeout) -> Result<()> {
    let pids = Processes::of(directory).context("read who is to be frozen")?.pids;
    let opened: Vec<OwnedFd> =
        pids.into_iter().take(WAITED_FOR).filter_map(|pid| pidfd::open(Pid::from_raw(pid)).ok()).collect();
    let mut polled: Vec<PollFd> =
        opened.iter().map(|process| PollFd::new(process.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut polled, time) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).context("wait for who is to be frozen"),
    }
}

fn write(directory: &Directory, file: &str, value: &str) -> Result<()> {
    let what = || format!("write {value:?} to {:?}", directory.path().join(file));
    directory.write(file, value).with_context(what).code(Code::Cgroup)
}
