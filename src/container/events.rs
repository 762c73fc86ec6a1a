//! `events`: what a container uses, now or again and again, and that it ran out of memory.
//!
//! Takes no lock and changes nothing. Between two statistics it waits for what happens: memory running out,
//! and init's end, which is the end of it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use serde::Serialize;

use super::state::Status;
use super::store::ContainerId;
use super::{Globals, find, intel_rdt};
use crate::cgroup::stats::Stats;
use crate::cgroup::{Manager, Oom, OomWatch};
use crate::fail;
use crate::linux::procfs::Proc;
use crate::linux::{Errno, pidfd};
use crate::report::{Code, Context, Result, log};

/// One line of output, as callers of runc decode it.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Stats,
    Oom,
}

#[derive(Debug, Serialize)]
struct Data {
    #[serde(flatten)]
    cgroup: Stats,
    intel_rdt: intel_rdt::stats::Stats,
    /// runc counts only on interfaces that it has made itself, which it no longer does.
    network_interfaces: (),
}

/// The statistics of this moment.
///
/// # Errors
/// `Code::WrongState`, `container with id … is not running`.
pub fn stats(globals: &Globals, id: &ContainerId, tell: impl FnOnce(&Event) -> Result<()>) -> Result<()> {
    let observed = Observed::open(globals, id)?;
    tell(&observed.stats()?)
}

/// Tells of each `interval`'s statistics, and of memory running out, until the container has ended.
///
/// # Errors
/// As `stats`, and what `tell` fails with.
pub fn watch(
    globals: &Globals,
    id: &ContainerId,
    interval: Duration,
    mut tell: impl FnMut(&Event) -> Result<()>,
) -> Result<()> {
    let observed = Observed::open(globals, id)?;
    let mut memory = observed.manager.watch_oom()?;
    if memory.is_none() {
        log::warn("nobody tells of memory running out: the container has no memory controller");
    }
    let mut due = Instant::now().checked_add(interval);
    loop {
        let woken = observed.wait(memory.as_ref(), due)?;
        // Also at the end: what ended it may have been this.
        if woken.memory || woken.ended {
            match memory.as_mut().map(OomWatch::look).transpose()? {
                Some(Oom::Happened) => tell(&observed.event(Kind::Oom, None))?,
                Some(Oom::Over) => memory = None,
                Some(Oom::Nothing) | None => {}
            }
        }
        if woken.ended {
            return Ok(());
        }
        if due.is_some_and(|due| Instant::now() >= due) {
            due = next(due, interval);
            observed.tell_stats(&mut tell)?;
        }
    }
}

/// The first of the due times that is still to come: those that were missed are left out.
fn next(due: Option<Instant>, interval: Duration) -> Option<Instant> {
    let now = Instant::now();
    let next = due?.checked_add(interval)?;
    if next > now { Some(next) } else { now.checked_add(interval) }
}

/// A container that ran when we looked.
struct Observed {
    id: String,
    manager: Manager,
    resctrl: Option<intel_rdt::Group>,
    init: OwnedFd,
}

/// Why a wait is over; where nothing is, time is.
struct Woken {
    ended: bool,
    memory: bool,
}

impl Observed {
    fn open(globals: &Globals, id: &ContainerId) -> Result<Self> {
        let container = find(globals, id)?;
        let state = container.load()?;
        let proc = Proc::open().context("open /proc")?;
        let init = match (container.status(&state)?, state.init) {
            (Status::Stopped, _) | (_, None) => None,
            (_, Some(init)) => init.hold(&proc).context("look for init")?,
        };
        let Some(init) = init else {
            fail!(Code::WrongState, "container with id {} is not running", id.as_str());
        };
        let resctrl = container.recorded_resctrl()?;
        Ok(Self { id: state.id, manager: Manager::new(state.cgroup), resctrl, init })
    }

