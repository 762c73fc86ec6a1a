//! The systemd driver: the container's cgroup is that of a transient unit, which systemd makes, and removes when
//! its last process is gone. Limits are told to systemd, so that it does not undo them, and written by hand
//! besides, since it has no property for many.
//!
//! Must never touch a unit that another has started, and never wait for the bus without a deadline.

mod annotations;
mod bus;
mod devices;
#[cfg(fuzzing)]
pub mod fuzzing;
mod manager;
mod properties;
mod unit;
mod variant_text;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

use self::manager::{Property, Started, Systemd};
pub use self::unit::{Instance, Unit};
use super::hierarchy::{Hierarchy, sole_unified};
use super::policy::Policy;
use super::write::Write;
use super::{v1, v2};
use crate::fail;
use crate::linux::cgroup_tree::{CgroupTree, Layout};
use crate::report::{Code, Context, Error, Result};

/// Where a systemd that is this machine's init leaves word (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// The unit for a container, and where systemd puts it in each hierarchy, by the hierarchy's controllers.
///
/// # Errors
/// No systemd; a user's on cgroup v1; a path that names no unit.
pub fn locate(
    tree: &CgroupTree,
    cgroups_path: Option<&Path>,
    id: &str,
    instance: Instance,
) -> Result<(Unit, BTreeMap<String, PathBuf>)> {
    if !Path::new(BOOTED).is_dir() {
        let text = "systemd not running on this host, cannot use systemd cgroups manager";
        return Err(Error::new(Code::Unsupported, text).hint("leave --systemd-cgroup out"));
    }
    if instance == Instance::User && tree.layout != Layout::Unified {
        fail!(Code::Unsupported, "cannot use rootless systemd cgroups manager on cgroup v1");
    }
    let path = cgroups_path.map(|path| path.to_str().ok_or_else(not_utf8)).transpose()?;
    let unit = Unit::of(path, id, instance)?;
    let base = match instance {
        Instance::System => PathBuf::from("/"),
        Instance::User => Systemd::connect(instance)?.control_group()?,
    };
    let below = base.strip_prefix("/").unwrap_or(&base).join(unit.path()?);
    let paths = tree.hierarchies.iter().map(|hierarchy| {
        let key = if hierarchy.unified { String::new() } else { hierarchy.controllers.join(",") };
        (key, hierarchy.mount_point.join(&below))
    });
    let paths = paths.collect();
    Ok((unit, paths))
}

fn not_utf8() -> Error {
    Error::new(Code::InvalidConfig, "cgroupsPath is not UTF-8")
}

/// A container's unit, and the systemd that has it.
pub struct UnitDriver {
    unit: Unit,
    annotated: Vec<Property>,
    at_start: LinuxResources,
    /// Made at the first use.
    connection: RefCell<Option<Systemd>>,
    foreign: Cell<bool>,
}

impl UnitDriver {
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            annotated: Vec::new(),
            at_start: LinuxResources::default(),
            connection: RefCell::default(),
            foreign: Cell::new(false),
        }
    }

    /// What the unit is to be started with.
    ///
    /// # Errors
    /// Annotations that make no properties.
    pub fn prepare(
        &mut self,
        annotations: &BTreeMap<String, String>,
        resources: &LinuxResources,
    ) -> Result<()> {
        self.annotated = annotations::properties(annotations)?;
        self.at_start = resources.clone();
        Ok(())
    }

    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    pub fn at_start(&self) -> &LinuxResources {
        &self.at_start
    }

    /// Whether the unit has turned out to be another's.
    pub fn is_foreign(&self) -> bool {
        self.foreign.get()
    }

    /// Starts the unit, with the process in it where it is a scope.
    pub fn start(&self, pid: Pid) -> Result<()> {
        let started = self.talk(|systemd| {
            let (version, pid) = (systemd.version()?, pid.as_raw().cast_unsigned());
            let properties = properties::of_start(&self.unit, pid, &self.at_start, &self.annotated, version);
            systemd.start(&self.unit, &properties)
        })?;
        if started == Started::NameTaken {
            self.foreign.set(true);
            fail!(
                Code::Cgroup,
                "unable to start unit {:?}: a unit of this name exists already",
                self.unit.name
            );
        }
        Ok(())
    }

    /// Tells systemd the limits; the answer is what is to be written by hand after that.
    pub fn set(&self, hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<LinuxResources> {
        let systemd = |version| match sole_unified(hierarchies) {
            Some(hierarchy) => on_v2(hierarchy, resources, version),
            None => on_v1(hierarchies, resources, version),
        };
        self.talk(|connection| {
            let (resources, properties) = systemd(connection.version()?)?;
            if !properties.is_empty() {
                connection.set(&self.unit, &properties)?;
            }
            Ok(resources)
        })
    }

    /// Stops the unit, so that nothing of it is left. One that is gone already is fine.
    pub fn stop(&self) -> Result<()> {
        if self.is_foreign() {
            return Ok(());
        }
        self.talk(|systemd| systemd.stop(&self.unit))
    }

    /// Whether systemd knows the unit.
    pub fn exists(&self) -> Result<bool> {
        Ok(!self.is_foreign() && self.talk(|systemd| systemd.knows(&self.unit))?)
    }

    /// Puts a process into the unit's cgroup, or below it, with systemd's rights.
    pub fn attach(&self, below: &Path, pid: Pid) -> Result<()> {
        self.talk(|systemd| systemd.attach(&self.unit, below, pid.as_raw().cast_unsigned()))
    }

    /// Uses the connection, which is kept as long as nothing goes wrong.
    fn talk<T>(&self, say: impl FnOnce(&mut Systemd) -> Result<T>) -> Result<T> {
        let kept = self.connection.borrow_mut().take();
        let mut systemd = match kept {
            Some(systemd) => systemd,
            None => Systemd::connect(self.unit.instance).code(Code::Cgroup)?,
        };
        let answer = say(&mut systemd)?;
        self.connection.replace(Some(systemd));
        Ok(answer)
    }
}

type Told = (LinuxResources, Vec<Property>);

fn on_v2(hierarchy: &Hierarchy, resources: &LinuxResources, version: u32) -> Result<Told> {
    let directory = hierarchy.existing()?;
    let resources = properties::round_quota(resources, properties::period_now(&directory));
    let mut writes: Vec<Write> = Vec::new();
    for (_, rules) in v2::CONTROLLERS {
        writes.extend(rules(&resources, &directory)?);
    }
    let properties = properties::of_unified(&writes, resources.unified().as_ref(), &directory, version)?;
    Ok((resources, properties))
}

fn on_v1(hierarchies: &[Hierarchy], resources: &LinuxResources, version: u32) -> Result<Told> {
    let mut resources = resources.clone();
    let mut writes: Vec<Write> = Vec::new();
    let mut period_now = None;
    for (controller, rules) in v1::CONTROLLERS.iter().filter(|(controller, _)| *controller != "devices") {
        let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.has(controller)) else {
            continue;
        };
        let directory = hierarchy.existing()?;
        if *controller == "cpu" {
            let period = *period_now.insert(properties::legacy_period_now(&directory));
            resources = properties::round_quota(&resources, period);
        }
        writes.extend(rules(&resources, &directory)?);
    }
    let mut properties = properties::of_legacy(&writes, period_now.unwrap_or_default(), version)?;
    if let Some(rules) = resources.devices() {
        properties.extend(devices::properties(&Policy::of(rules)?));
    }
    Ok((resources, properties))
}
