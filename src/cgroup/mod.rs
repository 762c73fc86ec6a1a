//! cgroups v1, v2 and hybrid behind one type. Knows paths, limits, freezing, killing and removal; not
//! containers.
//!
//! Must never touch what is outside the container's own directories, but for making their parents, and never
//! wait without a deadline.

mod create;
mod delegate;
mod directory;
mod events;
mod freeze;
#[cfg(fuzzing)]
pub mod fuzzing;
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
mod systemd;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod v1;
mod v2;
mod write;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

pub use self::freeze::is_paused;
pub use self::hierarchy::Mounts;
use self::hierarchy::{Hierarchy, primary, sole_unified, unified};
pub use self::location::{Driver, Location};
pub use self::oom::{Oom, OomWatch};
pub use self::place::Entrance;
use self::procs::Processes;
use self::rollback::Former;
use self::stats::Stats;
use self::systemd::{Instance, UnitDriver};
use self::write::{Current, Rules, keyed_number};
use crate::fail;
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::procfs::Proc;
use crate::report::{Code, Error, Result, log};

/// How long processes may take to stop while systemd sets their devices.
const FREEZING: Duration = Duration::from_secs(10);

/// What this module can do, whatever this host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    pub v1: bool,
    pub v2: bool,
    pub systemd: bool,
    pub systemd_user: bool,
    pub rdma: bool,
}

/// By the tables that limits are set by.
pub fn abilities() -> Abilities {
    let has = |table: &[(&str, Rules)], controller: &str| table.iter().any(|(name, _)| *name == controller);
    Abilities {
        v1: !v1::CONTROLLERS.is_empty(),
        v2: !v2::CONTROLLERS.is_empty(),
        // `Instance` has both.
        systemd: true,
        systemd_user: true,
        rdma: has(v1::CONTROLLERS, "rdma") && has(v2::CONTROLLERS, "rdma"),
    }
}

/// A container's cgroup. With the driver `Disabled` it has no directories, and every call is content with
/// that.
pub struct Manager {
    location: Location,
    hierarchies: OnceCell<Vec<Hierarchy>>,
    /// With the driver `Systemd`.
    unit: Option<UnitDriver>,
}

impl Manager {
    /// Where the cgroup of container `id` goes by `cgroupsPath`; makes nothing.
    ///
    /// # Errors
    /// A path that names the top of the hierarchies or no unit, a caller whose own cgroup is out of sight (for
    /// a relative path), a systemd that cannot be had.
    pub fn locate(
        tree: &CgroupTree,
        driver: Driver,
        cgroups_path: Option<&Path>,
        id: &str,
        rootless: bool,
    ) -> Result<Location> {
        location::locate(tree, driver, cgroups_path, id, rootless)
    }

    pub fn new(location: Location) -> Self {
        let unit = location.unit.clone().map(UnitDriver::new);
        Self { location, hierarchies: OnceCell::new(), unit }
    }

    /// Says what the container's unit is to be started with, where it gets one; makes nothing. To be called
    /// before `create`.
    ///
    /// # Errors
    /// Annotations `org.systemd.property.*` that make no properties.
    pub fn prepare(
        &mut self,
        annotations: &BTreeMap<String, String>,
        resources: &LinuxResources,
    ) -> Result<()> {
        self.unit.as_mut().map_or(Ok(()), |unit| unit.prepare(annotations, resources))
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
        if let Some(unit) = self.unit.as_ref().map(UnitDriver::unit).filter(|unit| unit.is_slice())
            && self.has_directory()
        {
            fail!(Code::Cgroup, "slice {:?} is there already: it is not the container's", unit.name);
        }
        create::check_unused(self.hierarchies()?)
    }

    /// Makes the directories, ready for a process: v1 cpusets filled, real-time bandwidth set, v2 controllers
    /// enabled down the path. Refuses what `check_unused` does. What this call made is removed again if it
    /// fails. systemd makes v2's by itself, once there is a process to put in.
    pub fn create(&self, resources: &LinuxResources) -> Result<()> {
        let hierarchies = self.hierarchies()?;
        match self.comes_before_its_process()? {
            true => create::create(hierarchies, resources),
            false => self.check_unused(),
        }
    }

