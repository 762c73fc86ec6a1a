//! The steps that init carries out, each one action.

use std::path::PathBuf;

use oci_spec::runtime::{Hook, Scheduler};
use serde::Serialize;

use super::devices::Device;
use super::mounts::Mount;
use super::namespaces::{IdMaps, Pointer, TimeOffset};
use super::process::{Capabilities, CapabilitySets, Command, Credentials, IoClass, Rlimit, TerminalSize};
use super::rootfs::EnterRoot;
use crate::linux::mount::Propagation;
use crate::linux::namespace::Kind;

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
    /// Tell the parent that the root filesystem stands; it sets limits and device rules and runs prestart and
    /// createRuntime hooks; go on at its word.
    AwaitRuntimeHooks,
    /// The same where there is nothing to wait for: no such hooks, no interfaces to move, no limits, and nobody who opens
    /// devices next (createContainer hooks, the terminal). Device rules are set beside what init does next, and are in
    /// force before the program is. Mounts that need nothing of the host may follow.
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
