//! Paths inside a root, resolved once to a descriptor (openat2 RESOLVE_IN_ROOT, `man 2 openat2`).
//! Nothing here can leave the root, whatever symlinks an image or a racing neighbour makes, and nothing here opens
//! with O_TRUNC. EAGAIN (a rename race) is retried a bounded number of times.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};

use super::credentials::without_umask;
use super::{Errno, Result};

/// How often a lookup that met a rename or mount is tried again before it fails with EAGAIN. Each try is about 5 µs,
/// and the kernel only asks for it when `..` is in play.
const RACE_RETRIES: usize = 128;
/// MAXSYMLINKS (linux/namei.h): how many symlinks the kernel follows in one path; ELOOP after that.
const MAX_LINKS: usize = 40;
/// Parents that are made on the way to something.
pub const PARENT_MODE: u32 = 0o755;

/// A place: a directory that paths cannot leave. `/` and `..` at the top mean the place itself.
pub struct Root(OwnedFd);

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A directory of the root and the one component below it that is meant: never empty, `.`, `..` or with a slash.
pub struct Entry {
    pub parent: OwnedFd,
    pub name: OsString,
}

/// What is to be at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Directory,
    File,
}

/// What came of making one component.
enum Made {
    Handle(OwnedFd),
    /// There is a symlink of that name: its target is meant.
    Link(PathBuf),
}

impl Root {
    /// From an open directory.
    pub fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// Opens `/` of this mount namespace (O_PATH|O_DIRECTORY).
    pub fn current() -> Result<Self> {
        open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map(Self)
    }

    /// O_PATH handle of what `path` names, symlinks followed inside the root, never magic links (ELOOP).
    pub fn resolve(&self, path: &Path) -> Result<OwnedFd> {
        self.lookup(path, OFlag::O_PATH, ResolveFlag::empty())
    }

    /// The same, but a symlink as last component is itself the answer (O_NOFOLLOW).
    pub fn resolve_nofollow(&self, path: &Path) -> Result<OwnedFd> {
        self.lookup(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, ResolveFlag::empty())
    }

    /// The same, but any symlink in the path is an error (ELOOP; RESOLVE_NO_SYMLINKS).
    pub fn resolve_plain(&self, path: &Path) -> Result<OwnedFd> {
        self.lookup(path, OFlag::O_PATH, ResolveFlag::RESOLVE_NO_SYMLINKS)
    }

    /// Makes what is missing of a directory, component by component; returns an O_PATH handle of it. The last component
    /// gets `mode`, missing parents 0755, whatever the umask. Symlinks are followed inside the root, and the missing
    /// target of a dangling one is made inside the root as well (runc does the same). A file in the way is ENOTDIR.
    pub fn make_directory(&self, path: &Path, mode: u32) -> Result<OwnedFd> {
        self.make(path, Leaf::Directory, mode)
    }

    /// Finds or makes (O_CREAT|O_EXCL|O_NOFOLLOW) an empty regular file as a mount target, parents too. What is there
    /// already is taken as it is, be it a file, a device or a socket, and never opened; but a directory is EISDIR.
    pub fn make_file(&self, path: &Path, mode: u32) -> Result<OwnedFd> {
        self.make(path, Leaf::File, mode)
    }

    /// The directory above `path` (made if missing) and the last component, to act on with *at calls.
    /// EINVAL: the path does not end in a name.
    pub fn make_parent(&self, path: &Path) -> Result<Entry> {
        let (parent, name) = split(path)?;
        Ok(Entry { parent: self.make_directory(parent, PARENT_MODE)?, name })
    }

    /// The directory above `path`, which must exist, and the last component.
    #[cfg(test)]
    pub fn parent(&self, path: &Path) -> Result<Entry> {
        let (parent, name) = split(path)?;
        Ok(Entry { parent: self.directory(parent)?, name })
    }

    /// A regular file's content, at most `limit` bytes (EFBIG above), never blocking on a fifo or device: what is not
    /// a regular file is EINVAL (a directory EISDIR), and is not opened.
    pub fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>> {
        let found = fstat(self.resolve(path)?)?;
        require_regular(&found)?;
        // It may be swapped at this very moment: the second look is at what was really opened.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = self.lookup(path, flags, ResolveFlag::empty())?;
        require_regular(&fstat(&file)?)?;
        super::fd::read_to_end(file.as_fd(), limit)
    }

    /// A character device, opened for reading and writing: ENXIO where something else is there, which is not opened.
    pub fn open_char(&self, path: &Path, (major, minor): (u32, u32)) -> Result<OwnedFd> {
        let is_wanted = |found: &OwnedFd| super::device::is_char(found.as_fd(), major, minor);
        if !is_wanted(&self.resolve(path)?) {
            return Err(Errno::ENXIO);
        }
        // As in `read`.
        let file = self.lookup(path, OFlag::O_RDWR | OFlag::O_NOCTTY, ResolveFlag::empty())?;
        if is_wanted(&file) { Ok(file) } else { Err(Errno::ENXIO) }
    }

    fn directory(&self, path: &Path) -> Result<OwnedFd> {
        self.lookup(path, OFlag::O_PATH | OFlag::O_DIRECTORY, ResolveFlag::empty())
    }

