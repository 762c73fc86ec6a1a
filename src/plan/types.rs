//! The plan as data: what `stage/` will do, in order. Printing it is reading the container.
//!
//! A plan holds decisions, never descriptors and never a snapshot of the container's files: a path
//! inside the root filesystem is resolved by its step, inside the root, when the step runs.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, LinuxIntelRdt, LinuxResources, Scheduler};
use serde::Serialize;

use crate::bundle::annotations::MOUNT_CONTEXTS;
pub use crate::bundle::mount_options::FsOption;
use crate::linux::device;
use crate::linux::mount::{Attr, Attributes, Propagation};
use crate::linux::namespace::Kind;
pub use crate::linux::userns::IdMap;

/// A JSON pointer into config.json, `/mounts/3`.
pub type Pointer = String;

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

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetDevice {
    /// On the host.
    pub name: String,
    /// In the container; `%d` in it is for the kernel to complete.
    pub new_name: String,
    pub pointer: Pointer,
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

    /// The namespaces that init is born into.
    pub fn cloned_namespaces(&self) -> Vec<Kind> {
        let beside = self.makes_network_beside();
        let kinds = self.new_namespaces.iter().copied();
        kinds.filter(|kind| *kind != Kind::Network || !beside).collect()
    }

    /// Init waits for the parent once the root filesystem stands.
    pub fn awaits_parent(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::AwaitRuntimeHooks)
    }

    /// The program's standard streams are not the host's /dev/null, even if the caller's are.
    pub fn has_own_null(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::UseOwnNull)
    }

    fn joins(&self, kind: Kind) -> bool {
        self.joined_namespaces.iter().any(|joined| joined.kind == kind)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JoinedNamespace {
    pub kind: Kind,
    pub path: PathBuf,
    pub pointer: Pointer,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IdMaps {
    pub uids: Vec<IdMap>,
    pub gids: Vec<IdMap>,
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

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rootfs {
    /// Absolute, symlinks followed once by the loader.
    pub path: PathBuf,
    pub enter: EnterRoot,
    /// Propagation of the clone of the host's tree (and of every bind) before the configured one.
    pub propagation: Propagation,
}

/// How the root filesystem becomes `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum EnterRoot {
    /// In a mount namespace of its own: pivot_root.
    Pivot,
    /// `--no-pivot`: move the root mount over `/` and chroot.
    Move,
    /// In the host's mount namespace: mount at the root filesystem's own path, and chroot.
    Chroot,
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

/// One small thing that init does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub action: Action,
    /// The place in config.json that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<Pointer>,
}

impl From<Action> for Step {
    fn from(action: Action) -> Self {
        Self { action, pointer: None }
    }
}

impl Action {
    /// The step that does this for the place `pointer` of config.json.
    pub fn at(self, pointer: impl Into<Pointer>) -> Step {
        Step { action: self, pointer: Some(pointer.into()) }
    }
}

/// What a step does. Paths are absolute container paths, lexically clean.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Action {
    /// A new time namespace with its clocks set, and into it: unlike clone3, which would freeze them as they are.
    MakeTimeNamespace {
        offsets: Vec<TimeOffset>,
    },
    /// The maps of the user namespace that was joined must be these, which the config has beside its path.
    CompareIdMaps(IdMaps),
    /// Root of the user namespace: what init makes from here on belongs to the container.
    BecomeRoot,
    /// setns to a namespace that the parent opened (`Plan::joined_namespaces`).
    JoinNamespace(Kind),
    /// cgroup v1 places a process after clone3, so the namespace can only be made then.
    UnshareCgroupNamespace,
    /// setsid.
    NewSession,
    /// Join a fresh session keyring of this name, with the process's SELinux label.
    JoinSessionKeyring {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    },
    /// Into the network namespace that the parent has made meanwhile: the one namespace that takes long to make.
    AwaitNetwork,
    /// Bring `lo` up in a new network namespace.
    LoopbackUp,
    /// Keep later mounts from the host (new mount namespace) and attach the root filesystem.
    AttachRootfs,
    Mount(Box<Mount>),
    MakeDevice(Device),
    /// A symlink in the root filesystem; one that is there already is left alone.
    MakeSymlink {
        path: PathBuf,
        target: PathBuf,
    },
    /// `/dev/ptmx` -> `pts/ptmx`, whatever was there before (runc).
    LinkPtmx,
    /// Standard streams that are the host's /dev/null become the container's.
    UseOwnNull,
    /// Tell the parent that the root filesystem stands; it sets limits and runs prestart and
    /// createRuntime hooks; go on at its word.
    AwaitRuntimeHooks,
    /// The same where there is nothing to wait for: no such hooks, no interfaces to move, no limits. Device rules are
    /// set beside what init does next, and are in force before the program is.
    AnnounceRootfs,
    /// createContainer hooks: in the container's namespaces, before the pivot, cwd in the rootfs.
    RunCreateContainerHooks(Vec<Hook>),
    /// Open a terminal pair on the container's devpts and send its master to the parent.
    OpenTerminal {
        size: Option<TerminalSize>,
    },
    /// Pivot, move or chroot into the root filesystem.
    EnterRootfs(EnterRoot),
    /// linux.rootfsPropagation, after the pivot.
    SetRootPropagation(Propagation),
    /// Make a directory (mode 0755, parents too) unless it is there: process.cwd, as runc does, before
    /// anything becomes read-only.
    MakeDirectory(PathBuf),
    /// Bind the terminal's slave on `/dev/console` and make it the controlling terminal and stdio.
    AttachTerminal {
        console: bool,
    },
    /// Make one mount (not its children) read-only: root.readonly, or a mount whose read-only flag
    /// had to wait until things were made in it.
    RemountReadonly {
        path: PathBuf,
    },
    SetUmask(u32),
    SetHostname(String),
    SetDomainname(String),
    /// `key` as in /proc/sys, with slashes.
    WriteSysctl {
        key: String,
        value: String,
    },
    ReadonlyPath(PathBuf),
    MaskPath(PathBuf),
    SetOomScoreAdj(i32),
    SetRlimit {
        resource: Rlimit,
        soft: u64,
        hard: u64,
    },
    SetScheduler(Box<Scheduler>),
    SetIoPriority {
        class: IoClass,
        level: u8,
    },
    /// CPU list (`0-3,7`) to run on; empty for every CPU the cgroup has (where that is refused, the
    /// affinity stays as it is: no reason to fail).
    SetCpuAffinity(String),
    SetPersonality {
        domain: u64,
    },
    SetMemoryPolicy {
        mode: u32,
        flags: u32,
        nodes: String,
    },
    NoNewPrivileges,
    /// AppArmor profile for the next exec.
    SetAppArmorProfile(String),
    /// SELinux label for the next exec.
    SetSelinuxLabel(String),
    /// Install the compiled filter (`Plan`'s parent compiles it before the fork).
    LoadSeccomp,
    DropBoundingCapabilities {
        keep: Capabilities,
    },
    /// Groups, gid, uid (capabilities kept), umask.
    SetCredentials(Credentials),
    SetCapabilities(CapabilitySets),
    /// chdir, and prove that it is inside the root.
    ChangeDirectory(PathBuf),
    /// HOME from the container's passwd if env has none, then find args[0] on env's PATH.
    ResolveExecutable,
    /// The caller's environment goes, and init becomes dumpable: its user, who has no rights but in the container's user
    /// namespace, can enter the container before it is started. Nobody else is in it by then.
    LetUserIn,
    /// Tell the parent that all is made; wait for its commit.
    AwaitCommit,
    /// Wait on the fifo for `trug start`.
    AwaitStart,
    /// startContainer hooks, as the container's own user and confinement. A hook without `env` gets
    /// the program's, HOME included (runc).
    RunStartContainerHooks(Vec<Hook>),
    /// Close all but stdio and `preserve_fds` more, reset signals, and execve.
    Execute(Command),
}

/// How far a clock of the container is ahead of the host's (`man 7 time_namespaces`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    pub seconds: i64,
    pub nanoseconds: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    pub args: Vec<String>,
    /// Of duplicates only the last, at its own place (runc); no empty HOME.
    pub env: Vec<String>,
    /// Descriptors above stdio that the program keeps (LISTEN_FDS and --preserve-fds).
    pub extra_fds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    /// None keeps the caller's (run.oci.keep_original_groups).
    pub groups: Option<Vec<u32>>,
    pub umask: u32,
}

