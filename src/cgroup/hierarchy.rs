//! A container's place in each hierarchy, ready to be opened.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::directory::{Directory, Version, is_gone};
use super::location::Location;
use crate::fail;
use crate::report::{Code, Context, Result};

/// The cgroup mounts that have been found so far: they are the same for every container.
#[derive(Debug, Default)]
pub struct Mounts(RefCell<Vec<(Rc<Directory>, Version)>>);

impl Mounts {
    /// The mount that holds `path`, and the rest of the path below it; None where there is none.
    fn find(&self, path: &Path) -> nix::Result<Option<(Rc<Directory>, Version, PathBuf)>> {
        // What was found is the first cgroup mount on the way down, and so it is for whatever lies below its path.
        for (top, version) in self.0.borrow().iter() {
            if let Ok(below) = path.strip_prefix(top.path()) {
                return Ok(Some((Rc::clone(top), *version, below.to_owned())));
            }
        }
        let Some((top, version, below)) = Directory::mount_of(path)? else { return Ok(None) };
        let top = Rc::new(top);
        self.0.borrow_mut().push((Rc::clone(&top), version));
        Ok(Some((top, version, below)))
    }
}

/// One hierarchy and where in it the container is.
#[derive(Debug)]
pub struct Hierarchy {
    key: String,
    version: Version,
    top: Rc<Directory>,
    below: PathBuf,
}

impl Hierarchy {
    /// Every hierarchy of a location that is mounted; one that is not (any more) is left out.
    ///
    /// # Errors
    /// A path that lies on the wrong kind of filesystem for its key, or is a hierarchy's top.
    pub fn open_all(location: &Location) -> Result<Vec<Hierarchy>> {
        Self::open_some(location, &Mounts::default(), |_| true)
    }

    /// The same for those of which `wanted` says so by their key.
    pub fn open_some(
        location: &Location,
        mounts: &Mounts,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Hierarchy>> {
        let mut hierarchies = Vec::new();
        for (key, path) in location.paths.iter().filter(|(key, _)| wanted(key)) {
            let found = mounts.find(path).with_context(|| format!("find the cgroup mount of {path:?}"));
            let Some((top, version, below)) = found.code(Code::Cgroup)? else { continue };
            let expected = if key.is_empty() { Version::V2 } else { Version::V1 };
            if version != expected {
                fail!(
                    Code::Cgroup,
                    "cgroup {path:?} is recorded as {expected:?} but {:?} is {version:?}",
                    top.path()
                );
            }
            if below.as_os_str().is_empty() {
                fail!(Code::Cgroup, "{path:?} is the top of a cgroup hierarchy, not a container's cgroup");
            }
            hierarchies.push(Hierarchy { key: key.clone(), version, top, below });
        }
        Ok(hierarchies)
    }

    /// Its controllers joined by `,`; "" for the unified tree.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether this is the unified tree.
    pub fn is_unified(&self) -> bool {
        self.version == Version::V2
    }

    /// Whether this v1 hierarchy has the controller (or is the named one, `name=systemd`).
    pub fn has(&self, controller: &str) -> bool {
        !self.is_unified() && key_has(&self.key, controller)
    }

    /// Whether nothing can be limited in it, where it stands beside others: v1's named ones, the unified tree of a
    /// hybrid.
    pub fn has_no_controllers(&self) -> bool {
        self.is_unified() || self.key.starts_with("name=")
    }

    /// Its top, the mount.
    pub fn top(&self) -> &Directory {
        &self.top
    }

    /// The container's directory relative to the top; never empty.
    pub fn below(&self) -> &Path {
        &self.below
    }

    /// The container's directory, for people.
    pub fn path(&self) -> PathBuf {
        self.top.path().join(&self.below)
    }

    /// The one short line of one of the container's files.
    pub fn read_line(&self, name: &str) -> nix::Result<String> {
        self.top.read_line_below(&self.below, name)
    }

    /// The container's directory, None if it does not exist.
    pub fn directory(&self) -> Result<Option<Directory>> {
        match self.top.open(&self.below) {
            Err(errno) if is_gone(errno) => Ok(None),
            opened => {
                opened.map(Some).with_context(|| format!("open cgroup {:?}", self.path())).code(Code::Cgroup)
            }
        }
    }

    /// The container's directory, an error if it does not exist.
    pub fn existing(&self) -> Result<Directory> {
        self.top
            .open(&self.below)
            .with_context(|| format!("open cgroup {:?}", self.path()))
            .code(Code::Cgroup)
    }

    /// The directory above the container's, None if it does not exist, and the container's name in it.
    pub fn parent(&self) -> Result<Option<(Directory, &OsStr)>> {
        let above = self.below.parent().unwrap_or(Path::new(""));
        let name = self.below.file_name().unwrap_or_default();
        match self.top.open(above) {
            Err(errno) if is_gone(errno) => Ok(None),
            opened => {
                let what = || format!("open cgroup {:?}", self.top.path().join(above));
                Ok(Some((opened.with_context(what).code(Code::Cgroup)?, name)))
            }
        }
    }
}

/// Whether a v1 hierarchy of this key has the controller.
pub fn key_has(key: &str, controller: &str) -> bool {
    key.split(',').any(|name| name == controller)
}

/// The unified tree where it is all there is: then it carries every controller.
pub fn sole_unified(hierarchies: &[Hierarchy]) -> Option<&Hierarchy> {
    match hierarchies {
        [only] if only.is_unified() => Some(only),
        _ => None,
    }
}

/// The unified tree, alone or beside v1 hierarchies.
pub fn unified(hierarchies: &[Hierarchy]) -> Option<&Hierarchy> {
    hierarchies.iter().find(|hierarchy| hierarchy.is_unified())
}

/// The one that says who is in the container: the one that protects the host from it, so that nobody is in
/// there by halves.
pub fn primary(hierarchies: &[Hierarchy]) -> Option<&Hierarchy> {
    hierarchies.iter().find(|hierarchy| hierarchy.has("devices")).or(hierarchies.first())
}
