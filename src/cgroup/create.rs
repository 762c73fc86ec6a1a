//! Making a container's cgroups: in every hierarchy or in none.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};

use nix::errno::Errno;
use oci_spec::runtime::LinuxResources;

use super::directory::Directory;
use super::freeze;
use super::hierarchy::{Hierarchy, sole_unified, unified};
use super::procs::Processes;
use super::shared::cpuset;
use super::v1::cpu;
use super::write::carry_out;
use crate::fail;
use crate::report::{Code, Context, Result, log};

/// How often a walk starts anew after a neighbour has removed, by way of undoing or deleting, what it stood
/// on.
const ATTEMPTS: usize = 5;

/// Makes the directories, ready for a process to be put in: cpus and memory nodes, real-time bandwidth,
/// controllers.
///
/// # Errors
/// A cgroup in use, and what the kernel answers; then what this call made is removed again.
pub fn create(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<()> {
    check_unused(hierarchies)?;
    let mut made = Made::default();
    let result = make_all(hierarchies, resources, &mut made);
    if result.is_err() {
        made.undo();
    }
    result
}

/// Adds what systemd leaves out of directories that it has made: controllers that it does not know, down the
/// path.
pub fn complete(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<()> {
    make_all(hierarchies, resources, &mut Made::default())
}

/// Refuses a cgroup that somebody is in, or that is frozen: to share it means to be killed and removed with
/// it.
///
/// # Errors
/// In runc's words, which callers know.
pub fn check_unused(hierarchies: &[Hierarchy]) -> Result<()> {
    let mut processes = Processes::default();
    let mut is_there = false;
    for hierarchy in hierarchies {
        if let Some(directory) = hierarchy.directory()? {
            is_there = true;
            processes.merge(Processes::in_directory(&directory)?);
        }
    }
    if !is_there {
        return Ok(());
    }
    if processes.count() > 0 {
        let (count, who) = (processes.count(), processes.describe());
        fail!(Code::Cgroup, "container's cgroup is not empty: {count} process(es) found: {who}");
    }
    if freeze::is_frozen(hierarchies)? {
        fail!(Code::Cgroup, "container's cgroup unexpectedly frozen");
    }
    Ok(())
}

fn make_all(hierarchies: &[Hierarchy], resources: &LinuxResources, made: &mut Made) -> Result<()> {
    let controllers_below = sole_unified(hierarchies).is_some();
    for hierarchy in hierarchies {
        let directory = make_with_retries(hierarchy, controllers_below, made)
            .with_context(|| format!("make cgroup {:?}", hierarchy.path()))
            .code(Code::Cgroup)?;
        prepare(hierarchy, &directory, resources)?;
    }
    Ok(())
}

fn make_with_retries(hierarchy: &Hierarchy, controllers_below: bool, made: &mut Made) -> Result<Directory> {
    for _ in 1..ATTEMPTS {
        match make(hierarchy, controllers_below, made) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {}
            result => return result,
        }
    }
    make(hierarchy, controllers_below, made)
}

fn make(hierarchy: &Hierarchy, controllers_below: bool, made: &mut Made) -> Result<Directory> {
    let mut here = hierarchy.top().open(Path::new(""))?;
    for component in hierarchy.below().components() {
        let Component::Normal(name) = component else {
            fail!(Code::Cgroup, "cgroup path {:?} is not plain", hierarchy.path());
        };
        if controllers_below {
            enable_controllers(&here)?;
        }
        let is_new = here.make(name)?;
        match enter(hierarchy, &here, name, is_new) {
            Ok(child) => {
                let parent = std::mem::replace(&mut here, child);
                made.note(is_new, parent, name);
            }
            Err(error) => {
                made.note(is_new, here, name);
                return Err(error);
            }
        }
    }
    Ok(here)
}

/// One step down, onto what can hold the container or lead to it. (One that was just made can be invalid too: the kernel
/// says so when the process comes, and `refuse_invalid` why.)
fn enter(hierarchy: &Hierarchy, parent: &Directory, name: &OsStr, is_new: bool) -> Result<Directory> {
    let child = parent.open(Path::new(name))?;
    // The container's own may be told otherwise by its config.
    if hierarchy.has("cpuset") && child.path() != hierarchy.path() {
        inherit_cpuset(parent, &child)?;
    }
    if hierarchy.is_unified() && !is_new {
        refuse_threaded(&child)?;
    }
    Ok(child)
}

/// What has to be there before the first process can be.
fn prepare(hierarchy: &Hierarchy, directory: &Directory, resources: &LinuxResources) -> Result<()> {
    if hierarchy.has("cpuset") {
        carry_out(directory, &cpuset::writes(resources, directory)?)?;
        if let Some((parent, _)) = hierarchy.parent()? {
            inherit_cpuset(&parent, directory).code(Code::Cgroup)?;
        }
    }
    if hierarchy.has("cpu") {
        carry_out(directory, &cpu::realtime_writes(resources, directory)?)?;
    }
    Ok(())
}

/// A v1 cpuset is born without CPUs and memory nodes, and takes no process until it has both (ENOSPC).
fn inherit_cpuset(parent: &Directory, child: &Directory) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let what = |directory: &Directory| format!("{:?}", directory.path().join(file));
        let own = child.read(file).with_context(|| format!("read {}", what(child)))?;
        if !own.trim().is_empty() {
            continue;
        }
        let inherited = parent.read(file).with_context(|| format!("read {}", what(parent)))?;
        child
            .write(file, inherited.trim())
            .with_context(|| format!("write {:?} to {}", inherited.trim(), what(child)))?;
    }
    Ok(())
}

