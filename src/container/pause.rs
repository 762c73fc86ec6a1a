//! `pause` and `resume`: the freezer of the container's cgroup. Its files remember, we do not.

use std::time::Duration;

use nix::errno::Errno;

use super::state::Status;
use super::store::{Container, ContainerId};
use super::{Globals, find};
use crate::cgroup::Manager;
use crate::fail;
use crate::report::{Code, Error, Result};

/// How long the last process may take to stop or go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// Suspends every process.
///
/// # Errors
/// `Code::WrongState` where the container is not created or running (or paused already).
pub fn pause(globals: &Globals, id: &ContainerId) -> Result<()> {
    let (status, manager, _locked) = lock(globals, id)?;
    match status {
        Status::Created | Status::Running => manager.freeze(PATIENCE).map_err(explain),
        _ => fail!(Code::WrongState, "container not running"),
    }
}

/// Lets every process go on.
///
/// # Errors
/// `Code::WrongState` where the container is not paused.
pub fn resume(globals: &Globals, id: &ContainerId) -> Result<()> {
    let (status, manager, _locked) = lock(globals, id)?;
    match status {
        Status::Paused => manager.thaw(PATIENCE).map_err(explain),
        _ => fail!(Code::WrongState, "container not paused"),
    }
}

/// The container is held locked, so that its status stays what it is.
fn lock(globals: &Globals, id: &ContainerId) -> Result<(Status, Manager, Container)> {
    let mut container = find(globals, id)?;
    container.lock()?;
    let state = container.load()?;
    Ok((container.status(&state)?, Manager::new(state.cgroup), container))
}

fn explain(error: Error) -> Error {
    match error.errno() {
        Some(Errno::EACCES | Errno::EPERM) => {
            error.hint("it takes full access to the container's cgroup: delegate it, or be root")
        }
        _ => error,
    }
}
