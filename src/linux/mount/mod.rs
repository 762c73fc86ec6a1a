//! Mounts by descriptor: the new mount API (`man 2 fsopen, open_tree, move_mount, mount_setattr`), and mount(2) at a
//! directory that is held.
//! No function here takes an absolute path once the mount namespace is new, but for `/` itself.

mod at_once;
mod context;
mod kind;
mod root;
mod tree;

use bitflags::bitflags;
use serde::Serialize;

pub use at_once::mount_at_once;
pub use context::FsContext;
pub use kind::kind_of;
pub use root::{chroot, move_root, pivot_root};
pub use tree::{
    move_mount, move_mount_over_root, open_tree_clone, open_tree_clone_fd, open_tree_clone_nofollow,
    set_attributes, set_idmap, set_propagation, set_root_propagation,
};

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

/// MOUNT_ATTR__ATIME (linux/mount.h): the bits that hold one of the values of `Atime`.
const ATIME_FIELD: u64 = 0x70;

/// The access time field of MOUNT_ATTR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Atime {
    Relatime,
    Noatime,
    Strictatime,
}

impl Atime {
    /// MOUNT_ATTR_RELATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_STRICTATIME (linux/mount.h).
    fn bits(self) -> u64 {
        match self {
            Atime::Relatime => 0x0,
            Atime::Noatime => 0x10,
            Atime::Strictatime => 0x20,
        }
    }
}

/// A change of mount attributes: what to set, what to clear, what access times become. All else stays as it is.
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

    /// `mount_attr.attr_set`, which is also what fsmount takes.
    fn set_bits(&self) -> u64 {
        self.set.bits() | self.atime.map_or(0, Atime::bits)
    }

    /// `mount_attr.attr_clr`: the kernel wants the whole access time field cleared where one value of it is set.
    fn clear_bits(&self) -> u64 {
        self.clear.bits() | self.atime.map_or(0, |_| ATIME_FIELD)
    }
}

/// How mounts and unmounts spread (`man 7 mount_namespaces`).
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

impl PropagationKind {
    /// MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, as `mount_attr.propagation` wants them.
    fn bits(self) -> u64 {
        match self {
            PropagationKind::Shared => libc::MS_SHARED,
            PropagationKind::Slave => libc::MS_SLAVE,
            PropagationKind::Private => libc::MS_PRIVATE,
            PropagationKind::Unbindable => libc::MS_UNBINDABLE,
        }
    }
}

#[cfg(test)]
mod tests;