/// Hands every controller that a cgroup has on to its children, as far as it can. One with processes of its own
/// hands on none (no internal processes, `man 7 cgroups`): the kernel would take those that can be threaded, and
/// make its children invalid until they are. What is missing is told where a limit needs it.
fn enable_controllers(directory: &Directory) -> Result<()> {
    let read = |file| directory.read(file).with_context(|| format!("read {:?}", directory.path().join(file)));
    let enabled = read("cgroup.subtree_control")?;
    let available = read("cgroup.controllers")?;
    let missing: Vec<String> = available
        .split_whitespace()
        .filter(|name| !enabled.split_whitespace().any(|enabled| enabled == *name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if has_internal_processes(directory)? {
        log::debug(format!("cgroup {:?} has processes: it hands on no controllers", directory.path()));
        return Ok(());
    }
    if directory.write("cgroup.subtree_control", &missing.join(" ")).is_ok() {
        return Ok(());
    }
    for controller in missing {
        if let Err(errno) = directory.write("cgroup.subtree_control", &controller) {
            log::debug(format!("cannot enable {controller} below cgroup {:?}: {errno}", directory.path()));
        }
    }
    Ok(())
}

/// Whether a cgroup other than the hierarchy's own top, where anything goes, has processes.
fn has_internal_processes(directory: &Directory) -> Result<bool> {
    let what = |file| format!("read {:?}", directory.path().join(file));
    match directory.read("cgroup.type") {
        Err(Errno::ENOENT) => Ok(false),
        kind => match kind.with_context(|| what("cgroup.type"))?.trim() {
            "domain" => {
                let processes = directory.read("cgroup.procs").with_context(|| what("cgroup.procs"))?;
                Ok(!processes.trim().is_empty())
            }
            // Whoever has made it threaded knows what it hands on.
            _ => Ok(false),
        },
    }
}

/// Why no process may be put in the container's v2 cgroup, if that is for its kind.
pub fn refuse_invalid(hierarchies: &[Hierarchy]) -> Result<()> {
    match unified(hierarchies) {
        Some(hierarchy) => hierarchy.directory()?.as_ref().map_or(Ok(()), refuse_threaded),
        None => Ok(()),
    }
}

/// The processes of a threaded cgroup can be neither listed nor killed as its own.
fn refuse_threaded(directory: &Directory) -> Result<()> {
    let kind = directory.read("cgroup.type").context("read cgroup.type")?;
    let path = directory.path();
    match kind.trim() {
        "threaded" => fail!(Code::Cgroup, "cannot enter cgroupv2 {path:?} -- it is in threaded mode"),
        "domain invalid" => {
            fail!(Code::Cgroup, "cannot enter cgroupv2 {path:?} -- it is in an invalid state")
        }
        _ => Ok(()),
    }
}

/// The directories that were not there before, in the order in which they were made.
#[derive(Default)]
struct Made(Vec<(Directory, OsString)>);

impl Made {
    fn note(&mut self, is_new: bool, parent: Directory, name: &OsStr) {
        if is_new {
            self.0.push((parent, name.to_owned()));
        }
    }

    /// One that another container has come to use meanwhile stays.
    fn undo(self) {
        for (parent, name) in self.0.into_iter().rev() {
            match parent.remove(&name) {
                Ok(()) | Err(Errno::ENOENT | Errno::EBUSY | Errno::ENODEV) => {}
                Err(errno) => {
                    log::warn(format!("cannot remove cgroup {:?}: {errno}", parent.path().join(&name)))
                }
            }
        }
    }
}