/// Capability names without `CAP_`, sorted.
pub type Capabilities = Vec<String>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CapabilitySets {
    pub effective: Capabilities,
    pub permitted: Capabilities,
    pub inheritable: Capabilities,
    pub ambient: Capabilities,
}

/// A resource limit by its spec name, `RLIMIT_NOFILE`.
pub type Rlimit = String;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum IoClass {
    Realtime,
    BestEffort,
    Idle,
}

/// One node of /dev.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    pub path: PathBuf,
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bind the host's node instead of making one (in a user namespace).
    pub bind: bool,
}

impl Device {
    /// What the kernel knows it as.
    pub fn identity(&self) -> device::Node {
        let kind = match self.kind {
            DeviceKind::Char => device::NodeKind::Char,
            DeviceKind::Block => device::NodeKind::Block,
            DeviceKind::Fifo => device::NodeKind::Fifo,
        };
        device::Node { kind, major: self.major, minor: self.minor }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeviceKind {
    Char,
    Block,
    Fifo,
}

/// One entry of `mounts`, options sorted out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mount {
    pub target: PathBuf,
    pub source: MountSource,
    /// Flags of this one mount. For a bind or a remount with any flag among its options this says
    /// what every flag becomes, as `mount --bind -o` does: `clear` holds all that are not in `set`.
    pub attributes: Attributes,
    /// Those of `attributes.clear` that the config names. Where the kernel has locked flags of the source
    /// (EPERM), the others of `attributes.clear` may stay set; these must not (runc: `cannot clear
    /// locked flags`). A named `attributes.atime` must be met as well.
    pub must_clear: Attr,
    /// Flags of this mount and all below (`rro`, …).
    pub recursive_attributes: Attributes,
    /// Propagation changes, in order, after it is attached.
    pub propagation: Vec<Propagation>,
    /// mounts[].uidMappings/gidMappings, or `idmap`/`ridmap`.
    pub idmap: Option<MountIdmap>,
    /// Where it lands on a symlink, that itself is the target, and must be there (`dest-nofollow`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub target_nofollow: bool,
    /// The target and its parents must be plain directories, never symlinks (proc and sysfs).
    pub plain_directory: bool,
    /// SELinux mount label: the value of the option `label_option`, but for mqueue, which takes none: there it is the
    /// label of the root directory.
    pub label: Option<String>,
    /// `context`, or another of bundle::annotations::MOUNT_CONTEXTS.
    #[serde(skip_serializing_if = "is_usual_label")]
    pub label_option: &'static str,
}

fn is_usual_label(option: &&'static str) -> bool {
    *option == MOUNT_CONTEXTS[0]
}

/// What becomes of a bind's source that is a symlink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum SourceLink {
    /// What it names is mounted.
    #[default]
    Follow,
    /// It is mounted itself (`src-nofollow`).
    Mount,
    /// One like it is made at the target, and nothing is mounted (`copy-symlink`).
    Copy,
}

