//! The parent's side: one clone3 (by way of a bridge where the kernel demands it), then a conversation until the
//! container is made.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::bridge::{self, Bridge};
use super::channel::{self, ParentEnd, ToInit, ToParent};
use super::context::{Context, Enter, Gate, HookState, Prepared};
use super::lender::{self, Borrower};
use super::{init, user_namespace};
use crate::fail;
use crate::linux::clone::{CloneArgs, Cloned, clone3};
use crate::linux::namespace::{self, Kind};
use crate::linux::network;
use crate::linux::pidfd::{self, Exit};
use crate::linux::process;
use crate::linux::procfs::Proc;
use crate::plan::{ExecPlan, Plan, Privileged, Step};
use crate::report::{Code, Context as _, Error, Result};

/// What a container's init or an exec'd process needs besides its plan.
pub struct Start {
    pub gate: Gate,
    pub proc: Proc,
    pub prepared: Prepared,
    pub hook_state: HookState,
    pub user_namespace: bool,
    /// It need not wait for `ToInit::Placed`, and is not told.
    pub in_place: bool,
}

/// The child, and the conversation with it.
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    channel: ParentEnd,
}

/// Makes init: one clone3 with every new namespace, in the cgroup where it can be cloned into.
pub fn spawn(plan: &Plan, mut start: Start, cgroup: Option<BorrowedFd>) -> Result<Child> {
    let bridge = plan.needs_bridge().then(|| Bridge::Files(std::mem::take(&mut start.prepared.namespaces)));
    let origin = match start.prepared.namespaces.remove(&Kind::Pid) {
        Some(file) => Some(leave_pid_namespace(&start.proc, file.as_fd())?),
        None => None,
    };
    let namespaces = plan.cloned_namespaces();
    let args = CloneArgs { namespaces: &namespaces, cgroup, sibling: false };
    let no_other = |errno: Errno| Err(Error::from(errno));
    let bridge = bridge.map(|bridge| (bridge, &plan.privileged));
    let child = clone_and_run(&args, bridge, &no_other, start, None, &plan.steps);
    if let Some(origin) = origin {
        // Hooks are the host's: they must not be born in the container's pid namespace.
        namespace::join(origin.as_fd(), Kind::Pid).context("return to our own pid namespace")?;
    }
    child
}

/// Joins a pid namespace for the children to come, as this process stays where it is; and the way back.
fn leave_pid_namespace(proc: &Proc, file: BorrowedFd) -> Result<OwnedFd> {
    let origin = proc.open_own_namespace("pid").context("open our own pid namespace")?;
    namespace::join(file, Kind::Pid).context("join the pid namespace")?;
    Ok(origin)
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
    let args = CloneArgs { namespaces: &[], cgroup, sibling: false };
    if plan.namespaces.contains(&Kind::User) {
        // All at once, while the caller's rights count for each of them (`man 2 setns`).
        let bridge = Bridge::Process(init, plan.namespaces.clone());
        let bridge = (bridge, &plan.privileged);
        return clone_and_run(&args, Some(bridge), other, start, Some(Enter::Arrived), &plan.steps);
    }
    if plan.namespaces.contains(&Kind::Pid) {
        namespace::join_process(init.as_fd(), &[Kind::Pid]).context("join the container's pid namespace")?;
    }
    let enter = Enter::Join(init, plan.namespaces.clone());
    clone_and_run(&args, None, other, start, Some(enter), &plan.steps)
}

