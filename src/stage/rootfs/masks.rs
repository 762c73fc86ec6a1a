//! Masked and read-only paths. What masks is made once and proven once: a clone of the host's
//! /dev/null for files, one empty read-only tmpfs for directories (security rules R7 and R18).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};

use super::root;
use crate::fail;
use crate::linux::mount::{self, Attr, Attributes, FsContext};
use crate::report::{Code, Context as _, Result};
use crate::stage::context::Context;

/// The first mask of each kind, where it is attached: later ones are clones of it.
///
/// A detached mount cannot be cloned before Linux 6.15; one that is attached here can.
#[derive(Default)]
pub struct Masks {
    file: Option<OwnedFd>,
    directory: Option<OwnedFd>,
}

/// Makes a file read empty, or a directory be empty, whatever is there. Nothing there: nothing to do.
pub fn mask_path(context: &mut Context, path: &Path) -> Result<()> {
    let target = match root(context)?.resolve(path) {
        Ok(target) => target,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        Err(errno) => return Err(errno).with_context(|| format!("mask path {path:?}")),
    };
    mask(context, target.as_fd()).with_context(|| format!("mask path {path:?}"))
}

fn mask(context: &mut Context, target: BorrowedFd) -> Result<()> {
    let is_directory =
        fstat(target).is_ok_and(|stat| stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits());
    let first = match is_directory {
        true => &context.masks.directory,
        false => &context.masks.file,
    };
    if let Some(first) = first {
        let copy = mount::open_tree_clone_fd(first.as_fd(), false).context("clone the mask")?;
        return mount::move_mount(copy.as_fd(), target).context("attach the mask");
    }
    let first = match is_directory {
        true => empty_directory()?,
        false => null(context)?,
    };
    mount::move_mount(first.as_fd(), target).context("attach the mask")?;
    match is_directory {
        true => context.masks.directory = Some(first),
        false => context.masks.file = Some(first),
    }
    Ok(())
}

/// The parent's clone of the host's /dev/null, which it has proven to be char 1:3.
fn null(context: &mut Context) -> Result<OwnedFd> {
    match context.prepared.trees.null.take() {
        Some(null) => Ok(null),
        None => fail!(Code::Internal, "/dev/null was not prepared"),
    }
}

/// An empty tmpfs that takes no memory and no writes.
fn empty_directory() -> Result<OwnedFd> {
    let context = FsContext::open("tmpfs").context("open tmpfs")?;
    for (key, value) in [("source", "tmpfs"), ("nr_blocks", "1"), ("nr_inodes", "1"), ("mode", "755")] {
        context.set(key, Some(value)).with_context(|| format!("set tmpfs option {key}"))?;
    }
    context.set("ro", None).context("set tmpfs option ro")?;
    let attributes =
        Attributes { set: Attr::RDONLY | Attr::NOSUID | Attr::NODEV | Attr::NOEXEC, ..Default::default() };
    context.mount(attributes).context("make the empty tmpfs")
}

/// Binds a path on itself, read-only from its birth. Nothing there: nothing to do.
pub fn readonly_path(context: &Context, path: &Path) -> Result<()> {
    let root = root(context)?;
    let target = match root.resolve(path) {
        Ok(target) => target,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        Err(errno) => return Err(errno).with_context(|| format!("make path {path:?} read-only")),
    };
    bind_readonly(target.as_fd()).with_context(|| format!("make path {path:?} read-only"))
}

fn bind_readonly(target: BorrowedFd) -> Result<()> {
    let copy = mount::open_tree_clone_fd(target, true).context("clone the tree")?;
    let readonly = Attributes { set: Attr::RDONLY, ..Default::default() };
    mount::set_attributes(copy.as_fd(), readonly, false).context("set read-only")?;
    mount::move_mount(copy.as_fd(), target).context("attach it")
}
