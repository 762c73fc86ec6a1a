//! The store: `<root>/<id>/` is a container, and making that directory is the claim on the id.
//!
//! Every act is by descriptor and one component, so a directory that is swapped or removed under us
//! is an error and never another container. What is read is bounded and may be damaged: the answer
//! is then an error that names the file, never a panic and never a guess.

mod container;
mod files;
mod id;

use std::fs::DirBuilder;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};

pub use container::{Container, Observer};
pub use id::ContainerId;

use crate::fail;
use crate::linux::{Errno, fd};
use crate::report::{Code, Context, Error, Result};

/// The state, rewritten whole at each step.
pub const STATE_FILE: &str = "state.json";
/// Where the cgroup is, and no more: what a damaged state.json leaves to clean up by.
pub const CGROUP_FILE: &str = "cgroup.json";
/// The resctrl group, where there is one.
pub const RESCTRL_FILE: &str = "resctrl.json";
/// The config in force: the bundle's, as it was at create.
pub const CONFIG_FILE: &str = "config.json";
/// The gate that `start` opens; it is gone once that has happened.
pub const START_FIFO: &str = "exec.fifo";

/// For a user without a place for containers.
const NO_PLACE: &str = "set XDG_RUNTIME_DIR to a directory of your own, or give one with --root";

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// All containers below one `--root`.
pub struct Store {
    directory: Rc<OwnedFd>,
    path: PathBuf,
}

impl Store {
    /// Opens the store, made (0700, with parents) where it is missing.
    ///
    /// # Errors
    /// It cannot be made, or something else than a directory stands there.
    pub fn open(root: &Path) -> Result<Self> {
        if let Some(store) = Self::open_existing(root)? {
            return Ok(store);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .with_context(|| format!("make root directory {root:?}"))
            .map_err(|error| match error.errno() {
                Some(Errno::EACCES) => error.hint(NO_PLACE),
                _ => error,
            })?;
        match Self::open_existing(root)? {
            Some(store) => Ok(store),
            None => fail!(Code::System, "root directory {root:?} was removed just now"),
        }
    }

    /// Opens the store; None where nothing was ever stored.
    pub fn open_existing(root: &Path) -> Result<Option<Self>> {
        match fd::open(root, DIRECTORY) {
            Ok(directory) => Ok(Some(Self { directory: Rc::new(directory), path: root.to_owned() })),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno @ Errno::EACCES) => {
                Err(errno).with_context(|| format!("open root directory {root:?}")).hint(NO_PLACE)
            }
            Err(errno) => Err(errno).with_context(|| format!("open root directory {root:?}")),
        }
    }

    /// Claims an id, and takes the container's lock. On a later failure the caller discards it.
    ///
    /// # Errors
    /// `Code::Exists` where the id is taken; then nothing was touched.
    pub fn reserve(&self, id: &ContainerId) -> Result<Container> {
        match mkdirat(&self.directory, id.as_str(), Mode::S_IRWXU) {
            Ok(()) => {}
            Err(Errno::EEXIST) => fail!(Code::Exists, "container with given ID already exists"),
            Err(errno) => {
                return Err(errno).with_context(|| format!("make {:?}", self.path.join(id.as_str())));
            }
        }
        let mut container = self.find(id)?;
        container.lock()?;
        Ok(container)
    }

    /// Opens a container's directory; takes no lock and reads nothing.
    ///
    /// # Errors
    /// `Code::NotFound` where there is none.
    pub fn find(&self, id: &ContainerId) -> Result<Container> {
        self.find_by(id, DIRECTORY)
    }

    /// The same, to look at it: it can be read, and not be locked. (A directory that is open for more than its place takes
    /// the kernel half as long again.)
    pub fn find_to_look(&self, id: &ContainerId) -> Result<Container> {
        self.find_by(id, DIRECTORY | OFlag::O_PATH)
    }

    fn find_by(&self, id: &ContainerId, flags: OFlag) -> Result<Container> {
        match openat(&self.directory, id.as_str(), flags | OFlag::O_NOFOLLOW, Mode::empty()) {
            Ok(directory) => {
                let root = Rc::clone(&self.directory);
                Ok(Container::new(id.clone(), root, directory, self.path.join(id.as_str())))
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Err(not_found()),
            Err(errno) => Err(errno).with_context(|| format!("open {:?}", self.path.join(id.as_str()))),
        }
    }

    /// Names of all directories that can be containers, sorted.
    pub fn ids(&self) -> Result<Vec<String>> {
        let reading = || format!("read root directory {:?}", self.path);
        let mut directory =
            Dir::openat(&self.directory, ".", DIRECTORY, Mode::empty()).with_context(reading)?;
        let mut ids = Vec::new();
        for entry in directory.iter() {
            let entry = entry.with_context(reading)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if ContainerId::new(name).is_ok() && files::is_directory(self.directory.as_fd(), &entry)? {
                ids.push(name.to_owned());
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

/// What callers of runtimes match to learn that there is no such container.
pub(crate) fn not_found() -> Error {
    Error::new(Code::NotFound, "container does not exist")
}

#[cfg(test)]
mod tests;
