//! The parent's side: what must be opened with the host's view is opened, then one clone3, then a
//! conversation until the container is made.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::channel::{self, ParentEnd, ToInit, ToParent};
use super::context::{Context, Gate, HookState, Prepared, RootTree};
use super::init;
use crate::fail;
use crate::linux::clone::{CloneArgs, Cloned, clone3};
use crate::linux::device;
use crate::linux::mount::{self, Propagation, PropagationKind};
use crate::linux::namespace::{self, Kind};
use crate::linux::pidfd::{self, Exit};
use crate::linux::procfs::Proc;
use crate::plan::seccomp::Filter;
use crate::plan::{Action, CgroupMount, EnterRoot, ExecPlan, Mount, MountSource, Plan, Step};
use crate::report::{Code, Context as _, Error, Result};

/// Opens everything of the host that a container's plan names. Leaves no trace on the host.
///
/// # Errors
/// What cannot be opened, with its place in config.json.
pub fn prepare(plan: &Plan, filter: Option<Filter>) -> Result<Prepared> {
    let mut prepared = Prepared { filter, ..Prepared::default() };
    for joined in &plan.joined_namespaces {
        let file = open_namespace(&joined.path, joined.kind).at(joined.pointer.clone())?;
        prepared.namespaces.insert(joined.kind, file);
    }
    prepare_rootfs(plan, &mut prepared).at("/root/path")?;
    for (index, step) in plan.steps.iter().enumerate() {
        let opened = prepare_step(&step.action, plan.rootfs.propagation);
        let opened = match &step.pointer {
            Some(pointer) => opened.at(pointer.clone()),
            None => opened,
        };
        if let Some(tree) = opened? {
            prepared.sources.insert(index, tree);
        }
    }
    if plan.steps.iter().any(|step| matches!(step.action, Action::MaskPath(_))) {
        prepared.null = Some(clone_null().context("open the host's /dev/null to mask with")?);
    }
    Ok(prepared)
}

/// Clones the container's cgroup directories, for plans that bind them. They must exist by now.
pub fn prepare_cgroups<'a>(
    plan: &Plan,
    prepared: &mut Prepared,
    directory_of: impl Fn(&str) -> Option<&'a Path>,
) -> Result<()> {
    for step in &plan.steps {
        let Action::Mount(mount) = &step.action else { continue };
        let MountSource::Cgroup(CgroupMount::PerHierarchy { namespaced: false, hierarchies, .. }) =
            &mount.source
        else {
            continue;
        };
        for hierarchy in hierarchies {
            let Some(path) = directory_of(hierarchy.data.as_deref().unwrap_or("")) else { continue };
            let tree = mount::open_tree_clone(here(), path, false)
                .with_context(|| format!("open the container's cgroup {path:?}"))?;
            prepared.cgroups.insert(hierarchy.directory.clone(), tree);
        }
    }
    Ok(())
}

fn open_namespace(path: &Path, kind: Kind) -> Result<OwnedFd> {
    let file = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK, Mode::empty())
        .with_context(|| format!("open {} namespace {path:?}", kind.spec_name()))?;
    match namespace::kind_of(file.as_fd()) {
        Some(found) if found == kind => Ok(file),
        Some(found) => fail!(
            Code::InvalidConfig,
            "{path:?} is a namespace of type {}, not {}",
            found.spec_name(),
            kind.spec_name()
        ),
        None => fail!(Code::InvalidConfig, "{path:?} is not a namespace"),
    }
}

/// The tree of the root filesystem, detached, cut off from the host's propagation as planned. Its top mount is private
/// until the pivot: to a shared one pivot_root cannot move the old root (`man 2 pivot_root`).
fn prepare_rootfs(plan: &Plan, prepared: &mut Prepared) -> Result<()> {
    let path = &plan.rootfs.path;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let place = open(path, flags, Mode::empty()).with_context(|| format!("open root filesystem {path:?}"))?;
    let tree = mount::open_tree_clone_fd(place.as_fd(), true)
        .with_context(|| format!("clone the root filesystem {path:?}"))?;
    let private = Propagation { kind: PropagationKind::Private, recursive: false };
    mount::set_propagation(tree.as_fd(), plan.rootfs.propagation)
        .and_then(|()| mount::set_propagation(tree.as_fd(), private))
        .context("set the root filesystem's propagation")?;
    prepared.rootfs =
        Some(RootTree { tree, path: path.clone(), shared_namespace: plan.rootfs.enter == EnterRoot::Chroot });
    Ok(())
}

