//! `tmpcopyup`: what a tmpfs covers is copied into it first, before anyone can see it.
//!
//! The source is an image's: every entry is opened by one component without following links, and
//! its type is looked at before and after, so a device or a fifo is never opened.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, futimens, mkdirat, mknodat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use crate::report::{Context, Result};

/// Deeper than this no real tree is; each level holds two descriptors.
const DEPTH: usize = 200;

/// Copies all that is in `from` into `to`, owners, modes and times too.
pub fn tree(from: BorrowedFd, to: BorrowedFd) -> Result<()> {
    let source = open_directory(from, c".")?;
    let target = open_directory(to, c".")?;
    directory(&source, &target, 0)
}

fn directory(from: &OwnedFd, to: &OwnedFd, depth: usize) -> Result<()> {
    if depth > DEPTH {
        return Err(Errno::ELOOP).context("a directory tree this deep is not copied");
    }
    for name in names(from)? {
        entry(from, to, &name, depth).with_context(|| format!("copy {name:?}"))?;
    }
    let stat = fstat(from).context("stat the directory")?;
    take_over(to.as_fd(), &stat)
}

/// The names, read before anything is opened below.
fn names(directory: &OwnedFd) -> Result<Vec<CString>> {
    let copy = directory.try_clone().context("open the directory")?;
    let mut listing = Dir::from_fd(copy).context("list the directory")?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let name = entry.context("list the directory")?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn entry(from: &OwnedFd, to: &OwnedFd, name: &CStr, depth: usize) -> Result<()> {
    let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW).context("stat")?;
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    if kind == SFlag::S_IFDIR {
        mkdirat(to, name, Mode::S_IRWXU).context("make the directory")?;
        return directory(
            &open_directory(from.as_fd(), name)?,
            &open_directory(to.as_fd(), name)?,
            depth + 1,
        );
    }
    if kind == SFlag::S_IFREG {
        return file(from, to, name);
    }
    if kind == SFlag::S_IFLNK {
        let target = readlinkat(from, name).context("read the link")?;
        symlinkat(target.as_bytes(), to, name).context("make the link")?;
    } else {
        mknodat(to, name, kind, Mode::from_bits_truncate(stat.st_mode & 0o7777), stat.st_rdev)
            .context("make the node")?;
    }
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fchownat(to, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW).context("set the owner")
}

fn file(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<()> {
    // Non-blocking, in case a fifo has taken the file's place since the stat.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let source = openat(from, name, flags, Mode::empty()).context("open")?;
    let stat = fstat(&source).context("stat")?;
    if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        return Err(Errno::EINVAL).context("it changed while it was copied");
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let target = openat(to, name, flags, Mode::S_IRUSR | Mode::S_IWUSR).context("create")?;
    let (mut source, mut target) = (File::from(source), File::from(target));
    io::copy(&mut source, &mut target).context("copy")?;
    take_over(target.as_fd(), &stat)
}

/// Owner, then mode (chown clears set-id bits), then times.
fn take_over(to: BorrowedFd, stat: &FileStat) -> Result<()> {
    fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
        .context("set the owner")?;
    fchmod(to, Mode::from_bits_truncate(stat.st_mode & 0o7777)).context("set the mode")?;
    let accessed = TimeSpec::new(stat.st_atime, stat.st_atime_nsec);
    let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    futimens(to, &accessed, &modified).context("set the times")
}

fn open_directory(parent: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty()).context("open the directory")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_tree_is_copied_with_links_modes_and_owners() {
        let base = std::env::temp_dir().join(format!("trug-copy-up-{}", std::process::id()));
        let (from, to) = (base.join("from"), base.join("to"));
        fs::create_dir_all(from.join("d")).unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::write(from.join("d/f"), "text").unwrap();
        fs::set_permissions(from.join("d/f"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("/etc/passwd", from.join("l")).unwrap();
        nix::unistd::mkfifo(&from.join("p"), Mode::S_IRWXU).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1777)).unwrap();

        tree(fs::File::open(&from).unwrap().as_fd(), fs::File::open(&to).unwrap().as_fd()).unwrap();

        assert_eq!(fs::read_to_string(to.join("d/f")).unwrap(), "text");
        assert_eq!(fs::metadata(to.join("d/f")).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_link(to.join("l")).unwrap().to_str(), Some("/etc/passwd"));
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(fs::symlink_metadata(to.join("p")).unwrap().mode() & 0o170000, 0o010000);
        fs::remove_dir_all(base).unwrap();
    }
}
