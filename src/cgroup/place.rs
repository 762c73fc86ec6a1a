//! Putting a process into a container's cgroup.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::directory::Directory;
use super::hierarchy::{Hierarchy, sole_unified};
use super::subgroup::Place;
use crate::fail;
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::procfs::Proc;
use crate::report::{Code, Context, Result};

/// One line with a path, or some ten on v1.
const PROC_LIMIT: usize = 64 << 10;

/// The directory to clone a process into (`CLONE_INTO_CGROUP`), where that puts it everywhere at once; None
/// where there are v1 hierarchies, which clone3 knows nothing of.
pub fn clone_target(hierarchies: &[Hierarchy]) -> Result<Option<OwnedFd>> {
    let Some(hierarchy) = sole_unified(hierarchies) else { return Ok(None) };
    let directory = hierarchy.existing()?;
    Ok(Some(directory.as_fd().try_clone_to_owned()?))
}

/// The same for a process that joins a running container.
pub fn exec_target(hierarchies: &[Hierarchy], sub: &[String]) -> Result<Option<OwnedFd>> {
    let places = places(hierarchies, Place::parse(sub)?)?;
    let Some(hierarchy) = sole_unified(hierarchies) else { return Ok(None) };
    let below = places.get(hierarchy.key()).map(PathBuf::as_path).unwrap_or(Path::new(""));
    let directory = open(hierarchy, below).context("can't open cgroup")?;
    Ok(Some(directory.as_fd().try_clone_to_owned()?))
}

/// The cgroup that `init` is in by now, to clone an exec'd process into where the container's own takes none:
/// it has handed controllers to children (EBUSY, as in a nested engine), or `init` has moved away and it is
/// gone (ENOENT). None where there are v1 hierarchies.
pub fn init_target(
    hierarchies: &[Hierarchy],
    tree: &CgroupTree,
    proc: &Proc,
    init: Pid,
) -> Result<Option<OwnedFd>> {
    let Some(hierarchy) = sole_unified(hierarchies) else { return Ok(None) };
    let what = || format!("read the cgroup of process {init}");
    let lines = proc.read_pid(init, "cgroup", PROC_LIMIT).with_context(what)?;
    let lines = String::from_utf8_lossy(&lines);
    let path = lines.lines().find_map(|line| line.strip_prefix("0::"));
    let root = tree
        .hierarchies
        .iter()
        .find(|known| known.unified)
        .map_or(Path::new("/"), |known| known.root.as_path());
    let below = path
        .and_then(|path| Path::new(path).strip_prefix(root).ok())
        .map(|path| path.strip_prefix("/").unwrap_or(path));
    let Some(below) = below else {
        fail!(Code::Cgroup, "the cgroup of process {init} is out of sight: {path:?}");
    };
    let top = hierarchy.top();
    let what = || format!("open cgroup {:?}", top.path().join(below));
    let directory = top.open(below).with_context(what).code(Code::Cgroup)?;
    Ok(Some(directory.as_fd().try_clone_to_owned()?))
}

/// Puts a new container's first process in; nothing to do where it was cloned into its place.
pub fn add(hierarchies: &[Hierarchy], pid: Pid) -> Result<()> {
    if sole_unified(hierarchies).is_some() {
        return Ok(());
    }
    add_everywhere(hierarchies, pid)
}

/// Puts a process in, in every hierarchy, wherever it is.
pub fn add_everywhere(hierarchies: &[Hierarchy], pid: Pid) -> Result<()> {
    hierarchies.iter().try_for_each(|hierarchy| enter(hierarchy, Path::new(""), pid))
}

/// Puts one more process in, or into the sub-cgroups that `exec --cgroup` names.
pub fn add_exec(hierarchies: &[Hierarchy], pid: Pid, sub: &[String]) -> Result<()> {
    let places = places(hierarchies, Place::parse(sub)?)?;
    hierarchies.iter().try_for_each(|hierarchy| {
        let below = places.get(hierarchy.key()).map(PathBuf::as_path).unwrap_or(Path::new(""));
        enter(hierarchy, below, pid).with_context(|| format!("error adding pid {pid} to cgroups"))
    })
}

/// The sub-cgroup by hierarchy; one that is not in it has none.
fn places(hierarchies: &[Hierarchy], place: Place) -> Result<BTreeMap<&str, PathBuf>> {
    let mut places: BTreeMap<&str, PathBuf> = BTreeMap::new();
    match place {
        Place::Everywhere(path) => {
            places.extend(hierarchies.iter().map(|hierarchy| (hierarchy.key(), path.clone())));
        }
        Place::ByController(by_controller) => {
            for (controller, path) in by_controller {
                let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.has(&controller)) else {
                    fail!(Code::Usage, "unknown controller {controller} in SubCgroupPaths");
                };
                let other = places.insert(hierarchy.key(), path.clone());
                if other.is_some_and(|other| other != path) {
                    let text = "is in one hierarchy with another that has a different path";
                    fail!(Code::Usage, "invalid --cgroup argument(s): controller {controller} {text}");
                }
            }
        }
    }
    Ok(places)
}

fn open(hierarchy: &Hierarchy, below: &Path) -> Result<Directory> {
    let container = hierarchy.existing()?;
    container
        .open(below)
        .with_context(|| format!("open cgroup {:?}", container.path().join(below)))
        .code(Code::Cgroup)
}

fn enter(hierarchy: &Hierarchy, below: &Path, pid: Pid) -> Result<()> {
    let directory = open(hierarchy, below)?;
    let what = || format!("failed to write {pid} to {:?}", directory.path().join("cgroup.procs"));
    directory.write("cgroup.procs", &pid.to_string()).with_context(what).code(Code::Cgroup)
}
