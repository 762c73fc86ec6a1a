//! How a mount becomes `/` (security rule R10).
//! Nothing here leaves a way back to the old root: no descriptor, no working directory, no full procfs or sysfs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MntFlags, umount2};
use nix::unistd::{chdir, fchdir};

use super::super::mountinfo::{self, Mountinfo};
use super::super::procfs::Proc;
use super::super::{Errno, Result, fd};
use super::tree::set_cwd_propagation;
use super::{Attributes, FsContext, Propagation, PropagationKind, move_mount, move_mount_over_root};

/// Mountinfo of a host with very many mounts (fs.mount-max is 100,000).
const MOUNTINFO_BYTES: usize = 64 << 20;
/// Unmounts on the old root must not reach the host: what comes from there stays a receiver only. Not private: a host
/// mount that is removed must go here as well, or device-mapper keeps it busy (runc's pivotRoot).
const SLAVE_TREE: Propagation = Propagation { kind: PropagationKind::Slave, recursive: true };

/// pivot_root(".", "."): `root` is a mount point's root in this namespace, be it mounted over `/` itself; leaves the
/// working directory at the new `/`, the old root detached.
///
/// EINVAL: neither `root`'s mount nor its parent may be shared, and the old root may not be an initramfs.
pub fn pivot_root(root: BorrowedFd) -> Result<()> {
    let old_root = open_root()?;
    fchdir(root)?;
    nix::unistd::pivot_root(c".", c".")?;
    // The old root is now on top of the new one at the same place, out of reach for any path.
    fchdir(&old_root)?;
    set_cwd_propagation(SLAVE_TREE)?;
    umount2(c".", MntFlags::MNT_DETACH)?;
    chdir(c"/")
}

/// Without pivot: moves the mount over `/` (unless it is there already), enters it by chroot, cwd `/`.
///
/// A chroot does not hide the host's mounts from the kernel, which lets a container mount a fresh procfs or sysfs only
/// while a full one is in sight; so the full ones of the old tree are unmounted, or covered where they are locked.
pub fn move_root(root: BorrowedFd, proc: &Proc) -> Result<()> {
    let mounts = Mountinfo::parse(&proc.read_self("mountinfo", MOUNTINFO_BYTES)?);
    let new_root = mountinfo::mount_id(root)?;
    // The youngest first: of mounts on one place, it is the one on top.
    for mount in mounts.iter().rev().filter(|mount| is_full_pseudo_filesystem(mount)) {
        if !mounts.is_below(mount.id, new_root) {
            hide(mount)?;
        }
    }
    if !is_over_root(&mounts, new_root)? {
        move_mount_over_root(root)?;
    }
    chroot(root)
}

/// fchdir + chroot("."), cwd `/`.
pub fn chroot(root: BorrowedFd) -> Result<()> {
    fchdir(root)?;
    nix::unistd::chroot(c".")?;
    chdir(c"/")
}

fn open_root() -> Result<OwnedFd> {
    fd::open(c"/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
}

fn is_full_pseudo_filesystem(mount: &mountinfo::Mount) -> bool {
    mount.root == Path::new("/") && matches!(mount.filesystem.as_str(), "proc" | "sysfs")
}

/// Is the mount attached to the root of the mount that this process has as its `/`?
fn is_over_root(mounts: &Mountinfo, id: u64) -> Result<bool> {
    let current = mountinfo::mount_id(open_root()?.as_fd())?;
    let over = |mount: &mountinfo::Mount| mount.parent == current && mount.mount_point == Path::new("/");
    Ok(mounts.get(id).is_some_and(over))
}

/// Takes a mount of the old tree out of sight.
fn hide(mount: &mountinfo::Mount) -> Result<()> {
    let back = fd::open(c".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)?;
    let place = match open_mount(mount) {
        // Gone with a parent that was hidden before it.
        Err(Errno::ENOENT) => return Ok(()),
        outcome => outcome?,
    };
    fchdir(&place)?;
    let outcome = unmount_cwd().or_else(|errno| match errno {
        Errno::EINVAL | Errno::EPERM => cover(place.as_fd()),
        other => Err(other),
    });
    fchdir(&back)?;
    outcome
}

fn unmount_cwd() -> Result<()> {
    set_cwd_propagation(SLAVE_TREE)?;
    umount2(c".", MntFlags::MNT_DETACH)
}

fn cover(place: BorrowedFd) -> Result<()> {
    let empty = FsContext::open("tmpfs")?.mount(Attributes::default())?;
    move_mount(empty.as_fd(), place)
}

/// The root of a mount by its mount point; ENOENT if another mount is on top there by now.
fn open_mount(mount: &mountinfo::Mount) -> Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let place = openat2(open_root()?, &mount.mount_point, how)?;
    if mountinfo::mount_id(place.as_fd())? == mount.id { Ok(place) } else { Err(Errno::ENOENT) }
}
