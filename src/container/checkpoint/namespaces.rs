//! Namespaces that are not the container's own: CRIU does not save them, and finds them again by our names.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::stat::fstat;
use nix::unistd::Pid;

use crate::criu::JoinedNamespace;
use crate::fail;
use crate::linux::namespace::{self, Kind};
use crate::linux::network;
use crate::linux::procfs::Proc;
use crate::plan::Plan;
use crate::report::{Code, Context, Result};

/// Those that CRIU takes by a descriptor, and the names that it knows them by.
const BY_DESCRIPTOR: [(Kind, &str); 2] = [(Kind::Network, "extRootNetNS"), (Kind::Pid, "extRootPidNS")];

/// For a dump, `net[INODE]:NAME`: those of the joined ones that CRIU is to leave alone.
pub fn external(plan: &Plan, proc: &Proc, init: Pid) -> Result<Vec<String>> {
    let mut external = Vec::new();
    for (kind, key) in BY_DESCRIPTOR {
        if !plan.joined_namespaces.iter().any(|joined| joined.kind == kind) {
            continue;
        }
        let name = kind.proc_name();
        let file =
            proc.open_namespace(init, name).with_context(|| format!("open init's {name} namespace"))?;
        let inode = fstat(&file).with_context(|| format!("look at init's {name} namespace"))?.st_ino;
        external.push(format!("{name}[{inode}]:{key}"));
    }
    Ok(external)
}

/// For a restore: the same, as descriptors, and the others by their files.
#[derive(Default)]
pub struct Joined {
    pub by_descriptor: Vec<(&'static str, OwnedFd)>,
    pub by_file: Vec<JoinedNamespace>,
}

impl Joined {
    /// `opened` are the plan's joined namespaces.
    pub fn of(plan: &Plan, mut opened: std::collections::BTreeMap<Kind, OwnedFd>) -> Result<Self> {
        let mut joined = Self::default();
        for namespace in &plan.joined_namespaces {
            let kind = namespace.kind;
            if let Some((_, key)) = BY_DESCRIPTOR.iter().find(|(by_descriptor, _)| *by_descriptor == kind) {
                joined.by_descriptor.extend(opened.remove(&kind).map(|file| (*key, file)));
                continue;
            }
            if kind == Kind::Cgroup {
                fail!(Code::Unsupported, "criu cannot restore into a cgroup namespace that is there already");
            }
            let Some(file) = namespace.path.to_str() else {
                fail!(Code::Unsupported, "the namespace path {:?} is not text", namespace.path);
            };
            joined
                .by_file
                .push(JoinedNamespace { kind: kind.proc_name().to_string(), file: file.to_string() });
        }
        Ok(joined)
    }
}

/// `lo` comes back down: CRIU makes the network namespace empty.
pub fn bring_loopback_up(proc: &Proc, init: Pid) -> Result<()> {
    let own = proc.open_own_namespace("net").context("open our own network namespace")?;
    let theirs = proc.open_namespace(init, "net").context("open the container's network namespace")?;
    namespace::join(theirs.as_fd(), Kind::Network).context("enter the container's network namespace")?;
    let up = network::loopback_up().context("bring the loopback interface up");
    namespace::join(own.as_fd(), Kind::Network).context("leave the container's network namespace")?;
    up
}