impl SourceLink {
    fn is_followed(&self) -> bool {
        *self == Self::Follow
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum MountSource {
    /// A clone of a host path, made by the parent before the fork.
    Bind {
        source: PathBuf,
        recursive: bool,
        #[serde(skip_serializing_if = "SourceLink::is_followed")]
        link: SourceLink,
    },
    /// A clone of a container path, made by the step: the config names a source below the root
    /// filesystem, and that must show what earlier steps mounted there.
    BindInside {
        source: PathBuf,
        recursive: bool,
        #[serde(skip_serializing_if = "SourceLink::is_followed")]
        link: SourceLink,
    },
    /// A new filesystem. A tmpfs without `mode` among its options takes the mode of the directory it
    /// covers, if that is there already. An empty `source` is not given to the kernel.
    /// Where the kernel refuses it (EPERM: a user namespace that does not own what it shows), the host's tree
    /// `instead`.
    Filesystem {
        kind: String,
        source: String,
        options: Vec<FsOption>,
        copy_up: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        instead: Option<PathBuf>,
    },
    /// The container's cgroups: v2 whole, or for v1 a tmpfs with one mount a hierarchy.
    Cgroup(CgroupMount),
    /// `remount`: change what is mounted at the target already.
    Remount { options: Vec<FsOption> },
    /// No filesystem, only a change of propagation of what is at the target (`["rslave"]` alone).
    PropagationOnly,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum CgroupMount {
    /// cgroup2 in a cgroup namespace of its own (or the bind of `Plan::cgroup`, where refused).
    Unified { namespaced: bool },
    /// A tmpfs (nosuid, nodev, noexec, mode 755; read-only at last if the mount is), one mount a hierarchy under its
    /// directory name, and symlinks (name, target) for co-mounted names. `Mount::attributes` is for each
    /// hierarchy: a mount of its own where `namespaced`, else a bind of the container's cgroup in it.
    PerHierarchy { namespaced: bool, hierarchies: Vec<CgroupHierarchy>, symlinks: Vec<(String, String)> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupHierarchy {
    /// The caller's own cgroup in it: what is bound where the container has none.
    #[serde(skip)]
    pub own: PathBuf,
    /// Directory name under /sys/fs/cgroup, `cpu,cpuacct`.
    pub directory: String,
    /// Mount data, `cpu,cpuacct` or `name=systemd,xattr`; `None` for the unified tree of a hybrid.
    pub data: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MountIdmap {
    pub maps: Option<IdMaps>,
    pub recursive: bool,
}
