//! `exec`: one more process in a running container, confined as the container's own is.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::unistd::Pid;
use oci_spec::runtime::{Process, Spec};

use super::blueprint::{filter, require_inherited};
use super::exec_process;
use super::foreground::Foreground;
use super::handover::{self, Handover};
use super::options::ExecOptions;
use super::state::{ProcessId, State, Status};
use super::store::{Container, ContainerId};
use super::{Globals, find, foreground, hooks, intel_rdt};
use crate::bundle::{load, validate};
use crate::cgroup::{Entrance, Manager};
use crate::fail;
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::namespace::Kind;
use crate::linux::procfs::Proc;
use crate::linux::scheduler;
use crate::plan::seccomp::Filter;
use crate::plan::{ExecPlan, compile};
use crate::report::{Code, Context, Error, Result, trace};
use crate::stage::channel::ToInit;
use crate::stage::context::{Gate, Prepared};
use crate::stage::launch::{self, Child, Event, Start};
use crate::stage::user_namespace;

/// Runs a process in the container; its exit status, or 0 at once if detached.
///
/// The config in force is the one that was frozen at create, not what is in the bundle today.
pub fn exec(globals: &Globals, id: &ContainerId, options: &ExecOptions) -> Result<u8> {
    // Sockets that a service manager passes are for the container's first process (runc).
    require_inherited(0, options.preserve_fds)?;
    let container = find(globals, id)?;
    let state = container.load()?;
    let init = require_running(&container, &state, options.ignore_paused)?;
    let proc = Proc::open().context("open /proc")?;
    let Some(held) = init.hold(&proc).context("look for init")? else {
        fail!(Code::WrongState, "cannot exec in a stopped container");
    };

    trace::done("look at the container");
    let config = container.config()?;
    let (spec, profile) = load::parse_with_profile(&config)?;
    let process = exec_process::build(&spec, options)?;
    validate(&process, options)?;
    let terminal = process.terminal().unwrap_or(false);
    handover::check_terminal(terminal, options.detach, options.console_socket.as_deref())?;
    let handover = Handover::connect(
        options.console_socket.as_deref(),
        options.pidfd_socket.as_deref(),
        options.pid_file.as_deref(),
    )?;
    let plan = compile::exec(
        &spec,
        &process,
        &foreign_namespaces(&proc, init)?,
        &compile::ExecOptions {
            preserve_fds: options.preserve_fds,
            no_new_keyring: state.no_new_keyring,
            id: id.as_str().to_string(),
        },
    )?;

    trace::done("load the config, plan");
    let mut foreground = match options.detach {
        true => None,
        false => Some(Foreground::begin(false)?),
    };
    let resctrl = container.recorded_resctrl()?;
    let mut entering =
        Entering { state: &state, spec: &spec, plan: &plan, handover: &handover, resctrl, terminal: None };
    let child = entering.enter(
        held,
        filter(globals, &spec, profile.and_then(|place| config.get(place)))?,
        &options.cgroup,
    )?;
    let terminal = entering.terminal.take();
    match &mut foreground {
        None => Ok(0),
        Some(foreground) => {
            let attended = foreground.attend(child.pidfd(), child.pid().as_raw(), terminal, None);
            trace::done(trace::PROGRAM);
            attended
        }
    }
}

/// What is wrong is said with its place in the config, or in the process file.
fn validate(process: &Process, options: &ExecOptions) -> Result<()> {
    match &options.process {
        None => validate::process(process, "/process"),
        Some(path) => validate::process(process, "")
            .map_err(Error::with_place_in_text)
            .with_context(|| format!("process file {path:?}")),
    }
}

fn require_running(container: &Container, state: &State, ignore_paused: bool) -> Result<ProcessId> {
    match container.status(state)? {
        Status::Stopped => fail!(Code::WrongState, "cannot exec in a stopped container"),
        Status::Creating => fail!(Code::WrongState, "cannot exec in a container that is still being created"),
        Status::Paused if !ignore_paused => {
            fail!(Code::WrongState, "cannot exec in a paused container (use --ignore-paused to override)")
        }
        Status::Paused | Status::Created | Status::Running => {}
    }
    state.init.ok_or_else(|| Error::new(Code::Internal, "a container that runs has no init"))
}

/// The namespaces of init that are not ours already. Joining one's own user namespace is refused
/// by the kernel, and the others need not be joined.
fn foreign_namespaces(proc: &Proc, init: ProcessId) -> Result<Vec<Kind>> {
    let identity = |namespace: OwnedFd| fstat(&namespace).map(|stat| (stat.st_dev, stat.st_ino));
    let mut foreign = Vec::new();
    for kind in Kind::ALL {
        let name = kind.proc_name();
        let theirs = match proc.open_namespace(Pid::from_raw(init.pid), name) {
            // A kernel without this kind.
            Err(Errno::ENOENT) => continue,
            theirs => {
                theirs.and_then(identity).with_context(|| format!("look at init's {name} namespace"))?
            }
        };
        let ours = proc
            .open_namespace(nix::unistd::getpid(), name)
            .and_then(identity)
            .with_context(|| format!("look at our {name} namespace"))?;
        if ours != theirs {
            foreign.push(kind);
        }
    }
    Ok(foreign)
}

