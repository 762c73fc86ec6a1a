//! Paths inside a root, resolved once to a descriptor (openat2 RESOLVE_IN_ROOT, `man 2 openat2`).
//! Nothing here can leave the root, whatever symlinks an image or a racing neighbour makes.
//! EAGAIN (a rename race) is retried a bounded number of times.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::Result;

/// A place: a directory that paths cannot leave.
pub struct Root(OwnedFd);

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A directory of the root and the one component below it that is meant.
pub struct Entry {
    pub parent: OwnedFd,
    pub name: OsString,
}

impl Root {
    /// From an open directory.
    pub fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }
    /// Opens `/` of this mount namespace (O_PATH|O_DIRECTORY).
    pub fn current() -> Result<Self> {
        todo!()
    }
    /// O_PATH handle of what `path` names, symlinks followed inside the root, never magic links.
    pub fn resolve(&self, path: &Path) -> Result<OwnedFd> {
        todo!()
    }
    /// The same, but a symlink as last component is itself the answer (O_NOFOLLOW).
    pub fn resolve_nofollow(&self, path: &Path) -> Result<OwnedFd> {
        todo!()
    }
    /// The same, but any symlink in the path is an error (ELOOP; RESOLVE_NO_SYMLINKS).
    pub fn resolve_plain(&self, path: &Path) -> Result<OwnedFd> {
        todo!()
    }
    /// Makes what is missing of a directory, mode 0755, component by component; returns an O_PATH
    /// handle of it. Symlinks to directories inside the root are followed; a dangling symlink's target is made
    /// inside the root as well (runc does the same). A file in the way is ENOTDIR.
    pub fn make_directory(&self, path: &Path, mode: u32) -> Result<OwnedFd> {
        todo!()
    }
    /// Finds or makes (O_CREAT|O_EXCL|O_NOFOLLOW) an empty regular file as a mount target, parents too.
    pub fn make_file(&self, path: &Path, mode: u32) -> Result<OwnedFd> {
        todo!()
    }
    /// The directory above `path` (made if missing) and the last component, to act on with *at calls.
    pub fn make_parent(&self, path: &Path) -> Result<Entry> {
        todo!()
    }
    /// The directory above `path`, which must exist, and the last component.
    pub fn parent(&self, path: &Path) -> Result<Entry> {
        todo!()
    }
    /// A regular file's content, at most `limit` bytes (EFBIG above), never blocking on a fifo or device.
    pub fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>> {
        todo!()
    }
}
