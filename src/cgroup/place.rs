//! Putting a process into a container's cgroup.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Pid;

use super::directory::Directory;
use super::hierarchy::{Hierarchy, sole_unified};
use super::subgroup::Place;
use crate::fail;
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::procfs::Proc;
use crate::report::{Code, Context, Result};

/// Where a thread of v1 puts itself.
const TASKS: &str = "tasks";
/// One line with a path, or some ten on v1.
const PROC_LIMIT: usize = 64 << 10;

/// A new process's own way in, so that nobody has to move it. To move another one takes a lock for which the kernel waits
/// for RCU, some 12 ms; a thread that moves itself by v1's `tasks` takes none (`cgroup_procs_write_start` in its
/// kernel/cgroup/cgroup.c).
#[derive(Debug, Default)]
pub struct Entrance {
    /// The directory in the unified tree, to clone the process into (`CLONE_INTO_CGROUP`).
    pub unified: Option<OwnedFd>,
    /// The file `tasks` of each v1 directory, and its path: who writes `0` to it is in.
    pub tasks: Vec<(PathBuf, OwnedFd)>,
}

/// The way into a container's own directories.
pub fn entrance(hierarchies: &[Hierarchy]) -> Result<Entrance> {
    entrance_to(hierarchies, &BTreeMap::new())
}

/// The same for a process that joins a running container, or a sub-cgroup of it.
pub fn exec_entrance(hierarchies: &[Hierarchy], sub: &[String]) -> Result<Entrance> {
    let places = places(hierarchies, Place::parse(sub)?)?;
    entrance_to(hierarchies, &places).context(match sole_unified(hierarchies) {
        Some(_) => "can't open cgroup",
        None => "error adding pid of the new process to cgroups",
    })
}

fn entrance_to(hierarchies: &[Hierarchy], places: &BTreeMap<&str, PathBuf>) -> Result<Entrance> {
    let mut entrance = Entrance::default();
    for hierarchy in hierarchies {
        let directory = open(hierarchy, below(places, hierarchy))?;
        if hierarchy.is_unified() {
            entrance.unified = Some(directory.into());
            continue;
        }
        let path = directory.path().join(TASKS);
        let file = directory.open_file(TASKS, OFlag::O_WRONLY);
        let file = file.with_context(|| format!("open {path:?}")).code(Code::Cgroup)?;
        entrance.tasks.push((path, file));
    }
    Ok(entrance)
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
    Ok(Some(directory.into()))
}

/// Puts a process in, in every hierarchy.
pub fn add_everywhere(hierarchies: &[Hierarchy], pid: Pid) -> Result<()> {
    hierarchies.iter().try_for_each(|hierarchy| enter(hierarchy, Path::new(""), pid))
}

/// Puts one more process in, or into the sub-cgroups that `exec --cgroup` names.
pub fn add_exec(hierarchies: &[Hierarchy], pid: Pid, sub: &[String]) -> Result<()> {
    let places = places(hierarchies, Place::parse(sub)?)?;
    hierarchies.iter().try_for_each(|hierarchy| {
        enter(hierarchy, below(&places, hierarchy), pid)
            .with_context(|| format!("error adding pid {pid} to cgroups"))
    })
}

/// The sub-cgroup in the unified tree.
pub fn below_unified(hierarchies: &[Hierarchy], sub: &[String]) -> Result<PathBuf> {
    let mut places = places(hierarchies, Place::parse(sub)?)?;
    Ok(places.remove("").unwrap_or_default())
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

/// Where in one hierarchy that is, below the container's own directory.
fn below<'a>(places: &'a BTreeMap<&str, PathBuf>, hierarchy: &Hierarchy) -> &'a Path {
    places.get(hierarchy.key()).map_or(Path::new(""), PathBuf::as_path)
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
