//! Walking a cgroup and those below it. A container that may make cgroups decides how many and how deep, so
//! nothing here recurses, and only the deepest levels are held open: no container can make itself one that cannot be
//! removed.

use std::ffi::OsString;
use std::path::Path;
use std::vec::IntoIter;

use nix::Result;
use nix::errno::Errno;

use super::directory::{Directory, is_gone};

/// How many levels are held open: well below the usual limit of 1024 descriptors. Those above are opened again
/// on the way back, as many at a time.
const OPEN: usize = 128;

struct Level {
    name: OsString,
    /// None once it is too far up.
    directory: Option<Directory>,
    children: IntoIter<OsString>,
}

impl Level {
    fn open(parent: &Directory, name: OsString) -> Result<Level> {
        let directory = parent.open(Path::new(&name))?;
        let children = directory.children()?.into_iter();
        Ok(Level { name, directory: Some(directory), children })
    }
}

/// The way from the top to where a walk is.
struct Way<'a> {
    top: &'a Directory,
    /// The first is the top itself.
    levels: Vec<Level>,
}

impl<'a> Way<'a> {
    fn from(top: &'a Directory) -> Result<Self> {
        Ok(Self { top, levels: vec![Level::open(top, OsString::new())?] })
    }

    /// The next child of the deepest level; None where there is no more.
    fn next_child(&mut self) -> Option<OsString> {
        self.levels.last_mut()?.children.next()
    }

    fn down(&mut self, child: Level) {
        self.levels.push(child);
        if let Some(far) = self.levels.len().checked_sub(OPEN + 1) {
            self.levels[far].directory = None;
        }
    }

    /// Goes up by one; the name of what was left. None at the top.
    fn up(&mut self) -> Option<OsString> {
        let left = self.levels.pop()?;
        (!self.levels.is_empty()).then_some(left.name)
    }

    /// The directory of the deepest level.
    fn here(&mut self) -> Result<&Directory> {
        if self.levels.last().is_some_and(|level| level.directory.is_none()) {
            self.open_again()?;
        }
        self.levels.last().and_then(|level| level.directory.as_ref()).ok_or(Errno::ENOENT)
    }

    fn open_again(&mut self) -> Result<()> {
        let depth = self.levels.len();
        let mut parent = self.top.open(Path::new(""))?;
        for (index, level) in self.levels.iter_mut().enumerate() {
            let directory = parent.open(Path::new(&level.name))?;
            parent = directory.open(Path::new(""))?;
            if index + OPEN >= depth {
                level.directory = Some(directory);
            }
        }
        Ok(())
    }
}

/// Shows `visit` the cgroup and each below it, parents first. A descendant that goes away meanwhile is passed
/// over.
pub fn visit(top: &Directory, visit: &mut dyn FnMut(&Directory) -> Result<()>) -> Result<()> {
    visit(top)?;
    let mut way = Way::from(top)?;
    loop {
        let Some(name) = way.next_child() else {
            match way.up() {
                Some(_) => continue,
                None => return Ok(()),
            }
        };
        let child = way.here().and_then(|parent| Level::open(parent, name));
        let shown = child.and_then(|child| {
            if let Some(directory) = &child.directory {
                visit(directory)?;
            }
            Ok(child)
        });
        match shown {
            Ok(child) => way.down(child),
            Err(errno) if is_gone(errno) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Removes every cgroup below `top`, deepest first; EBUSY if one has processes.
pub fn remove_below(top: &Directory) -> Result<()> {
    let mut way = Way::from(top)?;
    loop {
        if let Some(name) = way.next_child() {
            match way.here().and_then(|parent| Level::open(parent, name)) {
                Ok(child) => way.down(child),
                Err(errno) if is_gone(errno) => {}
                Err(errno) => return Err(errno),
            }
            continue;
        }
        let Some(emptied) = way.up() else { return Ok(()) };
        match way.here().and_then(|parent| parent.remove(&emptied)) {
            Err(errno) if !is_gone(errno) => return Err(errno),
            _ => {}
        }
    }
}
