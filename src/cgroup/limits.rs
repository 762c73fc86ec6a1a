//! Setting limits: each controller's writes, carried out in the hierarchy that has the controller.

use std::rc::Rc;

use nix::errno::Errno;
use oci_spec::runtime::LinuxResources;

use super::directory::Directory;
use super::hierarchy::{Hierarchy, sole_unified, unified};
use super::write::{Current, Nothing, Rules, Write, carry_out, not_mounted, pointer};
use super::{v1, v2};
use crate::report::{Code, Error, Result, log};

/// Sets what `resources` asks for and leaves the rest as it is.
///
/// # Errors
/// A value that is no value, a field that this layout has no file for, a controller that is nowhere, and what
/// the kernel refuses: each names the field. Nothing is written where it is not the kernel that refuses.
pub fn apply(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<()> {
    for (directory, writes) in writes(hierarchies, resources)? {
        carry_out(&directory, &writes)?;
    }
    devices(hierarchies, resources)?;
    match sole_unified(hierarchies) {
        Some(hierarchy) if resources.unified().is_some() => {
            v2::unified::set(&hierarchy.existing()?, resources)
        }
        _ => Ok(()),
    }
}

/// The same for an ordinary user, whom the kernel lets set no device rules. None are needed: the container can reach
/// no more devices than the user.
pub fn apply_as_user(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<()> {
    let mut rules = LinuxResources::default();
    rules.set_devices(resources.devices().clone());
    let mut others = resources.clone();
    others.set_devices(None);
    apply(hierarchies, &others)?;
    match apply(hierarchies, &rules) {
        Err(error) if matches!(error.errno(), Some(Errno::EPERM | Errno::EACCES)) => {
            log::debug(format!("device rules are not set: {error}"));
            Ok(())
        }
        done => done,
    }
}

/// What the controllers that are set by files are to be told, in order, and the cgroup it goes to. Only
/// looks.
pub fn writes(
    hierarchies: &[Hierarchy],
    resources: &LinuxResources,
) -> Result<Vec<(Rc<Directory>, Vec<Write>)>> {
    if let Some(hierarchy) = sole_unified(hierarchies) {
        let directory = Rc::new(hierarchy.existing()?);
        let each = v2::CONTROLLERS.iter().map(|(_, rules)| {
            let writes = rules(resources, &*directory)?;
            Ok((Rc::clone(&directory), writes))
        });
        return each.collect();
    }
    if resources.unified().as_ref().is_some_and(|files| !files.is_empty()) {
        let text = "invalid configuration: cannot use unified on cgroup v1";
        return Err(Error::new(Code::InvalidConfig, text).at(pointer("unified")));
    }
    let mut all = Vec::new();
    for (controller, rules) in v1::CONTROLLERS {
        match hierarchies.iter().find(|hierarchy| hierarchy.has(controller)) {
            Some(hierarchy) => all.push(at(hierarchy, *rules, resources)?),
            None => all.extend(elsewhere(hierarchies, controller, *rules, resources)?),
        }
    }
    Ok(all)
}

fn at(
    hierarchy: &Hierarchy,
    rules: Rules,
    resources: &LinuxResources,
) -> Result<(Rc<Directory>, Vec<Write>)> {
    let directory = Rc::new(hierarchy.existing()?);
    let writes = rules(resources, &*directory)?;
    Ok((directory, writes))
}

/// A controller without a v1 hierarchy may be with the unified tree of a hybrid. If not, it must not be asked
/// for.
fn elsewhere(
    hierarchies: &[Hierarchy],
    controller: &str,
    v1: Rules,
    resources: &LinuxResources,
) -> Result<Option<(Rc<Directory>, Vec<Write>)>> {
    if let Some(hierarchy) = unified(hierarchies) {
        if controller == "devices" {
            return Ok(None);
        }
        if let Some(v2) = rules_where_available(&hierarchy.existing()?, controller)? {
            return at(hierarchy, v2, resources).map(Some);
        }
    }
    match v1(resources, &Nothing)?.first() {
        Some(write) => Err(not_mounted(write)),
        None => Ok(None),
    }
}

fn rules_where_available(directory: &Directory, controller: &str) -> Result<Option<Rules>> {
    let name = if controller == "blkio" { "io" } else { controller };
    let available = Current::read(directory, "cgroup.controllers")?.unwrap_or_default();
    let rules = v2::CONTROLLERS.iter().find(|(known, _)| *known == name).map(|(_, rules)| *rules);
    Ok(rules.filter(|_| available.split_whitespace().any(|known| known == name)))
}

/// By the v1 controller, which was written with the others and is looked at again, or by a program.
fn devices(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<()> {
    let v1 = hierarchies.iter().find(|hierarchy| hierarchy.has("devices"));
    match (v1, unified(hierarchies)) {
        (Some(hierarchy), _) => v1::devices::verify(resources, &hierarchy.existing()?),
        (None, Some(hierarchy)) => v2::devices::set(&hierarchy.existing()?, resources),
        (None, None) => Ok(()),
    }
}