    /// Whether `create` has made all directories. systemd makes those of v2 around a process, in `add`.
    pub fn comes_before_its_process(&self) -> Result<bool> {
        Ok(self.unit.is_none() || sole_unified(self.hierarchies()?).is_none())
    }

    /// For an ordinary user: leaves out the hierarchies beside others in which it may make nothing and which have no
    /// controllers (v1's named ones, the unified tree of a hybrid), since nothing is limited there (runc). Those that
    /// are in reach are made. The location is changed then, and the answer true.
    ///
    /// # Errors
    /// As `create`.
    pub fn leave_out_of_reach(&mut self) -> Result<bool> {
        let mut out_of_reach = Vec::new();
        let hierarchies = self.hierarchies()?;
        let beside_others = hierarchies.len() > 1;
        let idle = |hierarchy: &&Hierarchy| beside_others && hierarchy.has_no_controllers();
        for hierarchy in hierarchies.iter().filter(idle) {
            match create::create(std::slice::from_ref(hierarchy), &LinuxResources::default()) {
                Err(error) if is_refusal(&error) => {
                    log::debug(format!(
                        "the container is in no cgroup of hierarchy {:?}: {error}",
                        hierarchy.key()
                    ));
                    out_of_reach.push(hierarchy.key().to_owned());
                }
                made => made?,
            }
        }
        self.location.paths.retain(|key, _| !out_of_reach.contains(key));
        if !out_of_reach.is_empty() {
            self.hierarchies = OnceCell::new();
        }
        Ok(!out_of_reach.is_empty())
    }

    /// A new process's own way into the cgroup; None before systemd has been given the process (call `add` then).
    pub fn entrance(&self) -> Result<Option<Entrance>> {
        match self.unit {
            Some(_) => Ok(None),
            None => place::entrance(self.hierarchies()?).map(Some),
        }
    }

    /// Puts a process in, in every hierarchy. With the systemd driver, starts the unit with the process.
    pub fn add(&self, pid: Pid) -> Result<()> {
        let hierarchies = self.hierarchies()?;
        let Some(unit) = &self.unit else { return place::add_everywhere(hierarchies, pid) };
        unit.start(pid)?;
        if sole_unified(hierarchies).is_none() {
            return place::add_everywhere(hierarchies, pid);
        }
        // systemd knows neither hugetlb nor rdma.
        create::complete(hierarchies, unit.at_start())?;
        match unit.unit().is_slice() {
            true => place::add_everywhere(hierarchies, pid),
            false => Ok(()),
        }
    }

    /// The reason for an error with which the kernel has refused the cgroup to a process; any other error as it is.
    pub fn explain_refusal(&self, error: Error) -> Error {
        let refused = error.errno() == Some(Errno::EOPNOTSUPP);
        match self.hierarchies() {
            Ok(hierarchies) if refused => create::refuse_invalid(hierarchies).err().unwrap_or(error),
            _ => error,
        }
    }

    /// Hands the v2 cgroup to a user, by the host's number, who may then make cgroups below it. After `add`.
    pub fn delegate(&self, owner: u32) -> Result<()> {
        delegate::delegate(self.hierarchies()?, owner)
    }

    /// An exec'd process's own way into the cgroup or a sub-cgroup (`exec --cgroup [ctrl[,ctrl]:]path`), in every
    /// hierarchy; None for a user's own unit (call `add_exec` then).
    ///
    /// # Errors
    /// In runc's words: `bad sub cgroup path: …`, `unknown controller …`, `can't open cgroup: …`, on v1 `error adding pid
    /// …`.
    pub fn exec_entrance(&self, sub: &[String]) -> Result<Option<Entrance>> {
        let entrance = place::exec_entrance(self.hierarchies()?, sub)?;
        // A user may not clone across the cgroups of a session.
        Ok(self.unit_of_user().is_none().then_some(entrance))
    }

