//! The cgroup trees of this machine: all on version 2, or version 1 with or without a version 2 beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const ROOT: &str = "/sys/fs/cgroup";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Legacy,
    Hybrid,
    Unified,
}

pub fn layout() -> Layout {
    let has = |file: &str| Path::new(ROOT).join(file).exists();
    match (has("cgroup.controllers"), has("unified/cgroup.controllers")) {
        (true, _) => Layout::Unified,
        (false, true) => Layout::Hybrid,
        (false, false) => Layout::Legacy,
    }
}

/// The mount point of each hierarchy.
pub fn hierarchies() -> Result<Vec<PathBuf>> {
    if layout() == Layout::Unified {
        return Ok(vec![ROOT.into()]);
    }
    let entries = std::fs::read_dir(ROOT).with_context(|| format!("read {ROOT}"))?;
    let all = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    // A hierarchy's root has cgroup.procs; co-mounted names are symlinks to one that is in the list.
    let is_hierarchy = |path: &PathBuf| !path.is_symlink() && path.join("cgroup.procs").exists();
    Ok(all.into_iter().filter(is_hierarchy).collect())
}

/// Every directory of a cgroup that exists, one a hierarchy.
pub fn directories(cgroup: &str) -> Result<Vec<PathBuf>> {
    let relative = cgroup.trim_start_matches('/');
    Ok(hierarchies()?.into_iter().map(|root| root.join(relative)).filter(|path| path.exists()).collect())
}

/// The directory of a cgroup in a version 1 hierarchy.
pub fn v1(controller: &str, cgroup: &str) -> PathBuf {
    Path::new(ROOT).join(controller).join(cgroup.trim_start_matches('/'))
}

/// A file of a cgroup in a version 1 hierarchy.
pub fn value(controller: &str, cgroup: &str, file: &str) -> Result<String> {
    let path = v1(controller, cgroup).join(file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path:?}"))?;
    Ok(text.trim().to_string())
}

/// The processes in a cgroup.
pub fn processes(directory: &Path) -> Result<Vec<i32>> {
    let text = std::fs::read_to_string(directory.join("cgroup.procs"))?;
    Ok(text.lines().map(str::parse).collect::<Result<_, _>>()?)
}

/// Why tests of version 1 limits cannot run here, if so.
pub fn lacks_v1(controllers: &[&str]) -> Option<String> {
    if layout() == Layout::Unified {
        return Some("this machine has no cgroup v1".into());
    }
    let missing = controllers.iter().find(|name| !Path::new(ROOT).join(name).join("cgroup.procs").exists());
    missing.map(|name| format!("this machine has no v1 hierarchy of {name}"))
}