fn prepare_step(action: &Action, propagation: Propagation) -> Result<Option<OwnedFd>> {
    match action {
        Action::Mount(mount) => prepare_mount(mount, propagation),
        Action::MakeDevice(node) if node.bind => {
            let tree = mount::open_tree_clone(here(), &node.path, false)
                .with_context(|| format!("clone the host's {:?}", node.path))?;
            Ok(Some(tree))
        }
        _ => Ok(None),
    }
}

fn prepare_mount(plan: &Mount, propagation: Propagation) -> Result<Option<OwnedFd>> {
    let MountSource::Bind { source, recursive } = &plan.source else {
        return Ok(None);
    };
    let tree = match mount::open_tree_clone(here(), source, *recursive) {
        Ok(tree) => tree,
        Err(Errno::EINVAL) => {
            return Err(Errno::EINVAL).with_context(|| format!("clone the mount source {source:?}")).hint(
                "the source may be an unbindable mount, or one with locked mounts below it: use rbind",
            );
        }
        Err(errno) => return Err(errno).with_context(|| format!("clone the mount source {source:?}")),
    };
    let propagation = Propagation { recursive: *recursive, ..propagation };
    mount::set_propagation(tree.as_fd(), propagation).context("set the mount source's propagation")?;
    Ok(Some(tree))
}

/// The host's /dev/null, proven to be it before a container can have any say (CVE-2025-31133).
fn clone_null() -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let null = open("/dev/null", flags, Mode::empty()).context("open")?;
    if !device::is_char(null.as_fd(), 1, 3) {
        fail!(Code::System, "/dev/null is not character device 1:3");
    }
    mount::open_tree_clone_fd(null.as_fd(), false).context("clone")
}

fn here() -> BorrowedFd<'static> {
    nix::fcntl::AT_FDCWD
}

/// What a container's init or an exec'd process needs besides its plan.
pub struct Start {
    pub gate: Gate,
    pub proc: Proc,
    pub prepared: Prepared,
    pub hook_state: HookState,
    pub user_namespace: bool,
}

/// The child, and the conversation with it.
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    channel: ParentEnd,
}

/// Makes init: one clone3 with every new namespace, in the cgroup where it can be cloned into.
pub fn spawn(plan: &Plan, mut start: Start, cgroup: Option<BorrowedFd>) -> Result<Child> {
    if let Some(file) = start.prepared.namespaces.remove(&Kind::Pid) {
        // For our children alone: this process stays where it is.
        namespace::join(file.as_fd(), Kind::Pid).context("join the pid namespace")?;
    }
    let args = CloneArgs { namespaces: &plan.new_namespaces, cgroup, sibling: false };
    let no_other = |errno: Errno| Err(Error::from(errno));
    clone_and_run(&args, &no_other, start, None, &plan.steps)
}

/// Finds another cgroup to clone into, where the kernel refuses the first.
type OtherCgroup<'a> = &'a dyn Fn(Errno) -> Result<Option<OwnedFd>>;

/// Makes one more process for a running container; it enters the namespaces of `init` by itself.
pub fn spawn_exec(
    plan: &ExecPlan,
    start: Start,
    init: OwnedFd,
    cgroup: Option<BorrowedFd>,
    other: OtherCgroup,
) -> Result<Child> {
    if plan.namespaces.contains(&Kind::Pid) {
        namespace::join_process(init.as_fd(), &[Kind::Pid]).context("join the container's pid namespace")?;
    }
    let args = CloneArgs { namespaces: &[], cgroup, sibling: false };
    clone_and_run(&args, other, start, Some((init, plan.namespaces.clone())), &plan.steps)
}