    /// On v2, the cgroup that `init` is in by now: to clone into where that of `exec_entrance` (with no sub-cgroup
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
        let hierarchies = self.hierarchies()?;
        match (place::add_exec(hierarchies, pid, sub), self.unit_of_user()) {
            (Err(error), Some(unit)) if matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM)) => {
                unit.attach(&place::below_unified(hierarchies, sub)?, pid)
            }
            (added, _) => added,
        }
    }

    /// The unit, where it is of the user's own systemd.
    fn unit_of_user(&self) -> Option<&UnitDriver> {
        self.unit.as_ref().filter(|unit| unit.unit().instance == Instance::User)
    }

    /// Sets limits and device rules. What is not given stays as it is; device rules that are given are all
    /// there are.
    ///
    /// # Errors
    /// Each names the field of config.json, the controller and the file.
    pub fn apply(&self, resources: &LinuxResources) -> Result<()> {
        match self.location.driver {
            Driver::Disabled => Ok(()),
            Driver::Cgroupfs | Driver::Systemd => {
                let hierarchies = self.hierarchies()?;
                let set = if self.location.rootless { limits::apply_as_user } else { limits::apply };
                match &self.unit {
                    Some(unit) => set(hierarchies, &self.tell(unit, hierarchies, resources)?),
                    None => set(hierarchies, resources),
                }
            }
        }
    }

    /// Tells systemd. On v1 it lifts device rules before it sets them: nobody runs meanwhile.
    fn tell(
        &self,
        unit: &UnitDriver,
        hierarchies: &[Hierarchy],
        resources: &LinuxResources,
    ) -> Result<LinuxResources> {
        let held = sole_unified(hierarchies).is_none()
            && resources.devices().is_some()
            && !freeze::is_frozen(hierarchies)?;
        if held {
            freeze::freeze(hierarchies, FREEZING)?;
        }
        let told = unit.set(hierarchies, resources);
        if held {
            freeze::thaw(hierarchies)?;
        }
        told
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
        Err(error.and(former.restore().and(told)))
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

    /// The directory whose processes are frozen together; None where there is none.
    pub fn freezer_directory(&self) -> Result<Option<PathBuf>> {
        freeze::directory(self.hierarchies()?)
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
    /// one is fine. Then the unit, if any, is stopped: nothing is left in it to be signalled by that.
    ///
    /// # Errors
    /// On timeout names the hierarchy's path, the pids, their names and states, or the unit.
    pub fn remove(&self, deadline: Duration) -> Result<()> {
        if self.unit.as_ref().is_some_and(UnitDriver::is_foreign) {
            return Ok(());
        }
        remove::remove(self.hierarchies()?, deadline)?;
        self.unit.as_ref().map_or(Ok(()), UnitDriver::stop)
    }

    /// Removes the directories if nothing is in them, and at once; false where `remove` is needed: processes, cgroups
    /// below, or a unit.
    pub fn remove_empty(&self) -> Result<bool> {
        match self.unit {
            Some(_) => Ok(false),
            None => remove::remove_empty(self.hierarchies()?),
        }
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

    /// Whether any of the directories is there, or the unit. A systemd that does not say might have it.
    pub fn exists(&self) -> bool {
        match &self.unit {
            Some(unit) if unit.is_foreign() => false,
            Some(unit) => self.has_directory() || unit.exists().unwrap_or(true),
            None => self.has_directory(),
        }
    }

    fn has_directory(&self) -> bool {
        let there = |hierarchy: &Hierarchy| matches!(hierarchy.directory(), Ok(Some(_)));
        self.hierarchies().is_ok_and(|hierarchies| hierarchies.iter().any(there))
    }
}

/// Whether the caller has no right to a cgroup; no fault of the config's, where no limit needs it.
pub fn is_refusal(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM | Errno::EROFS))
}
