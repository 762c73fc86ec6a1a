//! `pause` and `resume`: the freezer of the container's cgroup. Its files remember, we do not.

use std::time::Duration;

use nix::errno::Errno;

use super::state::Status;
use super::store::ContainerId;
use super::{Globals, Held, hold};
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
    let held = hold(globals, id)?;
    match held.status {
        Status::Created | Status::Running => manager(&held).freeze(PATIENCE).map_err(explain),
        _ => fail!(Code::WrongState, "container not running"),
    }
}

/// Lets every process go on.
///
/// # Errors
/// `Code::WrongState` where the container is not paused.
pub fn resume(globals: &Globals, id: &ContainerId) -> Result<()> {
    let held = hold(globals, id)?;
    match held.status {
        Status::Paused => manager(&held).thaw(PATIENCE).map_err(explain),
        _ => fail!(Code::WrongState, "container not paused"),
    }
}

fn manager(held: &Held) -> Manager {
    Manager::new(held.state.cgroup.clone())
}

fn explain(error: Error) -> Error {
    match error.errno() {
        Some(Errno::EACCES | Errno::EPERM) => {
            error.hint("it takes full access to the container's cgroup: delegate it, or be root")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::state::{Phase, State};
    use crate::container::testing::{Place, Sleeper, id, state};

    #[test]
    fn only_what_runs_is_paused_and_only_what_is_paused_goes_on() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&state("stopped"));
        place.container(&State { init: Some(sleeper.identity()), ..state("running") });
        let creating = State { phase: Phase::Creating, runtime: sleeper.identity(), ..state("creating") };
        let mut maker = place.container(&creating);
        maker.lock().unwrap();
        let cases = [
            (pause(&place.globals(), &id("stopped")), "container not running"),
            (pause(&place.globals(), &id("creating")), "container not running"),
            (resume(&place.globals(), &id("creating")), "container not paused"),
            (resume(&place.globals(), &id("stopped")), "container not paused"),
            (resume(&place.globals(), &id("running")), "container not paused"),
            (pause(&place.globals(), &id("none")), "container does not exist"),
            (resume(&place.globals(), &id("none")), "container does not exist"),
        ];
        for (result, expected) in cases {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_container_without_a_cgroup_cannot_be_paused() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&State { init: Some(sleeper.identity()), ..state("a") });
        assert!(pause(&place.globals(), &id("a")).is_err());
        assert!(sleeper.is_alive());
    }
}
