//! The container's view of its cgroups.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, mkdirat};

use super::mounts::{attach, new_filesystem};
use super::root;
use crate::fail;
use crate::linux::device;
use crate::linux::mount::{self, Atime, Attr, Attributes};
use crate::linux::path::Root;
use crate::plan::{CgroupHierarchy, CgroupMount, FsOption, Mount};
use crate::report::{Code, Context as _, Result};
use crate::stage::context::Context;

/// Mounts cgroups at the target, as this host has them.
pub fn mount(context: &mut Context, plan: &Mount, layout: &CgroupMount) -> Result<OwnedFd> {
    let target = root(context)?.make_directory(&plan.target, 0o755).context("make the target")?;
    match layout {
        CgroupMount::Unified { namespaced } => unified(context, plan, target, *namespaced),
        CgroupMount::PerHierarchy { namespaced, hierarchies, symlinks } => {
            per_hierarchy(context, plan, target, *namespaced, hierarchies, symlinks)
        }
    }
}

/// cgroup2 whole; where the kernel refuses that (a user namespace that does not own the cgroup
/// namespace), the container's own directory.
fn unified(context: &mut Context, plan: &Mount, target: OwnedFd, namespaced: bool) -> Result<OwnedFd> {
    let mounted = match new_filesystem("cgroup2", "cgroup", &[], plan.attributes) {
        Ok(mounted) => mounted,
        Err(error)
            if (namespaced || context.user_namespace)
                && matches!(error.errno(), Some(Errno::EPERM | Errno::EBUSY)) =>
        {
            own_directory(context, "", plan.attributes)?
        }
        Err(error) => return Err(error),
    };
    attach(root(context)?, &plan.target, mounted, target)
}

/// cgroup v1: a small tmpfs with a directory a hierarchy, and links for controllers that share one.
fn per_hierarchy(
    context: &mut Context,
    plan: &Mount,
    target: OwnedFd,
    namespaced: bool,
    hierarchies: &[CgroupHierarchy],
    symlinks: &[(String, String)],
) -> Result<OwnedFd> {
    let mode = FsOption { key: "mode".into(), value: Some("755".into()) };
    let flags = Attributes { set: Attr::NOSUID | Attr::NODEV | Attr::NOEXEC, ..Default::default() };
    let top = new_filesystem("tmpfs", "tmpfs", &[mode], flags)?;
    for hierarchy in hierarchies {
        mkdirat(top.as_fd(), hierarchy.directory.as_str(), Mode::from_bits_truncate(0o755))
            .with_context(|| format!("make directory {:?}", hierarchy.directory))?;
    }
    for (name, directory) in symlinks {
        device::make_symlink(top.as_fd(), OsStr::new(name), Path::new(directory))
            .with_context(|| format!("make symlink {name:?}"))?;
    }
    let top = attach(root(context)?, &plan.target, top, target)?;
    let place = Root::new(top.try_clone().context("keep the cgroup directory")?);
    for hierarchy in hierarchies {
        let name = &hierarchy.directory;
        // A hierarchy has one filesystem: the clone of the container's directory is what a new mount in its cgroup
        // namespace would be, without the kernel's look at every cgroup of the host (50 µs each, with a thousand).
        let mounted = match namespaced && context.user_namespace {
            true => match new_hierarchy(hierarchy, plan.attributes) {
                // A cgroup namespace that another user namespace owns.
                Err(error) if error.errno() == Some(Errno::EPERM) => {
                    own_directory(context, name, plan.attributes)
                }
                mounted => mounted,
            },
            false => own_directory(context, name, plan.attributes),
        }
        .with_context(|| format!("mount hierarchy {name:?}"))?;
        let target = place.resolve_plain(Path::new(name)).context("find the hierarchy's directory")?;
        mount::move_mount(mounted.as_fd(), target.as_fd()).context("attach it")?;
        context.cgroup_mounts.insert(name.clone(), mounted);
    }
    if plan.attributes.set.contains(Attr::RDONLY) {
        let readonly = Attributes { set: Attr::RDONLY, ..Default::default() };
        mount::set_attributes(top.as_fd(), readonly, false).context("set read-only")?;
    }
    Ok(top)
}

/// The hierarchy mounted anew: the cgroup namespace makes the container's cgroup its root.
/// Read-only goes on the mount alone; on the superblock it would be the host's too.
fn new_hierarchy(hierarchy: &CgroupHierarchy, attributes: Attributes) -> Result<OwnedFd> {
    let Some(data) = &hierarchy.data else {
        return new_filesystem("cgroup2", "cgroup", &[], attributes);
    };
    let options: Vec<FsOption> = data
        .split(',')
        .map(|word| match word.split_once('=') {
            Some((key, value)) => FsOption { key: key.into(), value: Some(value.into()) },
            None => FsOption { key: word.into(), value: None },
        })
        .collect();
    new_filesystem("cgroup", "cgroup", &options, attributes)
}

/// The parent's clone of the container's directory in one hierarchy, or a clone of that where it is attached already.
fn own_directory(context: &mut Context, hierarchy: &str, attributes: Attributes) -> Result<OwnedFd> {
    let clone = match (context.prepared.cgroups.remove(hierarchy), context.cgroup_mounts.get(hierarchy)) {
        (Some(clone), _) => clone,
        (None, Some(attached)) => {
            mount::open_tree_clone_fd(attached.as_fd(), false).context("clone the cgroup's mount")?
        }
        (None, None) => {
            fail!(Code::Internal, "the cgroup directory of hierarchy {hierarchy:?} was not prepared")
        }
    };
    // In a user namespace the host's flags are locked.
    let flags = match context.user_namespace {
        true => attributes,
        false => {
            let atime = attributes.atime.or(Some(Atime::Relatime));
            Attributes { clear: attributes.set.complement(), atime, ..attributes }
        }
    };
    mount::set_attributes(clone.as_fd(), flags, false).context("set flags")?;
    Ok(clone)
}
