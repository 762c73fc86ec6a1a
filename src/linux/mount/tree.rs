//! Mounts that exist: copied, attached, changed, detached.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::NixPath;

use super::super::Result;
use super::super::syscall::{descriptor, done};
use super::{Attributes, Propagation};

/// MOUNT_ATTR_IDMAP (linux/mount.h), Linux 5.12.
const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
/// OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC (linux/mount.h).
const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
/// MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH (linux/mount.h): source and target are what the descriptors name.
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;
/// AT_RECURSIVE, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW (linux/fcntl.h).
const AT_RECURSIVE: libc::c_uint = 0x8000;
const AT_EMPTY_PATH: libc::c_uint = libc::AT_EMPTY_PATH as libc::c_uint;
const AT_SYMLINK_NOFOLLOW: libc::c_uint = libc::AT_SYMLINK_NOFOLLOW as libc::c_uint;

/// `struct mount_attr` of linux/mount.h, as of MOUNT_ATTR_SIZE_VER0 (Linux 5.12).
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// A detached copy of the mount at `path` (relative to `dir`; symlinks are followed), and of all below it if `recursive`.
/// EINVAL: the mount is unbindable, or, for one that is not copied whole, a locked mount hides a part of it.
pub fn open_tree_clone(dir: BorrowedFd, path: &Path, recursive: bool) -> Result<OwnedFd> {
    path.with_nix_path(|path| open_tree(dir, path, recursion(recursive)))?
}

/// The same, but of a symlink itself where `path` ends in one.
pub fn open_tree_clone_nofollow(dir: BorrowedFd, path: &Path, recursive: bool) -> Result<OwnedFd> {
    path.with_nix_path(|path| open_tree(dir, path, recursion(recursive) | AT_SYMLINK_NOFOLLOW))?
}

/// The same of the very object that `fd` (O_PATH) names.
pub fn open_tree_clone_fd(fd: BorrowedFd, recursive: bool) -> Result<OwnedFd> {
    open_tree(fd, c"", recursion(recursive) | AT_EMPTY_PATH)
}

/// Attaches the detached mount `mount` on the object `target` names. EINVAL: one is a directory and the other is not,
/// or `target` lies in another mount namespace or below a shared mount that this mount cannot join.
pub fn move_mount(mount: BorrowedFd, target: BorrowedFd) -> Result<()> {
    attach(mount, target.as_raw_fd(), c"", MOVE_MOUNT_T_EMPTY_PATH)
}

/// Attaches `mount` over `/` of this mount namespace. This process still sees the old `/` until it enters `mount`.
pub fn move_mount_over_root(mount: BorrowedFd) -> Result<()> {
    attach(mount, libc::AT_FDCWD, c"/", 0)
}

/// Changes attributes of the mount that `mount` is the root of; nothing to do for an empty change.
/// EPERM: an attribute is locked, since the mount came from a more privileged user namespace.
pub fn set_attributes(mount: BorrowedFd, change: Attributes, recursive: bool) -> Result<()> {
    if change.is_empty() {
        return Ok(());
    }
    let raw = MountAttr { set: change.set_bits(), clear: change.clear_bits(), ..MountAttr::default() };
    mount_setattr(mount.as_raw_fd(), c"", AT_EMPTY_PATH | recursion(recursive), &raw)
}

/// Changes the propagation of the mount that `mount` is the root of.
pub fn set_propagation(mount: BorrowedFd, propagation: Propagation) -> Result<()> {
    propagate(mount.as_raw_fd(), c"", AT_EMPTY_PATH, propagation)
}

/// Changes the propagation of `/`.
pub fn set_root_propagation(propagation: Propagation) -> Result<()> {
    propagate(libc::AT_FDCWD, c"/", 0, propagation)
}

/// Changes the propagation of the mount that the working directory is the root of.
pub(super) fn set_cwd_propagation(propagation: Propagation) -> Result<()> {
    propagate(libc::AT_FDCWD, c".", 0, propagation)
}

/// mount_setattr(MOUNT_ATTR_IDMAP) by a user namespace, on a detached mount. EINVAL: the filesystem cannot do it (yet).
pub fn set_idmap(mount: BorrowedFd, userns: BorrowedFd, recursive: bool) -> Result<()> {
    let raw = MountAttr { set: MOUNT_ATTR_IDMAP, userns: userns.as_raw_fd() as u64, ..MountAttr::default() };
    mount_setattr(mount.as_raw_fd(), c"", AT_EMPTY_PATH | recursion(recursive), &raw)
}

fn recursion(recursive: bool) -> libc::c_uint {
    if recursive { AT_RECURSIVE } else { 0 }
}

fn open_tree(dir: BorrowedFd, path: &CStr, flags: libc::c_uint) -> Result<OwnedFd> {
    let flags = flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    // SAFETY: the path is a C string that outlives the call; a new descriptor comes back.
    unsafe { descriptor(libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags)) }
}

fn attach(mount: BorrowedFd, target: RawFd, path: &CStr, flags: libc::c_uint) -> Result<()> {
    let (from, flags) = (mount.as_raw_fd(), flags | MOVE_MOUNT_F_EMPTY_PATH);
    // SAFETY: both paths are C strings that outlive the call.
    done(unsafe { libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), target, path.as_ptr(), flags) })
}

fn propagate(dir: RawFd, path: &CStr, flags: libc::c_uint, propagation: Propagation) -> Result<()> {
    let raw = MountAttr { propagation: propagation.kind.bits(), ..MountAttr::default() };
    mount_setattr(dir, path, flags | recursion(propagation.recursive), &raw)
}

fn mount_setattr(dir: RawFd, path: &CStr, flags: libc::c_uint, change: &MountAttr) -> Result<()> {
    let (flags, size) = (flags | AT_SYMLINK_NOFOLLOW, size_of::<MountAttr>());
    // SAFETY: path and attributes outlive the call, and the size is that of the attributes.
    done(unsafe {
        libc::syscall(libc::SYS_mount_setattr, dir, path.as_ptr(), flags, std::ptr::from_ref(change), size)
    })
}
