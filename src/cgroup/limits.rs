//! Setting limits: each controller's writes, carried out in the hierarchy that has the controller.

use oci_spec::runtime::LinuxResources;

use super::directory::Directory;
use super::hierarchy::{Hierarchy, sole_unified, unified};
use super::write::{Nothing, Rules, carry_out, not_mounted, pointer};
use super::{v1, v2};
use crate::report::{Code, Error, Result};

/// Sets what `resources` asks for and leaves the rest as it is.
///
/// # Errors
/// A value that is no value, a field that this layout has no file for, a controller that is nowhere, and what
/// the kernel refuses: each names the field.
pub fn apply(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<()> {
    match sole_unified(hierarchies) {
        Some(hierarchy) => apply_unified(&hierarchy.existing()?, resources),
        None => apply_by_hierarchy(hierarchies, resources),
    }
}

fn apply_unified(directory: &Directory, resources: &LinuxResources) -> Result<()> {
    for (_, rules) in v2::CONTROLLERS {
        carry_out(directory, &rules(resources, directory)?)?;
    }
    v2::devices::set(directory, resources)?;
    v2::unified::set(directory, resources)
}

fn apply_by_hierarchy(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<()> {
    if resources.unified().as_ref().is_some_and(|files| !files.is_empty()) {
        let text = "invalid configuration: cannot use unified on cgroup v1";
        return Err(Error::new(Code::InvalidConfig, text).at(pointer("unified")));
    }
    for (controller, rules) in v1::CONTROLLERS {
        match hierarchies.iter().find(|hierarchy| hierarchy.has(controller)) {
            Some(hierarchy) => {
                let directory = hierarchy.existing()?;
                carry_out(&directory, &rules(resources, &directory)?)?;
                if *controller == "devices" {
                    v1::devices::verify(resources, &directory)?;
                }
            }
            None => apply_elsewhere(hierarchies, controller, *rules, resources)?,
        }
    }
    Ok(())
}

/// A controller without a v1 hierarchy may be with the unified tree of a hybrid. If not, it must not be asked
/// for.
fn apply_elsewhere(
    hierarchies: &[Hierarchy],
    controller: &str,
    v1: Rules,
    resources: &LinuxResources,
) -> Result<()> {
    if let Some(directory) = unified(hierarchies).map(Hierarchy::existing).transpose()? {
        if controller == "devices" {
            return v2::devices::set(&directory, resources);
        }
        if let Some(v2) = rules_where_available(&directory, controller)? {
            return carry_out(&directory, &v2(resources, &directory)?);
        }
    }
    match v1(resources, &Nothing)?.first() {
        Some(write) => Err(not_mounted(write)),
        None => Ok(()),
    }
}

fn rules_where_available(directory: &Directory, controller: &str) -> Result<Option<Rules>> {
    use super::write::Current;

    let name = if controller == "blkio" { "io" } else { controller };
    let available = Current::read(directory, "cgroup.controllers")?.unwrap_or_default();
    let rules = v2::CONTROLLERS.iter().find(|(known, _)| *known == name).map(|(_, rules)| *rules);
    Ok(rules.filter(|_| available.split_whitespace().any(|known| known == name)))
}
