//! Small files of a directory, by its descriptor: written whole or not at all, read with a bound.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::{Dir, Entry, Type};
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::linux::{self, Errno};

/// Deeper trees than this are not ours.
const DEEPEST: usize = 16;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

const PRIVATE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Replaces `name` by a file with these bytes; a reader sees the old or the new, never a part.
/// Writers of one name must hold a lock against each other.
pub fn replace(directory: BorrowedFd, name: &str, bytes: &[u8]) -> linux::Result<()> {
    let temporary = format!(".{name}.{}", std::process::id());
    let created = match create(directory, &temporary, bytes) {
        // It was left by a crash of an earlier process with our number.
        Err(Errno::EEXIST) => {
            remove_file(directory, &temporary).and_then(|()| create(directory, &temporary, bytes))
        }
        created => created,
    };
    let written = created.and_then(|()| renameat(directory, temporary.as_str(), directory, name));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = remove_file(directory, &temporary);
    }
    written
}

/// Makes a new file with these bytes; EEXIST where there is one.
pub fn create(directory: BorrowedFd, name: &str, bytes: &[u8]) -> linux::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(directory, name, flags, PRIVATE)?;
    // Not synced to disk: what a crash of the machine could damage is the record of containers that died with it,
    // and a damaged record is one that `list` passes over and `delete --force` removes.
    linux::fd::write_all(file.as_fd(), bytes)
}

/// Reads a regular file of at most `limit` bytes; EINVAL for anything that is not one.
pub fn read(directory: BorrowedFd, name: &str, limit: usize) -> linux::Result<Vec<u8>> {
    // O_NONBLOCK: a fifo in its place must not make us wait.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    let status = fstat(&file)?;
    if kind(status.st_mode) != SFlag::S_IFREG {
        return Err(Errno::EINVAL);
    }
    linux::fd::read_regular(file.as_fd(), status.st_size, limit)
}

/// Whether something of this name is there.
pub fn exists(directory: BorrowedFd, name: &str) -> linux::Result<bool> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Removes a file; one that is not there is fine.
fn remove_file(directory: BorrowedFd, name: &str) -> linux::Result<()> {
    gone_is_fine(unlinkat(directory, name, UnlinkatFlags::NoRemoveDir))
}

/// Removes whatever has this name, a directory with all below it, never following a symlink.
pub fn remove(directory: BorrowedFd, name: &CStr) -> linux::Result<()> {
    remove_to(directory, name, DEEPEST)
}

/// Removes all that is in a directory, never following a symlink.
pub fn empty(directory: BorrowedFd) -> linux::Result<()> {
    empty_to(directory, DEEPEST)
}

fn remove_to(directory: BorrowedFd, name: &CStr, depth: usize) -> linux::Result<()> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR) => {}
        other => return gone_is_fine(other),
    }
    let below: OwnedFd = openat(directory, name, DIRECTORY, Mode::empty())?;
    empty_to(below.as_fd(), depth)?;
    gone_is_fine(unlinkat(directory, name, UnlinkatFlags::RemoveDir))
}

fn empty_to(directory: BorrowedFd, depth: usize) -> linux::Result<()> {
    let depth = depth.checked_sub(1).ok_or(Errno::ELOOP)?;
    let mut listing = Dir::openat(directory, ".", DIRECTORY, Mode::empty())?;
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            remove_to(directory, name, depth)?;
        }
    }
    Ok(())
}

fn gone_is_fine(result: linux::Result<()>) -> linux::Result<()> {
    match result {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

/// Whether an entry is a directory itself. One that has gone meanwhile is not.
pub fn is_directory(parent: BorrowedFd, entry: &Entry) -> linux::Result<bool> {
    match entry.file_type() {
        Some(known) => Ok(known == Type::Directory),
        None => is_directory_by_stat(parent, entry.file_name()),
    }
}

fn is_directory_by_stat(parent: BorrowedFd, name: &CStr) -> linux::Result<bool> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(kind(stat.st_mode) == SFlag::S_IFDIR),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn kind(mode: u32) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}
