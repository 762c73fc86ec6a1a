//! cgroups v1, v2 and hybrid behind one type. Knows paths, limits, freezing, killing and removal; not
//! containers.
//!
//! Must never touch what is outside the container's own directories, but for making their parents, and never
//! wait without a deadline.

mod create;
mod directory;
mod events;
mod freeze;
mod hierarchy;
mod kill;
mod limits;
mod location;
mod oom;
mod place;
mod policy;
mod procs;
mod remove;
mod rollback;
mod shared;
pub mod stats;
mod subgroup;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod v1;
mod v2;
mod write;

use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

use self::hierarchy::{Hierarchy, primary, unified};
pub use self::location::{Driver, Location};
pub use self::oom::{Oom, OomWatch};
use self::procs::Processes;
use self::rollback::Former;
use self::stats::Stats;
use self::write::{Current, keyed_number};
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::procfs::Proc;
use crate::report::Result;

/// A container's cgroup. With the driver `Disabled` it has no directories, and every call is content with
/// that.
pub struct Manager {
    location: Location,
    hierarchies: OnceCell<Vec<Hierarchy>>,
}

impl Manager {
    /// Where the cgroup of container `id` goes by `cgroupsPath`; makes nothing.
    ///
    /// # Errors
    /// A path that names the top of the hierarchies, a caller whose own cgroup is out of sight (for a
    /// relative path), and `Driver::Systemd`, which is not there yet.
    pub fn locate(
        tree: &CgroupTree,
        driver: Driver,
        cgroups_path: Option<&Path>,
        id: &str,
    ) -> Result<Location> {
        location::locate(tree, driver, cgroups_path, id)
    }

