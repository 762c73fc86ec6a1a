//! Our own binary, out of the container's reach (security rules R3, R4): CVE-2019-5736 and its kin.
//! A container can get at the file that a process of ours runs, through /proc/PID/exe; so that file must be one that
//! nobody can write to, by any descriptor, then or later. Nothing here goes on unsealed.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, SealFlag, fcntl, openat};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::sys::statfs::fstatfs;
use nix::sys::statvfs::FsFlags;

use super::mount::{Attr, Attributes, open_tree_clone_fd, set_attributes};
use super::procfs::Proc;
use super::{Result, environment, mountinfo, process};

/// `TRUG_SEAL=memfd` asks for the copy: only that keeps the file's page cache from a container as well.
const CHOICE: &str = "TRUG_SEAL";
/// Tells the second turn what the first did. It decides how the loop goes on, never whether we are sealed.
const TURN: &str = "_TRUG_SEAL_TURN";

/// F_SEAL_EXEC (linux/fcntl.h), Linux 6.3: no change of the x bits.
const F_SEAL_EXEC: SealFlag = SealFlag::from_bits_retain(0x20);
/// MFD_EXEC (linux/memfd.h), Linux 6.3: executable, whatever vm.memfd_noexec makes the default.
const MFD_EXEC: MFdFlags = MFdFlags::from_bits_retain(0x10);
/// Who runs it may read and execute it.
const COPY_MODE: Mode = Mode::from_bits_truncate(0o511);

/// How the running image is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// It was on a read-only filesystem or mount from the start.
    ReadonlyFilesystem,
    /// It was a sealed memfd from the start.
    SealedMemfd,
    /// It is reached through a read-only clone of its directory's mount.
    DirectoryClone,
    /// It is a sealed copy in memory.
    MemfdCopy,
}

/// How often we have been executed, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Clone,
    Copy,
}

/// Re-executes this program once from a sealed view of itself, unless it runs from one already; then makes it not
/// dumpable. Never returns unsealed: an error is an error.
///
/// Must be the first thing in main for commands that enter a container. Arguments, environment and open descriptors are
/// passed on unchanged. Whether we are sealed is read off our own executable each time; the environment is not believed.
///
/// # Errors
/// EACCES: the copy is not allowed (vm.memfd_noexec=2). ELOOP: executed from a copy, and it is not a sealed one.
pub fn ensure() -> Result<Seal> {
    let proc = Proc::open()?;
    let own = proc.open_own_executable(OFlag::O_PATH)?;
    let turn = Turn::take();
    let copy_wanted = std::env::var_os(CHOICE).is_some_and(|choice| choice == "memfd");
    if let Some(seal) = current(&proc, own.as_fd(), turn)?
        && (seal.is_copy() || !copy_wanted)
    {
        // execveat leaves a descriptor's number as our name.
        process::set_name(env!("CARGO_PKG_NAME"))?;
        process::set_dumpable(false)?;
        return Ok(seal);
    }
    if turn == Turn::First && !copy_wanted {
        // Refused to an unprivileged user, or by a security module: then the copy it is.
        if let Ok(image) = through_directory_clone(&proc, own.as_fd()) {
            execute(image.as_fd(), Turn::Clone);
        }
    }
    if turn == Turn::Copy {
        return Err(Errno::ELOOP);
    }
    let image = sealed_copy(&proc)?;
    Err(execute(image.as_fd(), Turn::Copy))
}

impl Seal {
    fn is_copy(self) -> bool {
        matches!(self, Seal::SealedMemfd | Seal::MemfdCopy)
    }
}

impl Turn {
    /// Reads the mark of the turn before, and removes it from the environment.
    fn take() -> Self {
        let Some(mark) = std::env::var_os(TURN) else { return Turn::First };
        environment::remove(TURN);
        if mark == Turn::Clone.mark() { Turn::Clone } else { Turn::Copy }
    }

    fn mark(self) -> &'static OsStr {
        OsStr::new(match self {
            Turn::First => "first",
            Turn::Clone => "clone",
            Turn::Copy => "copy",
        })
    }
}

