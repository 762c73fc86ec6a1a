//! Directories of cgroup filesystems, held by descriptor.
//!
//! A directory is reached only from a mount that statfs says is a cgroup filesystem, and below it only by
//! openat2 with BENEATH, NO_XDEV and NO_SYMLINKS (security rule R19): whatever a path says, nothing outside
//! the hierarchy is ever opened, written or removed. No path is ever compared as a string to decide what is
//! inside.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::Result;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::linux;

/// Where cgroup filesystems are mounted, on every usual host.
const TOP: &str = "/sys/fs/cgroup";
/// More than any cgroup file holds: `cgroup.procs` of 4 million processes is about 32 MiB.
const READ_LIMIT: u64 = 64 << 20;

/// Which of the two interfaces a hierarchy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// An open directory of a cgroup filesystem.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl From<Directory> for OwnedFd {
    fn from(directory: Directory) -> OwnedFd {
        directory.handle
    }
}

impl Directory {
    /// The mount that holds `path` (absolute, lexically clean), what it speaks, and the rest of the path
    /// below it. That mount is the first directory on the way down that lies on a cgroup filesystem (above
    /// /sys/fs/cgroup none does); None where there is none.
    ///
    /// # Errors
    /// ELOOP where the way to the mount has a symlink, and what open(2) and statfs(2) answer.
    pub fn mount_of(path: &Path) -> Result<Option<(Directory, Version, PathBuf)>> {
        let usual = path.strip_prefix(TOP).map(|below| (TOP, below));
        let (start, below) = match usual.or_else(|_| path.strip_prefix("/").map(|below| ("/", below))) {
            Ok(found) => found,
            Err(_) => return Err(Errno::EINVAL),
        };
        let handle = match open_outside(AT_FDCWD, Path::new(start)) {
            Err(Errno::ENOENT) => return Ok(None),
            opened => opened?,
        };
        let (mut here, mut components) =
            (Directory { handle, path: PathBuf::from(start) }, below.components());
        loop {
            if let Some(version) = version_of(&here.handle)? {
                return Ok(Some((here, version, components.as_path().to_owned())));
            }
            let Some(name) = components.next() else { return Ok(None) };
            let handle = match open_outside(&here.handle, Path::new(name.as_os_str())) {
                Err(Errno::ENOENT) => return Ok(None),
                opened => opened?,
            };
            here = Directory { handle, path: here.path.join(name) };
        }
    }

    /// Where it is, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory below; `below` is relative, and "" is this one.
    pub fn open(&self, below: &Path) -> Result<Directory> {
        let name = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let handle = open_beneath(self, name, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        Ok(Directory { handle, path: self.path.join(below) })
    }

    /// Makes a child directory; false if it is there already.
    pub fn make(&self, name: &OsStr) -> Result<bool> {
        let mode = Mode::S_IRWXU | Mode::S_IRGRP | Mode::S_IXGRP | Mode::S_IROTH | Mode::S_IXOTH;
        match mkdirat(self, name, mode) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Removes a child directory. EBUSY while it has processes or children.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        unlinkat(self, name, UnlinkatFlags::RemoveDir)
    }

    /// Names of the child cgroups.
    pub fn children(&self) -> Result<Vec<OsString>> {
        use std::os::unix::ffi::OsStrExt;

        let listing = open_beneath(self, Path::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(listing)?.iter() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." && self.is_directory(name, entry.file_type())? {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn is_directory(&self, name: &OsStr, kind: Option<nix::dir::Type>) -> Result<bool> {
        match kind {
            Some(kind) => Ok(kind == nix::dir::Type::Directory),
            None => {
                let status: FileStat = fstatat(self, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                Ok(SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
            }
        }
    }

    /// One of its files. EINVAL for a name that is not one component.
    pub fn open_file(&self, name: &str, flags: OFlag) -> Result<OwnedFd> {
        require_one_component(name)?;
        open_beneath(self, Path::new(name), flags)
    }

    /// The one short line of a file of a directory below, which is not opened itself. Answers as `read`.
    pub fn read_line_below(&self, below: &Path, name: &str) -> Result<String> {
        require_one_component(name)?;
        let file = open_beneath(self, &below.join(name), OFlag::O_RDONLY)?;
        // The kernel makes the line whole for the first read that has room for it.
        let mut line = [0; 64];
        let count = linux::fd::read(file.as_fd(), &mut line)?;
        Ok(String::from_utf8_lossy(&line[..count]).trim().to_owned())
    }

    /// The whole of a file. ENOENT if the controller has no such file here, ENODEV if the cgroup has been
    /// removed.
    pub fn read(&self, name: &str) -> Result<String> {
        read_all(File::from(self.open_file(name, OFlag::O_RDONLY)?))
    }

    /// One write(2) of `value`, as the kernel wants it; one a line where it has several lines.
    pub fn write(&self, name: &str, value: &str) -> Result<()> {
        let file = self.open_file(name, OFlag::O_WRONLY)?;
        if !value.contains('\n') {
            return write_once(file.as_fd(), value);
        }
        value.lines().filter(|line| !line.is_empty()).try_for_each(|line| write_once(file.as_fd(), line))
    }

    /// A directory that is no cgroup, to test what is written without a kernel that has the controller.
    #[cfg(test)]
    pub fn pretend(path: &Path) -> Directory {
        let handle = open_outside(AT_FDCWD, path).expect("open a test directory");
        Directory { handle, path: path.to_owned() }
    }
}

/// True for the answers that mean: this cgroup has been removed meanwhile.
pub fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENODEV)
}

/// The content of an open file, from where it stands.
pub fn read_all(file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.take(READ_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn require_one_component(name: &str) -> Result<()> {
    if name.is_empty() || name.contains('/') { Err(Errno::EINVAL) } else { Ok(()) }
}

fn write_once(file: BorrowedFd, value: &str) -> Result<()> {
    loop {
        match nix::unistd::write(file, value.as_bytes()) {
            Ok(written) if written == value.len() => return Ok(()),
            // The kernel takes a value whole or not at all; half a value is not a value.
            Ok(_) => return Err(Errno::EIO),
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno),
        }
    }
}

fn open_beneath(directory: &Directory, name: &Path, flags: OFlag) -> Result<OwnedFd> {
    let inside =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(inside);
    openat2(&directory.handle, name, how)
}

/// On the way to the mount: other filesystems are crossed, symlinks still are not followed.
fn open_outside(at: impl AsFd, name: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat2(at, name, OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS))
}

fn version_of(directory: &OwnedFd) -> Result<Option<Version>> {
    Ok(match fstatfs(directory)?.filesystem_type() {
        CGROUP_SUPER_MAGIC => Some(Version::V1),
        CGROUP2_SUPER_MAGIC => Some(Version::V2),
        _ => None,
    })
}