fn clone_and_run(
    args: &CloneArgs,
    bridge: Option<(Bridge, &Privileged)>,
    other: OtherCgroup,
    start: Start,
    enter: Option<Enter>,
    steps: &[Step],
) -> Result<Child> {
    let (parent_end, init_end) = channel::pair()?;
    let first = CloneArgs { namespaces: if bridge.is_some() { &[] } else { args.namespaces }, ..*args };
    // The maps of a child that is not dumpable could be written by root alone.
    let exposed = first.namespaces.contains(&Kind::User) && !user_namespace::may_write_maps();
    if exposed {
        process::set_dumpable(true).context("become dumpable")?;
    }
    let cloned = match clone3(&first) {
        // The cgroup has controllers enabled for those below it (`man 7 cgroups`, no internal processes).
        Err(Errno::EBUSY) if args.cgroup.is_some() => match other(Errno::EBUSY) {
            Ok(Some(cgroup)) => clone3(&CloneArgs { cgroup: Some(cgroup.as_fd()), ..first }),
            _ => Err(Errno::EBUSY),
        },
        cloned => cloned,
    };
    let cloned = cloned.map_err(|errno| {
        explain(errno, args.namespaces, &start.proc).context("make the container's process (clone3)")
    })?;
    match (cloned, bridge) {
        (Cloned::Parent { pid, pidfd }, None) => {
            if exposed {
                process::set_dumpable(false).context("become undumpable")?;
            }
            Ok(Child { pid, pidfd, channel: parent_end })
        }
        (Cloned::Parent { pidfd: bridge, .. }, Some(_)) => {
            drop((init_end, start));
            arrival(parent_end, bridge)
        }
        (Cloned::Child, bridge) => {
            drop(parent_end);
            if let Some((bridge, privileged)) = bridge {
                let prepare = || user_namespace::inherit_oom_score(&start.proc, privileged);
                bridge::cross(prepare, bridge, args.namespaces, &init_end);
            }
            let context = Context {
                channel: init_end,
                gate: start.gate,
                proc: start.proc,
                prepared: start.prepared,
                hook_state: start.hook_state,
                user_namespace: start.user_namespace,
                in_place: start.in_place,
                enter,
                root: None,
                cgroup_mounts: BTreeMap::new(),
                device_directory: None,
                terminal: None,
                masks: Default::default(),
                executable: None,
                home: None,
                in_cwd: false,
                cwd: None,
                may_set_groups: None,
                filtered: false,
                committed: false,
            };
            init::run(context, steps)
        }
    }
}

/// Init, as the bridge announces it; the bridge itself is gone then.
fn arrival(channel: ParentEnd, bridge: OwnedFd) -> Result<Child> {
    let heard = channel.receive();
    let ended = pidfd::reap(bridge.as_fd()).context("wait for the bridge")?;
    match heard? {
        Some(ToParent::Sibling(pid, pidfd)) => Ok(Child { pid, pidfd, channel }),
        Some(ToParent::Failed(message)) => Err(Error::from_message(message)),
        Some(other) => Err(Error::new(Code::Internal, format!("the bridge said {other:?}"))),
        None => Err(Error::new(Code::Internal, format!("the bridge ended without a word: {ended:?}"))),
    }
}

fn explain(errno: Errno, namespaces: &[Kind], proc: &Proc) -> Error {
    let error = Error::from(errno);
    match errno {
        Errno::ENOSPC | Errno::EUSERS | Errno::EPERM | Errno::EACCES => {
            match user_namespace::obstacle(proc, namespaces) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        }
        Errno::EAGAIN => error.hint("the cgroup's pids limit, or the caller's RLIMIT_NPROC, is reached"),
        Errno::EBUSY => error.hint("the cgroup has controllers enabled for children (no internal processes)"),
        _ => error,
    }
}

