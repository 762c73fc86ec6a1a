//! Clones the host's mounts for a container in a user namespace, there where they are locked: in the container's own
//! copy of the mount namespace, but with the host's rights to reach them.
//!
//! When a mount namespace is copied into another user namespace, the kernel locks its mounts (`man 7
//! mount_namespaces`, "Restrictions on mount namespaces"): what is read-only, nosuid, nodev or noexec on the host stays
//! so, and what a mount covers stays covered, whatever root in the container does. A clone made on the host's side and
//! handed over would carry no locks.
//!
//! A process of its own goes there, since the runtime's must not: it is gone before init begins, so that nothing of the
//! container is there yet.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::channel::{self, InitEnd, ParentEnd, Tag, ToParent};
use super::context::Trees;
use super::prepare;
use crate::linux::clone::{CloneArgs, Cloned, clone3};
use crate::linux::mount;
use crate::linux::namespace::{self, Kind};
use crate::linux::pidfd;
use crate::linux::process;
use crate::linux::procfs::Proc;
use crate::plan::Plan;
use crate::report::{Code, Context as _, Error, Result, log};

/// The init that is waiting for its mounts.
pub struct Borrower<'a> {
    pub pid: Pid,
    pub pidfd: BorrowedFd<'a>,
    pub channel: &'a ParentEnd,
}

/// Clones what the plan names, and hands it to init.
///
/// # Errors
/// What cannot be opened, with its place in config.json.
pub fn lend(plan: &Plan, idmaps: &BTreeMap<usize, OwnedFd>, init: &Borrower, proc: &Proc) -> Result<()> {
    let (parent_end, helper_end) = channel::pair()?;
    let args = CloneArgs { namespaces: &[], cgroup: None, sibling: false };
    match clone3(&args).context("make a process to clone mounts")? {
        Cloned::Parent { pidfd: helper, .. } => {
            drop(helper_end);
            let said = parent_end.receive();
            pidfd::reap(helper.as_fd()).context("wait for the clones of mounts")?;
            match said? {
                Some(ToParent::Ready) => Ok(()),
                Some(ToParent::Failed(message)) => Err(Error::from_message(message)),
                other => Err(Error::new(Code::Internal, format!("cloning mounts ended in {other:?}"))),
            }
        }
        Cloned::Child => {
            drop(parent_end);
            help(plan, idmaps, init, proc, &helper_end)
        }
    }
}

/// The process's whole life.
fn help(plan: &Plan, idmaps: &BTreeMap<usize, OwnedFd>, init: &Borrower, proc: &Proc, parent: &InitEnd) -> ! {
    let trees = process::set_parent_death_signal(Some(Signal::SIGKILL))
        .context("tie the process that clones mounts to its parent")
        .and_then(|()| visit(init, proc))
        .and_then(|()| prepare::open_trees(&plan.rootfs, &plan.steps, idmaps));
    let said = match trees.and_then(|trees| hand_over(&trees, init.channel)) {
        Ok(()) => parent.send(Tag::Ready),
        Err(error) => parent.send_failure(&error.to_message()),
    };
    if let Err(error) = said {
        log::error(&error);
    }
    process::exit_now(0)
}

/// Into init's mount namespace, and to the root that is ours there too.
fn visit(init: &Borrower, proc: &Proc) -> Result<()> {
    let root = proc.open_root(init.pid).context("find the root in the container's mount namespace")?;
    namespace::join_process(init.pidfd, &[Kind::Mount])
        .context("look into the container's mount namespace")?;
    mount::chroot(root.as_fd()).context("keep our root")
}

fn hand_over(trees: &Trees, init: &ParentEnd) -> Result<()> {
    for (index, tree) in &trees.sources {
        init.send_source(*index, tree.as_fd())?;
    }
    if let Some(null) = &trees.null {
        init.send_null(null.as_fd())?;
    }
    if let Some(root) = &trees.rootfs {
        init.send_rootfs(root.tree.as_fd())?;
    }
    Ok(())
}