    fn lookup(&self, path: &Path, flags: OFlag, resolve: ResolveFlag) -> Result<OwnedFd> {
        let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve | inside);
        let path = relative(path);
        for _ in 0..RACE_RETRIES {
            match openat2(&self.0, path, how) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                outcome => return outcome,
            }
        }
        Err(Errno::EAGAIN)
    }

    /// The kernel resolves all that exists; only what is missing after that is made here, one component at a time and
    /// never through a symlink. A symlink in the way is replaced by its target in the path, which starts over.
    fn make(&self, path: &Path, leaf: Leaf, mode: u32) -> Result<OwnedFd> {
        let mut path = path.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.existing(&path, leaf) {
                Err(Errno::ENOENT) => {}
                outcome => return outcome,
            }
            match self.make_missing(&path, leaf, mode)? {
                Made::Handle(handle) => return Ok(handle),
                Made::Link(target) => path = target,
            }
        }
        Err(Errno::ELOOP)
    }

    fn existing(&self, path: &Path, leaf: Leaf) -> Result<OwnedFd> {
        if leaf == Leaf::Directory {
            return self.directory(path);
        }
        let found = self.resolve(path)?;
        if kind(&fstat(&found)?) == SFlag::S_IFDIR { Err(Errno::EISDIR) } else { Ok(found) }
    }

    /// Makes all components after the deepest directory that exists; or the path to go on with instead.
    fn make_missing(&self, path: &Path, leaf: Leaf, mode: u32) -> Result<Made> {
        let (mut here, mut walked, mut missing) = self.deepest_directory(path)?;
        while let Some(name) = missing.pop_front() {
            if name == ".." {
                // Only the kernel may take a step up: it knows where the root is.
                return Ok(Made::Link(join(walked.join(name), missing)));
            }
            let made = match missing.is_empty() {
                true if leaf == Leaf::File => make_file_in(here.as_fd(), &name, mode)?,
                true => make_directory_in(here.as_fd(), &name, mode)?,
                false => make_directory_in(here.as_fd(), &name, PARENT_MODE)?,
            };
            match made {
                Made::Handle(next) => here = next,
                Made::Link(target) => return Ok(Made::Link(join(walked.join(target), missing))),
            }
            walked.push(name);
        }
        Ok(Made::Handle(here))
    }

    /// The longest prefix of `path` that is a directory, as a handle and as a path, and the components after it, at
    /// least one.
    fn deepest_directory(&self, path: &Path) -> Result<(OwnedFd, PathBuf, VecDeque<OsString>)> {
        let mut walked = components(path);
        let mut missing = VecDeque::new();
        while let Some(name) = walked.pop() {
            missing.push_front(name);
            let prefix = Path::new("/").join(PathBuf::from_iter(&walked));
            match self.directory(&prefix) {
                Ok(directory) => return Ok((directory, prefix, missing)),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        // The empty path, or a root that was removed.
        Err(Errno::ENOENT)
    }
}

fn make_directory_in(parent: BorrowedFd, name: &OsStr, mode: u32) -> Result<Made> {
    match without_umask(|| mkdirat(parent, name, Mode::from_bits_truncate(mode))) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ENOTDIR) => link_or(parent, name, Errno::ENOTDIR),
        outcome => outcome.map(Made::Handle),
    }
}

fn make_file_in(parent: BorrowedFd, name: &OsStr, mode: u32) -> Result<Made> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    match without_umask(|| openat(parent, name, flags, Mode::from_bits_truncate(mode))) {
        // A dangling symlink, or somebody else was faster: the next round finds what it made.
        Err(Errno::EEXIST) => match link_or(parent, name, Errno::EEXIST) {
            Err(Errno::EEXIST) => take_made_file(parent, name),
            outcome => outcome,
        },
        outcome => outcome.map(Made::Handle),
    }
}

fn take_made_file(parent: BorrowedFd, name: &OsStr) -> Result<Made> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let found = openat(parent, name, flags, Mode::empty())?;
    match kind(&fstat(&found)?) {
        SFlag::S_IFDIR => Err(Errno::EISDIR),
        SFlag::S_IFLNK => Err(Errno::ELOOP),
        _ => Ok(Made::Handle(found)),
    }
}

/// The target of the symlink `name`; `errno` if it is none.
fn link_or(parent: BorrowedFd, name: &OsStr, errno: Errno) -> Result<Made> {
    match readlinkat(parent, name) {
        Ok(target) => Ok(Made::Link(PathBuf::from(target))),
        Err(Errno::EINVAL) => Err(errno),
        Err(other) => Err(other),
    }
}

/// Without the slashes at its start, which mean the root that the lookup is in anyway: so no absolute path is ever given
/// to the kernel, and a trace of a container's start shows none but mistakes.
fn relative(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    match bytes.iter().position(|&byte| byte != b'/') {
        Some(start) => Path::new(OsStr::from_bytes(&bytes[start..])),
        None if bytes.is_empty() => path,
        None => Path::new("."),
    }
}

/// Splits off the last component; the rest is never empty. EINVAL: the path does not end in a name.
pub fn split(path: &Path) -> Result<(&Path, OsString)> {
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => {
            let parent = if parent.as_os_str().is_empty() { Path::new("/") } else { parent };
            Ok((parent, name.to_owned()))
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Without the slash that `Path::join` leaves at the end where there is nothing more to join.
fn join(path: PathBuf, rest: VecDeque<OsString>) -> PathBuf {
    rest.into_iter().fold(path, |path, name| path.join(name))
}

/// Names and `..`, without `/` and `.`.
fn components(path: &Path) -> Vec<OsString> {
    let meaningful = |component: &Component| matches!(component, Component::Normal(_) | Component::ParentDir);
    path.components().filter(meaningful).map(|component| component.as_os_str().to_owned()).collect()
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn require_regular(stat: &FileStat) -> Result<()> {
    match kind(stat) {
        SFlag::S_IFREG => Ok(()),
        SFlag::S_IFDIR => Err(Errno::EISDIR),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests;
