//! The plan as data: what `stage/` will do, in order. Printing it is reading the container.
//!
//! A plan holds decisions, never descriptors and never a snapshot of the container's files: a path
//! inside the root filesystem is resolved by its step, inside the root, when the step runs.

mod action;
mod devices;
mod mounts;
mod namespaces;
mod process;
mod rootfs;

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, LinuxIntelRdt, LinuxResources};
use serde::Serialize;

pub use self::action::{Action, Step};
pub use self::devices::{Device, DeviceKind};
pub use self::mounts::{CgroupHierarchy, CgroupMount, FsOption, Mount, MountIdmap, MountSource, SourceLink};
pub use self::namespaces::{IdMap, IdMaps, JoinedNamespace, NetDevice, TimeOffset};
pub use self::process::{Capabilities, CapabilitySets, Command, Credentials, IoClass, TerminalSize};
pub use self::rootfs::{EnterRoot, Rootfs};
use crate::linux::namespace::Kind;

/// Everything that creating one container takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Namespaces to make with the one clone3.
    pub new_namespaces: Vec<Kind>,
    /// Namespaces to join, in this order (user first); opened by the parent, joined by init, but
    /// for `pid`, which the parent joins for its children.
    pub joined_namespaces: Vec<JoinedNamespace>,
    /// Maps for a new user namespace, written by the parent.
    pub id_maps: Option<IdMaps>,
    #[serde(skip_serializing_if = "Privileged::is_nothing")]
    pub privileged: Privileged,
    /// Where the container goes and what it may use.
    pub cgroup: Cgroup,
    /// The root filesystem on the host; cloned by the parent, attached by init.
    pub rootfs: Rootfs,
    /// Interfaces of the host that the parent moves in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub net_devices: Vec<NetDevice>,
    /// Hooks that the parent runs. createContainer and startContainer are steps of init.
    pub hooks: ParentHooks,
    /// Whether init makes a terminal and hands its master to the parent.
    pub terminal: bool,
    /// What init does, in order.
    pub steps: Vec<Step>,
}

/// Everything that one more process in a running container takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecPlan {
    /// Which namespaces of init to join; all that differ from the caller's.
    pub namespaces: Vec<Kind>,
    /// CPUs (`0-3,7`) that the process starts on, set by the parent before it enters the container's
    /// cgroup (execCPUAffinity.initial).
    pub initial_cpu_affinity: Option<String>,
    #[serde(skip_serializing_if = "Privileged::is_nothing")]
    pub privileged: Privileged,
    pub terminal: bool,
    pub steps: Vec<Step>,
}

impl Plan {
    /// The container is in another user namespace than the caller.
    pub fn has_user_namespace(&self) -> bool {
        self.new_namespaces.contains(&Kind::User) || self.joins(Kind::User)
    }

    /// root.readonly.
    pub fn has_read_only_root(&self) -> bool {
        let is_root =
            |action: &Action| matches!(action, Action::RemountReadonly { path } if path == Path::new("/"));
        self.steps.iter().any(|step| is_root(&step.action))
    }

    /// Whether a process must stand between (`stage/bridge.rs`): clone3 makes a new user namespace before all else,
    /// and from inside it those of the host could not be joined; what is new beside a user namespace that is joined
    /// must belong to that.
    pub fn needs_bridge(&self) -> bool {
        self.has_user_namespace() && !self.joined_namespaces.is_empty()
    }

    /// Whether the parent makes the network namespace while init mounts (`Action::AwaitNetwork`).
    pub fn makes_network_beside(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::AwaitNetwork)
    }

    /// Whether the parent brings `lo` up, since init does not.
    pub fn raises_loopback_beside(&self) -> bool {
        self.makes_network_beside() && self.steps.iter().all(|step| step.action != Action::LoopbackUp)
    }

    /// The namespaces that init is born into.
    pub fn cloned_namespaces(&self) -> Vec<Kind> {
        let beside = self.makes_network_beside();
        let kinds = self.new_namespaces.iter().copied();
        kinds.filter(|kind| *kind != Kind::Network || !beside).collect()
    }

    /// The parent has nothing to do to init before its first step, if it is born in its cgroup. (By way of the bridge,
    /// which announces it, init must not be heard before.)
    pub fn leaves_in_place(&self) -> bool {
        !self.needs_bridge()
            && self.id_maps.is_none()
            && self.cgroup.owner.is_none()
            && self.privileged.oom_score_adj.is_none()
    }

    /// Init waits for the parent once the root filesystem stands.
    pub fn awaits_parent(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::AwaitRuntimeHooks)
    }

    /// After the root filesystem stands, init still has something for the parent, or needs something of it; or it runs
    /// hooks, which may ask and must find a container that is being created. (A seccomp listener is the filter's.)
    pub fn keeps_parent_busy(&self) -> bool {
        let hooks = |step: &Step| matches!(step.action, Action::RunCreateContainerHooks(_));
        self.terminal || !self.privileged.rlimits.is_empty() || self.steps.iter().any(hooks)
    }

    /// The program's standard streams are not the host's /dev/null, even if the caller's are.
    pub fn has_own_null(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::UseOwnNull)
    }

    fn joins(&self, kind: Kind) -> bool {
        self.joined_namespaces.iter().any(|joined| joined.kind == kind)
    }
}

impl ExecPlan {
    /// As `Plan::leaves_in_place`: where a user namespace is joined, it comes by way of the bridge.
    pub fn leaves_in_place(&self) -> bool {
        !self.namespaces.contains(&Kind::User) && self.initial_cpu_affinity.is_none()
    }

    /// The process has something for the parent, or needs something of it. (A seccomp listener is the filter's.)
    pub fn keeps_parent_busy(&self) -> bool {
        self.terminal || !self.privileged.rlimits.is_empty()
    }
}

/// What only a process of the host's user namespace may raise, so that the parent does it to init.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Privileged {
    pub oom_score_adj: Option<i32>,
    /// `SetRlimit` steps, when everything else is made.
    pub rlimits: Vec<Step>,
}

impl Privileged {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cgroup {
    /// linux.cgroupsPath as it is written; the driver resolves it.
    pub path: Option<PathBuf>,
    /// Limits and device rules; the default device rules included.
    pub resources: LinuxResources,
    pub intel_rdt: Option<LinuxIntelRdt>,
    /// To whom it is delegated, by the host's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ParentHooks {
    pub prestart: Vec<Hook>,
    pub create_runtime: Vec<Hook>,
    pub poststart: Vec<Hook>,
    pub poststop: Vec<Hook>,
}

impl ParentHooks {
    pub fn run_before_the_pivot(&self) -> bool {
        !self.prestart.is_empty() || !self.create_runtime.is_empty()
    }
}
