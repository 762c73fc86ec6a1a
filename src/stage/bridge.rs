//! The process between parent and init, only where the kernel demands one: it joins the namespaces that exist, so
//! that the new ones belong to the user namespace it is in then, and clones init as its own sibling. So init is the
//! parent's child as ever, and the bridge is gone before the conversation begins.
//!
//! It never touches a file of the container and never waits.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::channel::InitEnd;
use crate::linux::clone::{CloneArgs, Cloned, clone3};
use crate::linux::namespace::{self, Kind};
use crate::linux::process;
use crate::report::{Context, Error, Result, log};

/// What the bridge joins.
pub enum Bridge {
    /// Namespaces of the config, by their files.
    Files(BTreeMap<Kind, OwnedFd>),
    /// Those of a container's init.
    Process(OwnedFd, Vec<Kind>),
}

/// Joins, clones, says who init is, and ends. Returns in init alone.
pub fn cross(bridge: Bridge, new_namespaces: &[Kind], channel: &InitEnd) {
    match arrive(&bridge, new_namespaces, channel) {
        Ok(Side::Init) => {}
        Ok(Side::Bridge) => process::exit_now(0),
        Err(error) => {
            if channel.send_failure(&error.to_message()).is_err() {
                log::error(&error);
            }
            process::exit_now(1)
        }
    }
}

enum Side {
    Bridge,
    Init,
}

fn arrive(bridge: &Bridge, new_namespaces: &[Kind], channel: &InitEnd) -> Result<Side> {
    match bridge {
        Bridge::Files(files) => join_files(files)?,
        Bridge::Process(init, kinds) => {
            namespace::join_process(init.as_fd(), kinds).context("join the container's namespaces")?;
        }
    }
    let args = CloneArgs { namespaces: new_namespaces, cgroup: None, sibling: true };
    match clone3(&args).context("make the container's process (clone3) in the namespaces that were joined")? {
        Cloned::Child => Ok(Side::Init),
        Cloned::Parent { pid, pidfd } => {
            channel.send_sibling(pid, pidfd.as_fd())?;
            Ok(Side::Bridge)
        }
    }
}

/// Joining takes rights in the namespace that owns the one to join. The caller may have them in its own user
/// namespace only, or in the container's only, so what is refused first is tried again in there.
fn join_files(files: &BTreeMap<Kind, OwnedFd>) -> Result<()> {
    let mut later = Vec::new();
    for (kind, file) in files.iter().filter(|(kind, _)| **kind != Kind::User) {
        match namespace::join(file.as_fd(), *kind) {
            Err(Errno::EPERM) if files.contains_key(&Kind::User) => later.push((*kind, file)),
            joined => joined.map_err(|errno| refused(errno, *kind))?,
        }
    }
    if let Some(user) = files.get(&Kind::User) {
        join_user(user)?;
    }
    for (kind, file) in later {
        namespace::join(file.as_fd(), kind).map_err(|errno| refused(errno, kind))?;
    }
    Ok(())
}

fn join_user(file: &OwnedFd) -> Result<()> {
    namespace::join(file.as_fd(), Kind::User).map_err(|errno| {
        let error = refused(errno, Kind::User);
        match errno {
            Errno::EINVAL => error.hint("it is the caller's own: leave the user namespace out of the config"),
            _ => error,
        }
    })
}

fn refused(errno: Errno, kind: Kind) -> Error {
    Error::from(errno).context(format!("join the {} namespace", kind.spec_name()))
}