/// What the parent hears from the child.
#[derive(Debug)]
pub enum Event {
    RootfsReady,
    Terminal(OwnedFd),
    SeccompListener(OwnedFd),
    /// `IdsMapped` is the answer.
    MapIds {
        mount: OwnedFd,
        namespace: OwnedFd,
        recursive: bool,
    },
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
        self.tell_with(word, &[])
    }

    /// Says a word, with descriptors.
    pub fn tell_with(&self, word: ToInit, fds: &[BorrowedFd]) -> Result<()> {
        // A child that died of an error is heard first, to its end: its message says why, a broken pipe does not.
        match self.channel.send(word, fds) {
            Err(error) if matches!(error.errno(), Some(Errno::EPIPE | Errno::ECONNRESET)) => loop {
                self.next()?;
            },
            told => told,
        }
    }

    /// Clones the mounts that the child waits for, in its mount namespace.
    pub fn lend_mounts(&self, plan: &Plan, idmaps: &BTreeMap<usize, OwnedFd>, proc: &Proc) -> Result<()> {
        let init = Borrower { pid: self.pid, pidfd: self.pidfd.as_fd(), channel: &self.channel };
        lender::lend(plan, idmaps, &init, proc)
    }

    /// Makes the network namespace that the child waits for, and raises its `lo` while the child goes on if that is
    /// asked for. This process is where it was before, or the error is no reason to go on.
    pub fn give_network(&self, proc: &Proc, raise_loopback: bool) -> Result<()> {
        let own = proc.open_own_namespace("net").context("open our own network namespace")?;
        namespace::unshare(Kind::Network).map_err(|errno| {
            explain(errno, &[Kind::Network], proc).context("make the container's network namespace")
        })?;
        let made = proc.open_own_namespace("net").context("open the container's network namespace");
        let given = made.and_then(|made| self.tell_with(ToInit::Network, &[made.as_fd()]));
        let raised = match raise_loopback {
            true => network::loopback_up().context("bring the loopback interface up"),
            false => Ok(()),
        };
        namespace::join(own.as_fd(), Kind::Network).context("return to our own network namespace")?;
        given.and(raised)
    }

    /// The child's next message; its failure or death is the error.
    pub fn next(&self) -> Result<Event> {
        match self.channel.receive()? {
            Some(ToParent::RootfsReady) => Ok(Event::RootfsReady),
            Some(ToParent::Terminal(master)) => Ok(Event::Terminal(master)),
            Some(ToParent::SeccompListener(listener)) => Ok(Event::SeccompListener(listener)),
            Some(ToParent::SeccompListenerAt(number)) => self.take_listener(number),
            Some(ToParent::MapIds { mount, namespace, recursive }) => {
                Ok(Event::MapIds { mount, namespace, recursive })
            }
            Some(ToParent::Ready) => Ok(Event::Ready),
            Some(ToParent::Sibling(..)) => fail!(Code::Internal, "a second init was announced"),
            Some(ToParent::Failed(message)) => Err(Error::from_message(message)),
            None => Err(self.death()),
        }
    }

    /// Hears that the child needs nothing but our commit, which it has: so it is heard when it has closed the channel, or
    /// is gone.
    pub fn await_ready(&self) -> Result<()> {
        self.channel.await_hang_up()?;
        match self.next()? {
            Event::Ready => Ok(()),
            other => {
                Err(Error::new(Code::Internal, format!("{other:?} instead of the word that all is made")))
            }
        }
    }

    /// Init keeps it until it is told.
    fn take_listener(&self, number: RawFd) -> Result<Event> {
        let listener = pidfd::take_descriptor(self.pidfd.as_fd(), number)
            .context("take the seccomp listener from init")
            .hint("a profile that notifies of sendmsg needs a runtime with CAP_SYS_PTRACE")?;
        self.channel.send(ToInit::ListenerTaken, &[])?;
        Ok(Event::SeccompListener(listener))
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

    /// An error of the parent's own is likely to come of the child's end, where that came before: its cgroup may be
    /// gone with it. Then the child's last word is the error, or its death is told with it.
    pub fn explain_end(&self, error: Error) -> Error {
        if pidfd::has_ended(self.pidfd.as_fd()) != Ok(true) {
            return error;
        }
        while let Ok(Some(said)) = self.channel.receive() {
            if let ToParent::Failed(message) = said {
                return Error::from_message(message);
            }
        }
        match pidfd::reap(self.pidfd.as_fd()) {
            Ok(Exit::Signal(signal)) => error.context(killed(signal)),
            // It was heard before, and reaped with that.
            Ok(Exit::Code(_)) | Err(_) => error,
        }
    }

    /// Why a child that said nothing is gone.
    fn death(&self) -> Error {
        match pidfd::reap(self.pidfd.as_fd()) {
            Ok(Exit::Signal(signal)) => Error::new(Code::System, killed(signal)),
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
}

fn killed(signal: i32) -> String {
    format!("container init was killed by signal {signal} while it was being made")
}
