//! What a process that carries out steps holds in its hands.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde_json::json;

use super::channel::InitEnd;
use crate::linux::namespace::Kind;
use crate::linux::path::Root;
use crate::linux::procfs::Proc;
use crate::plan::seccomp::Filter;
use crate::plan::{EnterRoot, Rootfs};

/// What the parent opened or compiled for the child while it had the host's view, by step index.
#[derive(Default)]
pub struct Prepared {
    /// The files `tasks` of its v1 cgroups, with their paths.
    pub tasks: Vec<(PathBuf, OwnedFd)>,
    /// Namespaces to join.
    pub namespaces: BTreeMap<Kind, OwnedFd>,
    /// The user namespaces whose maps mounts get, by step index.
    pub idmaps: BTreeMap<usize, OwnedFd>,
    pub trees: Trees,
    pub unopened: Option<Unopened>,
    /// Detached clones of the container's cgroup directories, by the hierarchy's directory name.
    pub cgroups: BTreeMap<String, OwnedFd>,
    /// The compiled seccomp filter.
    pub filter: Option<Filter>,
}

/// The root filesystem, where the trees are not open when init is born.
pub enum Unopened {
    /// Init opens them: its parent may not.
    ForInit(Rootfs),
    /// They are opened in init's mount namespace, and sent before it begins.
    ToCome(Rootfs),
}

/// Detached clones of the host's mounts.
#[derive(Default)]
pub struct Trees {
    /// Of binds and of the host's devices, by step index.
    pub sources: BTreeMap<usize, OwnedFd>,
    /// What symlinks name that are to be made in the place of a bind (`copy-symlink`), by step index.
    pub links: BTreeMap<usize, PathBuf>,
    /// Of the root filesystem.
    pub rootfs: Option<RootTree>,
    /// Of the host's /dev/null, to mask files with.
    pub null: Option<OwnedFd>,
}

/// The root filesystem, detached.
pub struct RootTree {
    pub tree: OwnedFd,
    /// Its path on the host, where it is attached.
    pub path: PathBuf,
    /// There is no mount namespace of the container's own: the host's mounts are left as they are.
    pub shared_namespace: bool,
    /// The same in init's mount namespace, where init looked it up while it had its first user's rights.
    pub place: Option<OwnedFd>,
}

impl Prepared {
    /// Whether it is init that opens the host's trees.
    pub fn is_for_init(&self) -> bool {
        matches!(self.unopened, Some(Unopened::ForInit(_)))
    }
}

impl RootTree {
    pub fn new(tree: OwnedFd, rootfs: &Rootfs) -> Self {
        let shared_namespace = rootfs.enter == EnterRoot::Chroot;
        Self { tree, path: rootfs.path.clone(), shared_namespace, place: None }
    }
}

/// How init learns that it is to start.
pub enum Gate {
    /// `create`: another process writes a byte to the fifo. Init has it open for reading and writing, so
    /// that its read waits whoever comes and goes, and so that its own closing (by exec or by
    /// death) is the last: that is the writer's answer. A failure to exec goes back the same way.
    Fifo(OwnedFd),
    /// `run` and `exec`: the commit is the start; a failure goes back by the channel.
    Channel,
}

/// The facts that a hook's state on stdin has, but for status and pid.
#[derive(Debug, Clone)]
pub struct HookState {
    pub oci_version: String,
    pub id: String,
    pub bundle: PathBuf,
    pub annotations: BTreeMap<String, String>,
}

impl HookState {
    /// The state as runtime-spec runtime.md#state has it, in one line.
    pub fn to_json(&self, status: &str, pid: Option<i32>) -> String {
        let mut state = json!({
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": status,
            "bundle": self.bundle,
        });
        if let Some(pid) = pid {
            state["pid"] = json!(pid);
        }
        if !self.annotations.is_empty() {
            state["annotations"] = json!(self.annotations);
        }
        state.to_string()
    }
}

/// For exec: how to get into a container.
pub enum Enter {
    /// The container's init, and which of its namespaces to join.
    Join(OwnedFd, Vec<Kind>),
    /// The bridge has joined them already.
    Arrived,
}

/// Everything the child has. It is never dropped: the child ends by execve or by exit.
pub struct Context {
    pub channel: InitEnd,
    pub gate: Gate,
    pub proc: Proc,
    pub prepared: Prepared,
    pub hook_state: HookState,
    /// In a user namespace: the keyring and some mounts differ.
    pub user_namespace: bool,

    /// Where it should be from its birth: the parent does nothing to it before the first step.
    pub in_place: bool,
    /// For exec: the namespaces to enter before the first step.
    pub enter: Option<Enter>,
    /// The root filesystem, from AttachRootfs (or the start, for exec) on.
    pub root: Option<Root>,
    /// Mounts of v1 hierarchies that are attached, by directory name: for those who want them at another place too.
    pub cgroup_mounts: BTreeMap<String, OwnedFd>,
    /// Where the last device was made: others go to the same place.
    pub device_directory: Option<(PathBuf, OwnedFd)>,
    /// Both ends of the terminal, from OpenTerminal to AttachTerminal.
    pub terminal: Option<OwnedFd>,
    /// The masks, from the first of each kind on.
    pub masks: super::rootfs::Masks,
    /// The program, from ResolveExecutable on.
    pub executable: Option<PathBuf>,
    /// HOME, if env has none.
    pub home: Option<String>,
    /// Whether cwd was entered before the user changed.
    pub in_cwd: bool,
    /// The cwd, opened before a filter could forbid that.
    pub cwd: Option<OwnedFd>,
    /// Whether setgroups(2) is allowed in here, once it was looked up: before a filter, while /proc is held.
    pub may_set_groups: Option<bool>,
    /// A seccomp filter is in force: descriptors have been closed, and few calls are sure to be allowed.
    pub filtered: bool,
    /// The parent said commit: failures now go by the gate.
    pub committed: bool,
}