fn clone_and_run(
    args: &CloneArgs,
    other: OtherCgroup,
    start: Start,
    enter: Option<(OwnedFd, Vec<Kind>)>,
    steps: &[Step],
) -> Result<Child> {
    let (parent_end, init_end) = channel::pair()?;
    let cloned = match clone3(args) {
        // The cgroup has controllers enabled for those below it (`man 7 cgroups`, no internal processes).
        Err(Errno::EBUSY) if args.cgroup.is_some() => match other(Errno::EBUSY) {
            Ok(Some(cgroup)) => clone3(&CloneArgs { cgroup: Some(cgroup.as_fd()), ..*args }),
            _ => Err(Errno::EBUSY),
        },
        cloned => cloned,
    };
    let cloned = cloned.map_err(|errno| {
        let error = Error::from(errno).context("make the container's process (clone3)");
        match errno {
            Errno::ENOSPC | Errno::EUSERS => {
                error.hint("a limit in /proc/sys/user/max_*_namespaces is reached")
            }
            Errno::EAGAIN => error.hint("the cgroup's pids limit, or the caller's RLIMIT_NPROC, is reached"),
            Errno::EBUSY => {
                error.hint("the cgroup has controllers enabled for children (no internal processes)")
            }
            _ => error,
        }
    })?;
    match cloned {
        Cloned::Parent { pid, pidfd } => Ok(Child { pid, pidfd, channel: parent_end }),
        Cloned::Child => {
            drop(parent_end);
            let context = Context {
                channel: init_end,
                gate: start.gate,
                proc: start.proc,
                prepared: start.prepared,
                hook_state: start.hook_state,
                user_namespace: start.user_namespace,
                enter,
                root: None,
                terminal: None,
                masks: Default::default(),
                executable: None,
                home: None,
                in_cwd: false,
                cwd: None,
                filtered: false,
                committed: false,
            };
            init::run(context, steps)
        }
    }
}

/// What the parent hears from the child.
#[derive(Debug)]
pub enum Event {
    RootfsReady,
    Terminal(OwnedFd),
    SeccompListener(OwnedFd),
    Ready,
}

impl Child {
    pub fn pid(&self) -> Pid {
        self.pid
    }

    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Says a word.
    pub fn tell(&self, word: ToInit) -> Result<()> {
        // A child that died of an error is heard first: its message says why, a broken pipe does not.
        match self.channel.send(word) {
            Err(error) if error.errno() == Some(Errno::EPIPE) => match self.next() {
                Err(error) => Err(error),
                Ok(event) => Err(Error::new(Code::Internal, format!("init left after {event:?}"))),
            },
            told => told,
        }
    }

    /// The child's next message; its failure or death is the error.
    pub fn next(&self) -> Result<Event> {
        match self.channel.receive()? {
            Some(ToParent::RootfsReady) => Ok(Event::RootfsReady),
            Some(ToParent::Terminal(master)) => Ok(Event::Terminal(master)),
            Some(ToParent::SeccompListener(listener)) => Ok(Event::SeccompListener(listener)),
            Some(ToParent::Ready) => Ok(Event::Ready),
            Some(ToParent::Failed(message)) => Err(Error::from_message(message)),
            None => Err(self.death()),
        }
    }

    /// Waits until the child has closed the channel: by execve, or by letting go after the commit.
    /// A listener may come first, where the filter is loaded last.
    pub fn await_release(&self) -> Result<()> {
        match self.channel.receive()? {
            None => Ok(()),
            Some(ToParent::Failed(message)) => Err(Error::from_message(message)),
            Some(other) => Err(Error::new(Code::Internal, format!("init said {other:?} after the commit"))),
        }
    }

    /// Why a child that said nothing is gone.
    fn death(&self) -> Error {
        match pidfd::reap(self.pidfd.as_fd()) {
            Ok(Exit::Signal(signal)) => Error::new(
                Code::System,
                format!("container init was killed by signal {signal} while it was being made"),
            ),
            Ok(Exit::Code(code)) => {
                Error::new(Code::Internal, format!("container init exited with status {code} without a word"))
            }
            Err(errno) => Error::from(errno).context("container init is gone"),
        }
    }

    /// Kills the child and reaps it. One that is gone already is fine.
    pub fn kill(&self) {
        // ESRCH: it has ended; ECHILD: it was reaped when its death was reported.
        let _ = pidfd::send_signal(self.pidfd.as_fd(), nix::libc::SIGKILL);
        let _ = pidfd::reap(self.pidfd.as_fd());
    }

    /// Gives up the conversation and keeps the process.
    pub fn into_pidfd(self) -> OwnedFd {
        self.pidfd
    }
}