/// How the program that runs now is sealed, if it is.
fn current(proc: &Proc, own: BorrowedFd, turn: Turn) -> Result<Option<Seal>> {
    if is_readonly(own)? {
        return Ok(Some(if turn == Turn::Clone { Seal::DirectoryClone } else { Seal::ReadonlyFilesystem }));
    }
    // A file that we may execute but not read is no memfd of ours.
    match proc.open_own_executable(OFlag::O_RDONLY) {
        Ok(file) if is_sealed(file.as_fd()) => {
            Ok(Some(if turn == Turn::Copy { Seal::MemfdCopy } else { Seal::SealedMemfd }))
        }
        Ok(_) | Err(Errno::EACCES) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Is the file on a read-only filesystem, or reached through a read-only mount? Not if it is itself what is mounted:
/// then its descriptor is good for fspick and mount_setattr, by which a privileged container could change that.
fn is_readonly(file: BorrowedFd) -> Result<bool> {
    Ok(fstatfs(file)?.flags().contains(FsFlags::ST_RDONLY) && !mountinfo::is_mount_root(file)?)
}

/// Nobody can ever again write to it, resize it, or take that back.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

/// F_GET_SEALS; EINVAL on a filesystem that has no seals.
fn is_sealed(file: BorrowedFd) -> bool {
    fcntl(file, FcntlArg::F_GET_SEALS).is_ok_and(|found| SealFlag::from_bits_retain(found).contains(seals()))
}

/// Our file, opened through a read-only mount that no path leads to and no descriptor is left of.
///
/// It is the directory that is cloned, not the file: a descriptor of a mount's root could be used to change the mount,
/// or to reconfigure the host's filesystem.
fn through_directory_clone(proc: &Proc, own: BorrowedFd) -> Result<OwnedFd> {
    let name = proc.own_executable_name()?;
    let (Some(parent), Some(name)) = (name.parent(), name.file_name()) else { return Err(Errno::ENOENT) };
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let directory = openat(AT_FDCWD, parent, flags | OFlag::O_DIRECTORY, Mode::empty())?;
    let tree = open_tree_clone_fd(directory.as_fd(), false)?;
    let readonly = Attributes { set: Attr::RDONLY | Attr::NOSUID | Attr::NODEV, ..Attributes::default() };
    set_attributes(tree.as_fd(), readonly, false)?;
    let image = openat(&tree, name, flags | OFlag::O_NOFOLLOW, Mode::empty())?;
    // The name may have been given to another file since we started.
    let (own, found) = (fstat(own)?, fstat(&image)?);
    if (own.st_dev, own.st_ino) != (found.st_dev, found.st_ino) || !is_readonly(image.as_fd())? {
        return Err(Errno::ESTALE);
    }
    Ok(image)
}

/// A copy of our file in memory that is sealed for good.
fn sealed_copy(proc: &Proc) -> Result<OwnedFd> {
    let file = proc.open_own_executable(OFlag::O_RDONLY)?;
    let (mut file, mut copy) = (File::from(file), File::from(executable_memfd()?));
    std::io::copy(&mut file, &mut copy)
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    fchmod(&copy, COPY_MODE)?;
    match fcntl(&copy, FcntlArg::F_ADD_SEALS(seals() | F_SEAL_EXEC)) {
        // Before Linux 6.3.
        Err(Errno::EINVAL) => fcntl(&copy, FcntlArg::F_ADD_SEALS(seals()))?,
        outcome => outcome?,
    };
    if is_sealed(copy.as_fd()) { Ok(copy.into()) } else { Err(Errno::EPERM) }
}

fn executable_memfd() -> Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match memfd_create(env!("CARGO_PKG_NAME"), flags | MFD_EXEC) {
        // Before Linux 6.3, when every memfd was executable.
        Err(Errno::EINVAL) => memfd_create(env!("CARGO_PKG_NAME"), flags),
        outcome => outcome,
    }
}

/// Executes `image` with our arguments, our environment and the mark of this turn; returns only on failure.
fn execute(image: BorrowedFd, turn: Turn) -> Errno {
    let Some(args) =
        std::env::args_os().map(|arg| CString::new(arg.into_vec()).ok()).collect::<Option<Vec<_>>>()
    else {
        return Errno::EINVAL;
    };
    let mut env = environment::entries();
    let mark = [TURN.as_bytes(), b"=", turn.mark().as_encoded_bytes()].concat();
    env.extend(CString::new(mark));
    process::execute_file(image, &args, &env)
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod entry;
#[cfg(test)]
mod tests;
