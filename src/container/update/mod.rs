//! `update`: other limits for a container that runs. Whole or not at all, and on record for the next.
//!
//! Never touches device rules: an update that says nothing of them must not widen them, and callers that do
//! say something repeat the config's.

pub mod merge;

use std::fs::File;
use std::path::PathBuf;

use oci_spec::runtime::LinuxResources;

use super::intel_rdt::Group;
use super::limits::Limits;
use super::state::{State, Status};
use super::store::{Container, ContainerId};
use super::{Globals, Held, hold};
use crate::bundle::resources;
use crate::cgroup::Manager;
use crate::fail;
use crate::linux::procfs::Proc;
use crate::linux::resctrl::Resctrl;
use crate::report::{Code, Context, Result, log};

/// What is to change.
pub enum Change {
    /// In a file.
    File(PathBuf),
    /// On standard input.
    Stdin,
    /// This.
    Given(Box<LinuxResources>),
}

/// Schemata of Intel RDT that were asked for.
#[derive(Debug, Default)]
pub struct Schemata {
    pub cache: Option<String>,
    pub bandwidth: Option<String>,
}

/// Sets the limits that are given; all others stay.
///
/// # Errors
/// `Code::WrongState`, `container not running`; and what the kernel refuses, by field. All limits are what
/// they were then.
pub fn update(globals: &Globals, id: &ContainerId, change: Change, schemata: Schemata) -> Result<()> {
    // Standard input can take long: no lock is held meanwhile.
    super::find(globals, id)?;
    let change = merge::tidy(read(change)?);
    let held = hold(globals, id)?;
    match held.status {
        Status::Created | Status::Running | Status::Paused => apply(&held, &change, &schemata),
        Status::Creating | Status::Stopped => fail!(Code::WrongState, "container not running"),
    }
}

fn apply(held: &Held, change: &LinuxResources, schemata: &Schemata) -> Result<()> {
    let groups = regroup(&held.container, schemata)?;
    let in_force = &held.state.resources.read()?;
    let merged = merge::merged(in_force, change)?;
    let wanted = merge::with_partners(change, &merged);
    let before = merge::same_fields(in_force, &wanted)?;
    let state = State { resources: Limits::of(&merged)?, ..held.state.clone() };
    let manager = Manager::new(held.state.cgroup.clone());
    manager.update(&wanted, &before, || match &groups {
        None => held.container.save(&state),
        Some((before, after)) => {
            let kept = after
                .set()
                .and_then(|()| held.container.record_resctrl(after))
                .and_then(|()| held.container.save(&state));
            kept.map_err(|error| error.and(before.set().and_then(|()| held.container.record_resctrl(before))))
        }
    })
}

/// The container's resctrl group as it is, and as it is to be; None where nothing is asked for.
fn regroup(container: &Container, schemata: &Schemata) -> Result<Option<(Group, Group)>> {
    let (cache, bandwidth) = (schemata.cache.as_deref(), schemata.bandwidth.as_deref());
    if cache.is_none() && bandwidth.is_none() {
        return Ok(None);
    }
    let proc = Proc::open().context("open /proc")?;
    let resctrl = Resctrl::find(&proc).context("look for the resctrl filesystem")?;
    let has = |resource: &str| resctrl.as_ref().is_some_and(|resctrl| resctrl.has(resource));
    if cache.is_some() && !has("L3") {
        fail!(Code::Unsupported, "Intel RDT/CAT: l3 cache schema is not enabled");
    }
    if bandwidth.is_some() && !has("MB") {
        fail!(Code::Unsupported, "Intel RDT/MBA: memory bandwidth schema is not enabled");
    }
    match container.recorded_resctrl()? {
        Some(group) => Ok(Some((group.clone(), group.with(cache, bandwidth)))),
        None => {
            fail!(Code::Unsupported, "updating a non-existent Intel RDT configuration is not supported")
        }
    }
}

fn read(change: Change) -> Result<LinuxResources> {
    let resources = match change {
        Change::Given(resources) => *resources,
        Change::Stdin => resources::read(std::io::stdin().lock())?,
        Change::File(path) => {
            let file = File::open(&path).with_context(|| format!("open {path:?}")).code(Code::Bundle)?;
            resources::read(file)?
        }
    };
    let memory = resources.memory().as_ref();
    #[allow(deprecated, reason = "said to be obsolete")]
    if memory.is_some_and(|memory| memory.kernel().is_some() || memory.kernel_tcp().is_some()) {
        log::warn("Kernel memory settings are ignored and will be removed");
    }
    Ok(resources)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::container::state::{Phase, State};
    use crate::container::testing::{Place, Sleeper, id, state};

    fn change(json: serde_json::Value) -> Change {
        Change::Given(Box::new(serde_json::from_value(json).unwrap()))
    }

    #[test]
    fn only_what_runs_is_updated() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&state("stopped"));
        place.container(&State { phase: Phase::Creating, runtime: sleeper.identity(), ..state("creating") });
        for (name, expected) in [
            ("stopped", "container not running"),
            ("creating", "container not running"),
            ("none", "container does not exist"),
        ] {
            let outcome = update(&place.globals(), &id(name), change(json!({})), Schemata::default());
            assert_eq!(outcome.unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn what_was_set_is_on_record_for_the_next_and_devices_stay() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        let first =
            json!({"memory": {"limit": 5, "swap": 9}, "devices": [{"allow": false, "access": "rwm"}]});
        let running = State {
            init: Some(sleeper.identity()),
            resources: serde_json::from_value(first).unwrap(),
            ..state("a")
        };
        let container = place.container(&running);
        let more = json!({"memory": {"limit": 7}, "pids": {"limit": 3},
                          "devices": [{"allow": true, "access": "rwm"}]});
        update(&place.globals(), &id("a"), change(more), Schemata::default()).unwrap();
        let found = serde_json::to_value(container.load().unwrap().resources).unwrap();
        let expected = json!({"memory": {"limit": 7, "swap": 9}, "pids": {"limit": 3},
                              "devices": [{"allow": false, "access": "rwm"}]});
        assert_eq!(found, expected);
    }

    #[test]
    fn schemata_are_refused_where_there_is_no_group_to_change() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&State { init: Some(sleeper.identity()), ..state("a") });
        for schemata in [
            Schemata { cache: Some("L3:0=f".to_owned()), ..Schemata::default() },
            Schemata { bandwidth: Some("MB:0=20".to_owned()), ..Schemata::default() },
        ] {
            let error = update(&place.globals(), &id("a"), change(json!({})), schemata).unwrap_err();
            assert!(error.to_string().contains("Intel RDT"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&State { init: Some(sleeper.identity()), ..state("a") });
        let file = Change::File("/nowhere/limits.json".into());
        let error = update(&place.globals(), &id("a"), file, Schemata::default()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/limits.json") && error.contains("no such file"), "{error}");
    }
}