    fn event(&self, kind: Kind, data: Option<Data>) -> Event<'_> {
        Event { kind, id: &self.id, data }
    }

    fn stats(&self) -> Result<Event<'_>> {
        let cgroup = self.manager.stats().context("unable to get container cgroup stats")?;
        let intel_rdt = self.resctrl.as_ref().map(intel_rdt::stats::of).transpose();
        let intel_rdt = intel_rdt.context("unable to get container Intel RDT stats")?.unwrap_or_default();
        let data = Data { cgroup, intel_rdt, network_interfaces: () };
        Ok(self.event(Kind::Stats, Some(data)))
    }

    /// One failure is not the end: the next may succeed. Numbers of a cgroup that went meanwhile are none.
    fn tell_stats(&self, tell: &mut impl FnMut(&Event) -> Result<()>) -> Result<()> {
        let stats = self.stats();
        if pidfd::has_ended(self.init.as_fd()).context("look at init")? {
            return Ok(());
        }
        match stats {
            Ok(stats) => tell(&stats),
            Err(error) => {
                log::warn(error);
                Ok(())
            }
        }
    }

    fn wait(&self, memory: Option<&OomWatch>, due: Option<Instant>) -> Result<Woken> {
        let mut polled = vec![PollFd::new(self.init.as_fd(), PollFlags::POLLIN)];
        polled.extend(memory.map(OomWatch::interest));
        let left = due.map(|due| TimeSpec::from_duration(due.saturating_duration_since(Instant::now())));
        match ppoll(&mut polled, left, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("wait for events"),
        }
        let happened = |index: usize| polled.get(index).is_some_and(|fd| fd.any().unwrap_or(false));
        Ok(Woken { ended: happened(0), memory: happened(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::state::{Phase, State};
    use crate::container::testing::{Place, Sleeper, id, state};

    #[test]
    fn what_does_not_run_has_no_events() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&state("stopped"));
        let creating = State { phase: Phase::Creating, runtime: sleeper.identity(), ..state("creating") };
        place.container(&creating);
        for (name, expected) in [
            ("stopped", "container with id stopped is not running"),
            ("creating", "container with id creating is not running"),
            ("none", "container does not exist"),
        ] {
            let told = |_: &Event| panic!("told something");
            let error = stats(&place.globals(), &id(name), told).unwrap_err();
            assert_eq!(error.to_string(), expected);
            let error = watch(&place.globals(), &id(name), Duration::from_secs(1), told).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn lines_have_runcs_form() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&State { init: Some(sleeper.identity()), ..state("a") });
        stats(&place.globals(), &id("a"), |event| {
            let text = serde_json::to_string(event).unwrap();
            assert!(text.starts_with(r#"{"type":"stats","id":"a","data":{"cpu":{},"cpuset":{"#), "{text}");
            assert!(text.ends_with(r#""hugetlb":{},"intel_rdt":{},"network_interfaces":null}}"#), "{text}");
            Ok(())
        })
        .unwrap();
        let oom = Event { kind: Kind::Oom, id: "a", data: None };
        assert_eq!(serde_json::to_string(&oom).unwrap(), r#"{"type":"oom","id":"a"}"#);
    }

    #[test]
    fn statistics_come_again_and_again_until_the_container_ends() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&State { init: Some(sleeper.identity()), ..state("a") });
        let mut count = 0;
        watch(&place.globals(), &id("a"), Duration::from_millis(1), |_| {
            count += 1;
            if count == 3 {
                nix::sys::signal::kill(sleeper.pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
                sleeper.wait_for_end();
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(count, 3);
    }

    #[test]
    fn missed_times_are_left_out() {
        let interval = Duration::from_millis(10);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        assert!(next(Some(long_ago), interval).unwrap() > Instant::now());
        let ahead = Instant::now() + Duration::from_secs(1);
        assert_eq!(next(Some(ahead), interval), Some(ahead + interval));
        assert_eq!(next(Some(ahead), Duration::MAX), None);
    }
}
