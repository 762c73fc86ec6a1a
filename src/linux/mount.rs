//! Mounts by descriptor: the new mount API (`man 2 fsopen, open_tree, move_mount, mount_setattr`).
//! No function here takes an absolute path once the mount namespace is new, but for `/` itself.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use bitflags::bitflags;
use serde::Serialize;

use super::Result;

bitflags! {
    /// MOUNT_ATTR_* (linux/mount.h), without the atime field, which is not a set of bits.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
    pub struct Attr: u64 {
        const RDONLY = 0x1;
        const NOSUID = 0x2;
        const NODEV = 0x4;
        const NOEXEC = 0x8;
        const NODIRATIME = 0x80;
        const NOSYMFOLLOW = 0x20_0000;
    }
}

/// The access time field of MOUNT_ATTR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Atime {
    Relatime,
    Noatime,
    Strictatime,
}

/// A change of mount attributes: what to set, what to clear, what access times become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Attributes {
    pub set: Attr,
    pub clear: Attr,
    pub atime: Option<Atime>,
}

impl Attributes {
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty() && self.atime.is_none()
    }
}

/// How mounts and unmounts spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Propagation {
    pub kind: PropagationKind,
    pub recursive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PropagationKind {
    Shared,
    Slave,
    Private,
    Unbindable,
}

/// A detached copy of the mount at `path` (relative to `dir`), and of all below it if `recursive`.
pub fn open_tree_clone(dir: BorrowedFd, path: &Path, recursive: bool) -> Result<OwnedFd> {
    todo!()
}
/// The same of the very object that `fd` (O_PATH) names.
pub fn open_tree_clone_fd(fd: BorrowedFd, recursive: bool) -> Result<OwnedFd> {
    todo!()
}
/// An O_PATH-like handle of the mount root at an already open fd is not needed: use the fd itself.
/// Attaches the detached mount `mount` on the object `target` names.
pub fn move_mount(mount: BorrowedFd, target: BorrowedFd) -> Result<()> {
    todo!()
}
/// Attaches `mount` over `/` of this mount namespace.
pub fn move_mount_over_root(mount: BorrowedFd) -> Result<()> {
    todo!()
}
/// Changes attributes of the mount that `mount` is the root of.
pub fn set_attributes(mount: BorrowedFd, change: Attributes, recursive: bool) -> Result<()> {
    todo!()
}
/// Changes the propagation of the mount that `mount` is the root of.
pub fn set_propagation(mount: BorrowedFd, propagation: Propagation) -> Result<()> {
    todo!()
}
/// Changes the propagation of `/`.
pub fn set_root_propagation(propagation: Propagation) -> Result<()> {
    todo!()
}
/// mount_setattr(MOUNT_ATTR_IDMAP) by a user namespace.
pub fn set_idmap(mount: BorrowedFd, userns: BorrowedFd, recursive: bool) -> Result<()> {
    todo!()
}

/// A filesystem being configured: `fsopen`, then options, then `mount`.
pub struct FsContext(OwnedFd);

impl FsContext {
    /// `man 2 fsopen`. ENODEV: this kernel has no such filesystem.
    pub fn open(kind: &str) -> Result<Self> {
        todo!()
    }
    /// A flag (`ro`) or a pair (`size=64k`); `source` goes by key "source".
    pub fn set(&self, key: &str, value: Option<&str>) -> Result<()> {
        todo!()
    }
    /// Creates the superblock and a detached mount of it with `attributes` (set and atime only).
    pub fn mount(&self, attributes: Attributes) -> Result<OwnedFd> {
        todo!()
    }
    /// Reconfigure an existing mount's superblock: `fspick` of the mount that fd is the root of.
    pub fn pick(mount: BorrowedFd) -> Result<Self> {
        todo!()
    }
    /// FSCONFIG_CMD_RECONFIGURE.
    pub fn reconfigure(&self) -> Result<()> {
        todo!()
    }
    /// What the kernel wrote into the context's log (`e unknown parameter 'x'`), for error texts.
    pub fn messages(&self) -> Vec<String> {
        todo!()
    }
}

/// pivot_root(".", "."): `root` is a mount point's root in this namespace; leaves cwd at the new `/`,
/// old root detached (rule R10 of the security notes).
pub fn pivot_root(root: BorrowedFd) -> Result<()> {
    todo!()
}
/// Without pivot: move the mount over `/`, chroot into it, cwd `/`. Mounts of proc and sysfs of the old root are
/// unmounted or covered first (rule R10).
pub fn move_root(root: BorrowedFd) -> Result<()> {
    todo!()
}
/// fchdir + chroot("."), cwd `/`.
pub fn chroot(root: BorrowedFd) -> Result<()> {
    todo!()
}
/// umount2(MNT_DETACH) of a mount reached as one `name` in `dir`; never follows a symlink.
pub fn unmount(dir: BorrowedFd, name: &CStr) -> Result<()> {
    todo!()
}