    pub fn new(location: Location) -> Self {
        Self { location, hierarchies: OnceCell::new() }
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The mounts are looked up once; the container's directories anew by each call.
    fn hierarchies(&self) -> Result<&[Hierarchy]> {
        if let Some(known) = self.hierarchies.get() {
            return Ok(known);
        }
        let found = Hierarchy::open_all(&self.location)?;
        Ok(self.hierarchies.get_or_init(|| found))
    }

    /// Refuses a cgroup that has processes in it or is frozen; makes nothing. To be asked before the location
    /// is written down as a container's: whatever is in a container's cgroup is killed with it.
    ///
    /// # Errors
    /// `container's cgroup is not empty: N process(es) found`, `container's cgroup unexpectedly frozen`.
    pub fn check_unused(&self) -> Result<()> {
        create::check_unused(self.hierarchies()?)
    }

    /// Makes the directories, ready for a process: v1 cpusets filled, real-time bandwidth set, v2 controllers
    /// enabled down the path. Refuses what `check_unused` does. What this call made is removed again if it
    /// fails.
    pub fn create(&self, resources: &LinuxResources) -> Result<()> {
        create::create(self.hierarchies()?, resources)
    }

    /// The v2 directory to clone into; None on v1 and hybrid (call `add` then).
    pub fn clone_target(&self) -> Result<Option<OwnedFd>> {
        place::clone_target(self.hierarchies()?)
    }

    /// Puts a process in every hierarchy that the clone did not: none on pure v2, all of them otherwise.
    pub fn add(&self, pid: Pid) -> Result<()> {
        place::add(self.hierarchies()?, pid)
    }

    /// The v2 directory to clone an exec'd process into; None on v1 and hybrid (call `add_exec` then).
    ///
    /// # Errors
    /// As `add_exec`, and `can't open cgroup: …` where there is no such sub-cgroup.
    pub fn exec_target(&self, sub: &[String]) -> Result<Option<OwnedFd>> {
        place::exec_target(self.hierarchies()?, sub)
    }

    /// On v2, the cgroup that `init` is in by now: to clone into where `exec_target` (with no sub-cgroup
    /// asked for) is gone or answers EBUSY to the clone. None on v1 and hybrid. The caller sees to it that
    /// `init` is still the one it means.
    pub fn init_target(&self, tree: &CgroupTree, proc: &Proc, init: Pid) -> Result<Option<OwnedFd>> {
        place::init_target(self.hierarchies()?, tree, proc, init)
    }

    /// Adds an exec'd process to the cgroup or to a sub-cgroup (`exec --cgroup [ctrl[,ctrl]:]path`), in every
    /// hierarchy.
    ///
    /// # Errors
    /// In runc's words: `bad sub cgroup path: …`, `unknown controller …`, `error adding pid N to cgroups: …`.
    pub fn add_exec(&self, pid: Pid, sub: &[String]) -> Result<()> {
        place::add_exec(self.hierarchies()?, pid, sub)
    }

    /// Sets limits and device rules. What is not given stays as it is; device rules that are given are all
    /// there are.
    ///
    /// # Errors
    /// Each names the field of config.json, the controller and the file.
    pub fn apply(&self, resources: &LinuxResources) -> Result<()> {
        match self.location.driver {
            Driver::Disabled => Ok(()),
            Driver::Cgroupfs | Driver::Systemd => limits::apply(self.hierarchies()?, resources),
        }
    }

    /// Changes limits whole or not at all: where one is refused, or `keep` fails after the last, every file has
    /// again what it had. Devices stay as they are. `before` is what was asked for until now of all that
    /// changes.
    ///
    /// # Errors
    /// As `apply`; that something could not be taken back is told too.
    pub fn update(
        &self,
        resources: &LinuxResources,
        before: &LinuxResources,
        keep: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let former = match self.location.driver {
            Driver::Disabled => Former::default(),
            Driver::Cgroupfs | Driver::Systemd => Former::of(self.hierarchies()?, resources)?,
        };
        let Err(error) = self.apply(resources).and_then(|()| keep()) else { return Ok(()) };
        // systemd has kept what it was told, and would set it again.
        let told = match self.location.driver {
            Driver::Systemd => self.apply(before),
            Driver::Cgroupfs | Driver::Disabled => Ok(()),
        };
        match former.restore().and(told) {
            Ok(()) => Err(error),
            Err(second) => Err(error.and_then(second)),
        }
    }

    /// What the container has used so far; nothing where the cgroup is gone.
    ///
    /// # Errors
    /// A file of the cgroup that cannot be read or understood; it is named.
    pub fn stats(&self) -> Result<Stats> {
        stats::collect(self.hierarchies()?)
    }

    /// Watches for memory running out, from now on; None where no controller tells.
    pub fn watch_oom(&self) -> Result<Option<OomWatch>> {
        OomWatch::open(self.hierarchies()?)
    }

    /// Freezes every process; on any error, and where not all are frozen by the deadline, everything is
    /// thawed again.
    pub fn freeze(&self, deadline: Duration) -> Result<()> {
        freeze::freeze(self.hierarchies()?, deadline)
    }

    /// Lets every process run again. The kernel makes nobody wait for that: the deadline is for drivers that
    /// ask others.
    pub fn thaw(&self, _deadline: Duration) -> Result<()> {
        freeze::thaw(self.hierarchies()?)
    }

    /// Whether the container itself was told to freeze, by whomever.
    pub fn is_frozen(&self) -> Result<bool> {
        freeze::is_frozen(self.hierarchies()?)
    }

    /// Pids of the container, sub-cgroups too, sorted; none if the cgroup is gone.
    pub fn pids(&self) -> Result<Vec<Pid>> {
        let Some(hierarchy) = primary(self.hierarchies()?) else { return Ok(Vec::new()) };
        Ok(Processes::in_hierarchy(hierarchy)?.pids.into_iter().map(Pid::from_raw).collect())
    }

    /// Signals every process: SIGKILL by cgroup.kill where there is one, by freeze-kill-thaw on v1; a
    /// container that is killed is thawed, one that gets another signal stays as it was. A cgroup that is
    /// gone has nobody to signal.
    pub fn signal_all(&self, signal: i32) -> Result<()> {
        kill::signal_all(self.hierarchies()?, signal)
    }

    /// Waits by event until no process is left, then removes the directories and sub-directories; an absent
    /// one is fine.
    ///
    /// # Errors
    /// On timeout names the hierarchy's path, the pids, their names and states.
    pub fn remove(&self, deadline: Duration) -> Result<()> {
        remove::remove(self.hierarchies()?, deadline)
    }

    /// Number of OOM kills so far, where the kernel tells; 0 where it does not, or the cgroup is gone.
    pub fn oom_kills(&self) -> Result<u64> {
        let hierarchies = self.hierarchies()?;
        let v1 = hierarchies
            .iter()
            .find(|hierarchy| hierarchy.has("memory"))
            .map(|found| (found, "memory.oom_control"));
        let Some((hierarchy, file)) = v1.or(unified(hierarchies).map(|found| (found, "memory.events")))
        else {
            return Ok(0);
        };
        let Some(directory) = hierarchy.directory()? else { return Ok(0) };
        let content = Current::read(&directory, file)?.unwrap_or_default();
        Ok(keyed_number(&content, "oom_kill").unwrap_or(0))
    }

    /// Whether any of the directories is there.
    pub fn exists(&self) -> bool {
        let there = |hierarchy: &Hierarchy| matches!(hierarchy.directory(), Ok(Some(_)));
        self.hierarchies().is_ok_and(|hierarchies| hierarchies.iter().any(there))
    }
}