struct Entering<'a> {
    state: &'a State,
    spec: &'a Spec,
    plan: &'a ExecPlan,
    handover: &'a Handover,
    resctrl: Option<intel_rdt::Group>,
    terminal: Option<OwnedFd>,
}

impl Entering<'_> {
    /// Makes the process and brings it to its execve; kills it if anything fails on the way.
    fn enter(&mut self, init: OwnedFd, filter: Option<Filter>, sub_cgroup: &[String]) -> Result<Child> {
        let manager = Manager::new(self.state.cgroup.clone());
        let awaited = self.plan.keeps_parent_busy() || filter.as_ref().is_some_and(Filter::has_listener);
        let own = |errno| match sub_cgroup.is_empty() {
            true => self.cgroup_of_init(&manager),
            false => Err(Error::from(errno)),
        };
        let entrance = match manager.exec_entrance(sub_cgroup) {
            Err(error) if error.errno() == Some(Errno::ENOENT) && sub_cgroup.is_empty() => {
                own(Errno::ENOENT)?.map(|unified| Entrance { unified: Some(unified), ..Entrance::default() })
            }
            entrance => entrance?,
        };
        // Where the clone cannot go into a v2 cgroup, a write to cgroup.procs could not either.
        let placed = entrance.is_some();
        let Entrance { unified, tasks } = entrance.unwrap_or_default();
        let in_place = placed && self.resctrl.is_none() && self.plan.leaves_in_place();
        let start = Start {
            gate: Gate::Channel,
            proc: Proc::open().context("open /proc")?,
            prepared: Prepared { filter, tasks, ..Prepared::default() },
            hook_state: hooks::hook_state(self.state),
            user_namespace: self.plan.namespaces.contains(&Kind::User),
            in_place,
        };
        let child = launch::spawn_exec(self.plan, start, init, unified.as_ref().map(AsFd::as_fd), &own)?;
        trace::done("clone3");
        if !placed && let Err(error) = manager.add_exec(child.pid(), sub_cgroup) {
            child.kill();
            return Err(error);
        }
        let up = match in_place {
            true => Ok(()),
            false => self.place(&child),
        };
        match up.and_then(|()| self.bring_up(&child, awaited)) {
            Ok(()) => Ok(child),
            Err(error) => {
                child.kill();
                self.handover.remove_pid_file();
                Err(error)
            }
        }
    }

    /// Where init is now: it can have moved to a cgroup below, and have given controllers to those beside it (a
    /// container engine in the container); then no process can be put in the container's own.
    fn cgroup_of_init(&self, manager: &Manager) -> Result<Option<OwnedFd>> {
        let proc = Proc::open().context("open /proc")?;
        let tree = CgroupTree::detect(&proc).context("find the cgroup hierarchies")?;
        let pid = self.state.init.map_or(0, |init| init.pid);
        manager.init_target(&tree, &proc, Pid::from_raw(pid))
    }

    /// What the process waits for before it does anything.
    fn place(&self, child: &Child) -> Result<()> {
        if let Some(group) = &self.resctrl {
            group.add(child.pid())?;
        }
        if let Some(list) = &self.plan.initial_cpu_affinity {
            set_affinity(child.pid(), list)?;
        }
        child.tell(ToInit::Placed)?;
        trace::done("place the process");
        Ok(())
    }

    /// The commit waits for the process to be ready if that is `awaited`; else it lies there for it.
    fn bring_up(&mut self, child: &Child, awaited: bool) -> Result<()> {
        if awaited {
            self.converse(child)?;
        }
        if let Some(master) = self.terminal.take() {
            self.terminal = self.handover.send_terminal(master)?;
        }
        if let Some(master) = &self.terminal {
            foreground::prepare_terminal(master.as_fd())?;
        }
        self.handover.send_pidfd("setns", child.pidfd())?;
        self.handover.write_pid_file(child.pid())?;
        child.tell(ToInit::Commit)?;
        if !awaited {
            child.await_ready()?;
        }
        let released = child.await_release();
        trace::done("wait for the execve");
        released
    }

    /// What the process asks for, until it has nothing left to do but to wait.
    fn converse(&mut self, child: &Child) -> Result<()> {
        loop {
            match child.next()? {
                Event::Terminal(master) => self.terminal = Some(master),
                Event::SeccompListener(listener) => {
                    let init = Pid::from_raw(self.state.init.map_or(0, |init| init.pid));
                    let state = hooks::hook_state(self.state);
                    handover::send_listener(self.spec, &state, ("running", init), child.pid(), listener)?;
                }
                Event::Ready => {
                    user_namespace::set_rlimits(child.pid(), &self.plan.privileged)?;
                    trace::done("wait for it to be ready");
                    return Ok(());
                }
                Event::RootfsReady | Event::MapIds { .. } => {
                    fail!(Code::Internal, "an exec'd process has no root filesystem to make")
                }
            }
        }
    }
}

/// execCPUAffinity.initial: before the cgroup's cpuset can narrow it.
fn set_affinity(pid: Pid, list: &str) -> Result<()> {
    let Some(cpus) = scheduler::parse_cpu_list(list) else {
        fail!(Code::InvalidConfig, "CPU list {list:?} is malformed");
    };
    scheduler::set_cpu_affinity(pid, &cpus)
        .with_context(|| format!("set initial CPU affinity {list:?}"))
        .at("/process/execCPUAffinity/initial")
}
