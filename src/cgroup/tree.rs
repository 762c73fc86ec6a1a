//! Walking a cgroup and those below it. A container that may make cgroups decides how many and how deep, so
//! nothing here recurses: one open directory a level, and running out of those is an error, not a crash.

use std::ffi::OsString;
use std::path::Path;
use std::vec::IntoIter;

use nix::Result;

use super::directory::{Directory, is_gone};

struct Level {
    name: OsString,
    directory: Directory,
    children: IntoIter<OsString>,
}

impl Level {
    fn open(parent: &Directory, name: OsString) -> Result<Level> {
        let directory = parent.open(Path::new(&name))?;
        let children = directory.children()?.into_iter();
        Ok(Level { name, directory, children })
    }
}

/// Shows `visit` the cgroup and each below it, parents first. A descendant that goes away meanwhile is passed
/// over.
pub fn visit(top: &Directory, visit: &mut dyn FnMut(&Directory) -> Result<()>) -> Result<()> {
    visit(top)?;
    let mut levels = vec![Level::open(top, OsString::new())?];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.children.next() else {
            levels.pop();
            continue;
        };
        let child =
            Level::open(&level.directory, name).and_then(|child| visit(&child.directory).map(|()| child));
        match child {
            Ok(child) => levels.push(child),
            Err(errno) if is_gone(errno) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes every cgroup below `top`, deepest first; EBUSY if one has processes.
pub fn remove_below(top: &Directory) -> Result<()> {
    let mut levels = vec![Level::open(top, OsString::new())?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.children.next() {
            match Level::open(&level.directory, name) {
                Ok(child) => levels.push(child),
                Err(errno) if is_gone(errno) => {}
                Err(errno) => return Err(errno),
            }
            continue;
        }
        let emptied = levels.pop();
        let (Some(emptied), Some(parent)) = (emptied, levels.last()) else { break };
        match parent.directory.remove(&emptied.name) {
            Err(errno) if !is_gone(errno) => return Err(errno),
            _ => {}
        }
    }
    Ok(())
}
