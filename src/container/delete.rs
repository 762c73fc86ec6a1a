//! `delete`: ends what still runs, where that is asked for, and removes all that a container holds:
//! processes, cgroup, directory, the directory last.
//!
//! `--force` must leave nothing, whatever instant an earlier trug was killed at and however damaged
//! the state is. It never touches what the state (or cgroup.json) does not prove to be the container's.

use std::os::fd::AsFd;
use std::time::Duration;

use oci_spec::runtime::Hook;

use super::kill::{SIGKILL, thaw};
use super::state::{Phase, ProcessId, State, Status};
use super::store::{Container, ContainerId};
use super::{Globals, find, hooks};
use crate::cgroup::Manager;
use crate::fail;
use crate::linux::procfs::Proc;
use crate::linux::{Errno, pidfd};
use crate::report::{Code, Context, Result, log};

/// How long the end of a process or the emptying of a cgroup may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes a container that is stopped or only created; with `force` any, and none is fine then.
///
/// # Errors
/// `Code::NotFound`; `Code::WrongState`, `cannot delete container ID that is not stopped: running`;
/// what stands in the way of an end, by name.
pub fn delete(globals: &Globals, id: &ContainerId, force: bool) -> Result<()> {
    let deleted = find(globals, id).and_then(|container| match force {
        true => delete_by_force(container),
        false => delete_stopped(container),
    });
    match deleted {
        Err(error) if force && error.kind() == Code::NotFound => Ok(()),
        other => other,
    }
}

fn delete_stopped(mut container: Container) -> Result<()> {
    match container.load() {
        // Looked at without the lock first: whoever runs or creates it may hold that for long.
        Ok(state) => refuse_live(&container, &state)?,
        Err(error) if error.kind() == Code::NotFound => {
            if container.try_lock()? && nothing_is_left(&container) {
                container.discard()?;
            }
            return Err(error);
        }
        Err(error) => return Err(error.hint("delete --force cleans up by what else is known")),
    }
    container.lock()?;
    let state = container.load()?;
    refuse_live(&container, &state)?;
    destroy(container, &state, !state.own_pid_namespace)
}

fn refuse_live(container: &Container, state: &State) -> Result<()> {
    match container.status(state)? {
        Status::Stopped | Status::Created => Ok(()),
        status => {
            fail!(
                Code::WrongState,
                "cannot delete container {} that is not stopped: {status}",
                container.id()
            )
        }
    }
}

/// Whether a directory without a state is but the rest of a create or delete that was cut short.
fn nothing_is_left(container: &Container) -> bool {
    container.recorded_cgroup().is_none_or(|location| !Manager::new(location).exists())
}

fn delete_by_force(mut container: Container) -> Result<()> {
    if let Ok(state) = container.load() {
        end_creation(&state)?;
    }
    container.lock()?;
    match container.load() {
        Ok(state) => destroy(container, &state, true),
        Err(error) => {
            if error.kind() != Code::NotFound {
                log::warn(format!("{error}: poststop hooks are not run"));
            }
            destroy_by_record(container)
        }
    }
}

/// A create that is still at work holds the lock. Its death is that of the init it makes.
fn end_creation(state: &State) -> Result<()> {
    let proc = Proc::open().context("open /proc")?;
    if state.phase != Phase::Creating || !state.is_of_this_boot()? {
        return Ok(());
    }
    end_process(&proc, state.runtime, "the trug that creates the container")
}

/// Ends and removes all that the state names. `all` where init's death need not be the others'.
pub(super) fn destroy(container: Container, state: &State, all: bool) -> Result<()> {
    end_all(&container, state, all)?;
    hooks::poststop(&container, state)?;
    container.discard()
}

/// The same by who made it, and knows its hooks.
pub(super) fn destroy_own(container: Container, state: &State, poststop: &[Hook]) -> Result<()> {
    end_all(&container, state, true)?;
    hooks::run_poststop(poststop, &hooks::hook_state(state));
    container.discard()
}

fn end_all(container: &Container, state: &State, all: bool) -> Result<()> {
    let proc = Proc::open().context("open /proc")?;
    // After a reboot nothing is left, and another container can have the cgroup's path.
    if state.is_of_this_boot()? {
        let manager = Manager::new(state.cgroup.clone());
        if let Some(init) = state.init {
            end_init(&proc, init, &manager)?;
        }
        remove_cgroup(&manager, all)?;
    }
    remove_resctrl_group(container)
}

/// The same by cgroup.json alone.
fn destroy_by_record(container: Container) -> Result<()> {
    match container.recorded_cgroup() {
        Some(location) => remove_cgroup(&Manager::new(location), true)?,
        None => log::debug("no cgroup of this boot is on record"),
    }
    remove_resctrl_group(&container)?;
    container.discard()
}

fn end_init(proc: &Proc, init: ProcessId, manager: &Manager) -> Result<()> {
    let Some(held) = init.hold(proc).context("look for init")? else { return Ok(()) };
    kill_held(held.as_fd()).context("unable to signal init")?;
    thaw(manager)?;
    match pidfd::wait_exit(held.as_fd(), Some(PATIENCE)).context("wait for init")? {
        true => Ok(()),
        false => fail!(Code::System, "container init still running: process {}", init.pid),
    }
}

fn end_process(proc: &Proc, process: ProcessId, what: &str) -> Result<()> {
    let Some(held) = process.hold(proc).with_context(|| format!("look for {what}"))? else { return Ok(()) };
    kill_held(held.as_fd()).with_context(|| format!("kill {what}"))?;
    match pidfd::wait_exit(held.as_fd(), Some(PATIENCE)).with_context(|| format!("wait for {what}"))? {
        true => Ok(()),
        false => fail!(Code::System, "{what} still running: process {}", process.pid),
    }
}

fn kill_held(process: std::os::fd::BorrowedFd) -> crate::linux::Result<()> {
    match pidfd::send_signal(process, SIGKILL) {
        Err(Errno::ESRCH) => Ok(()),
        other => other,
    }
}

fn remove_cgroup(manager: &Manager, kill: bool) -> Result<()> {
    const REMOVING: &str = "unable to destroy container: unable to remove container's cgroup";
    if manager.remove_empty().context(REMOVING)? {
        return Ok(());
    }
    if kill && manager.exists() && !manager.pids().context(REMOVING)?.is_empty() {
        manager.signal_all(SIGKILL).context(REMOVING)?;
    }
    manager.remove(PATIENCE).context(REMOVING)
}

fn remove_resctrl_group(container: &Container) -> Result<()> {
    match container.recorded_resctrl()? {
        Some(group) => group.remove().context("unable to destroy container"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
