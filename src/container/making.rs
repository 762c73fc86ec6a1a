//! What `create` and `run` share: from a bundle to a process that is ready to become the program.
//!
//! First everything that can fail without a trace; then the claim on the id and the record of what
//! will be made; then the making. If that fails, all of it is undone.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use oci_spec::runtime::{Hook, LinuxResources};

use super::blueprint::{Blueprint, Order};
use super::notify::NotifyRelay;
use super::state::{Phase, ProcessId, State};
use super::store::{Container, START_FIFO, Store};
use super::{foreground, handover, hooks, intel_rdt};
use crate::cgroup::{self, Driver, Entrance, Location, Manager};
use crate::plan::seccomp::Filter;
use crate::plan::{Plan, compile};
use crate::report::{Code, Context, Error, Result, log, trace};
use crate::stage::channel::ToInit;
use crate::stage::context::{Gate, HookState};
use crate::stage::launch::{self, Child, Event, Start};
use crate::stage::net_devices::NetDevices;
use crate::stage::{prepare, user_namespace};

/// How long undoing may wait for a cgroup to empty.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container that has been made and recorded. The lock is still held.
pub struct Made {
    pub container: Container,
    pub state: State,
    pub child: Child,
    /// The terminal's master, where it was not handed over.
    pub terminal: Option<OwnedFd>,
    pub hook_state: HookState,
    pub poststart: Vec<Hook>,
    pub poststop: Vec<Hook>,
    pub notify: Option<NotifyRelay>,
}

/// Claims the id, for a container whose cgroup nobody else uses: looked at before the record, which names it as ours
/// to kill.
pub fn claim(order: &Order, manager: &Manager) -> Result<Container> {
    let container = Store::open(&order.globals.root)?.reserve(order.id)?;
    let Err(error) = manager.check_unused() else { return Ok(container) };
    Err(error.and(container.discard()))
}

/// Makes the container up to its commit; with `start_at_once`, up to its execve.
///
/// # Errors
/// Whatever failed; nothing is left of the container then.
pub fn make(order: &Order) -> Result<Made> {
    let mut blueprint = Blueprint::draw(order)?;
    let state = blueprint.first_state(order)?;
    let mut manager = Manager::new(blueprint.location.clone());
    manager.prepare(&state.annotations, &blueprint.plan.cgroup.resources)?;
    let container = claim(order, &manager)?;
    let mut work = Work {
        container,
        state,
        manager,
        child: None,
        terminal: None,
        hooks_began: false,
        net_devices: NetDevices::default(),
        resctrl: None,
    };
    trace::done("reserve the id");
    if let Err(error) = work.build(order, &mut blueprint) {
        return Err(work.undo(&blueprint, error));
    }
    let Some(child) = work.child else {
        return Err(no_child());
    };
    Ok(Made {
        container: work.container,
        state: work.state,
        child,
        terminal: work.terminal,
        hook_state: blueprint.hook_state,
        poststart: blueprint.plan.hooks.poststart,
        poststop: blueprint.plan.hooks.poststop,
        notify: blueprint.notify,
    })
}

/// What has been made so far.
struct Work {
    container: Container,
    state: State,
    manager: Manager,
    child: Option<Child>,
    terminal: Option<OwnedFd>,
    hooks_began: bool,
    net_devices: NetDevices,
    resctrl: Option<intel_rdt::Group>,
}

impl Work {
    /// The making itself, read from top to bottom.
    fn build(&mut self, order: &Order, blueprint: &mut Blueprint) -> Result<()> {
        self.container.save(&self.state)?;
        self.container.record_cgroup(&self.state.cgroup)?;
        trace::done("write the state");
        if let Some(notify) = &mut blueprint.notify {
            notify.prepare(order.start_at_once)?;
        }
        let filter = blueprint.filter.take();
        let listens = filter.as_ref().is_some_and(Filter::has_listener);
        let awaited = blueprint.plan.keeps_parent_busy() || listens;
        let mut prepared = prepare::prepare(&blueprint.plan, filter, &blueprint.proc)?;
        trace::done("open what init needs");
        self.make_cgroup(order, &blueprint.plan)?;
        self.make_resctrl_group(blueprint)?;
        trace::done("make the cgroup");
        let paths = self.state.cgroup.paths.clone();
        let openable = !prepared.is_for_init();
        let cgroups =
            || prepare::cgroups(&blueprint.plan, openable, |key| paths.get(key).map(PathBuf::as_path));
        let cgroup_comes_first = self.manager.comes_before_its_process()?;
        if cgroup_comes_first {
            prepared.cgroups = cgroups()?;
        }

        let to_lend = prepared.to_lend()?;
        let entrance = self.manager.entrance()?;
        let has_entrance = entrance.is_some();
        let Entrance { unified, tasks } = entrance.unwrap_or_default();
        prepared.tasks = tasks;
        let in_place =
            has_entrance && to_lend.is_none() && self.resctrl.is_none() && blueprint.plan.leaves_in_place();
        let start = Start {
            gate: self.gate(order)?,
            proc: blueprint.proc.try_clone().context("keep /proc for init")?,
            prepared,
            hook_state: blueprint.hook_state.clone(),
            user_namespace: blueprint.plan.has_user_namespace(),
            in_place,
        };
        let child = launch::spawn(&blueprint.plan, start, unified.as_ref().map(AsFd::as_fd))?;
        trace::done("clone3");
        let pid = self.child.insert(child).pid();
        if !has_entrance {
            self.manager.add(pid)?;
        }
        if !in_place {
            self.place(blueprint, pid)?;
        }
        let child = self.child.as_ref().ok_or_else(no_child)?;
        if let Some(idmaps) = to_lend {
            child.lend_mounts(&blueprint.plan, &idmaps, &blueprint.proc)?;
        }
        if !in_place {
            let cgroup = if cgroup_comes_first { None } else { cgroups()?.remove("") };
            child.tell_with(ToInit::Placed, cgroup.as_ref().map(AsFd::as_fd).as_slice())?;
            trace::done("place init");
        }
        if blueprint.plan.makes_network_beside() {
            child.give_network(&blueprint.proc, blueprint.plan.raises_loopback_beside())?;
            trace::done("make the network namespace");
        }
        // Beside init's work: until the commit it dies with us, recorded or not.
        self.container.freeze_config(&blueprint.bundle.raw)?;
        self.state.descriptors = blueprint.descriptors()?;
        let init = ProcessId::of_held(&blueprint.proc, pid, child.pidfd()).context("look at init")?;
        self.state.init = Some(init);
        // Who looks on meanwhile finds it there; nobody else needs it before the commit, which records it too.
        if blueprint.plan.awaits_parent() || awaited {
            self.container.save(&self.state)?;
        }
        trace::done("record init");

        self.converse(blueprint, awaited)?;
        self.hand_over(blueprint)?;
        self.commit(awaited)
    }

    /// What init cannot do to itself, while it waits.
    fn place(&self, blueprint: &Blueprint, pid: Pid) -> Result<()> {
        if let Some(group) = &self.resctrl {
            group.add(pid)?;
        }
        if let Some(owner) = blueprint.plan.cgroup.owner {
            self.manager.delegate(owner)?;
        }
        if let Some(maps) = &blueprint.plan.id_maps {
            user_namespace::write_maps(&blueprint.proc, pid, maps)?;
        }
        match blueprint.plan.needs_bridge() {
            true => Ok(()),
            false => user_namespace::adjust_oom_score(&blueprint.proc, pid, &blueprint.plan.privileged),
        }
    }

    /// An ordinary user may have no cgroup to make others in; who asks for none then needs none.
    fn make_cgroup(&mut self, order: &Order, plan: &Plan) -> Result<()> {
        let resources = &plan.cgroup.resources;
        if self.state.cgroup.driver == Driver::Disabled {
            return refuse_limits(resources, None);
        }
        if order.globals.rootless && plan.cgroup.path.is_some() && self.manager.leave_out_of_reach()? {
            self.place_cgroup(self.manager.location().clone())?;
        }
        let error = match self.manager.create(resources) {
            Err(error) if order.globals.rootless => error,
            made => return made,
        };
        if !cgroup::is_refusal(&error) {
            return Err(error);
        }
        if plan.cgroup.path.is_some() {
            return Err(error.context("unable to apply cgroup configuration"));
        }
        refuse_limits(resources, Some(error))?;
        log::debug("the container has no cgroup: none can be made here");
        if !self.state.own_pid_namespace {
            // In the words that people look for: whoever kills it would miss some.
            log::warn(
                "Creating a rootless container with no cgroup and no private pid namespace. Such configuration is \
                 strongly discouraged (as it is impossible to properly kill all container's processes).",
            );
        }
        let nowhere =
            Location { driver: Driver::Disabled, unit: None, paths: BTreeMap::new(), rootless: true };
        self.manager = Manager::new(nowhere.clone());
        self.place_cgroup(nowhere)
    }

    /// Corrects the record, which was written ahead.
    fn place_cgroup(&mut self, location: Location) -> Result<()> {
        self.state.cgroup = location;
        self.container.save(&self.state)?;
        self.container.correct_cgroup(&self.state.cgroup)
    }

    fn make_resctrl_group(&mut self, blueprint: &Blueprint) -> Result<()> {
        self.resctrl = record_resctrl_group(&self.container, blueprint)?;
        self.resctrl.as_ref().map_or(Ok(()), intel_rdt::Group::make)
    }

    /// Init's fifo, where `start` is another command's.
    fn gate(&self, order: &Order) -> Result<Gate> {
        if order.start_at_once {
            return Ok(Gate::Channel);
        }
        self.container.make_fifo(START_FIFO)?;
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fifo = openat(self.container.directory(), START_FIFO, flags, Mode::empty())
            .with_context(|| format!("open {:?}", self.container.path().join(START_FIFO)))?;
        Ok(Gate::Fifo(fifo))
    }

    /// What init asks for: until it is ready if that is `awaited`, and else until it needs nothing more of us.
    fn converse(&mut self, blueprint: &Blueprint, awaited: bool) -> Result<()> {
        loop {
            match self.child()?.next()? {
                Event::RootfsReady => {
                    trace::done("wait for the root filesystem");
                    self.set_limits(&blueprint.plan.cgroup.resources)?;
                    let (devices, pid) = (&blueprint.plan.net_devices, self.child()?.pid());
                    self.net_devices.move_all(devices, &blueprint.proc, pid)?;
                    self.run_runtime_hooks(blueprint)?;
                    if blueprint.plan.awaits_parent() {
                        self.child()?.tell(ToInit::RuntimeHooksDone)?;
                    }
                    trace::done("limits, network devices, hooks");
                    if !awaited {
                        return Ok(());
                    }
                }
                Event::MapIds { mount, namespace, recursive } => {
                    prepare::map_ids(mount.as_fd(), namespace.as_fd(), recursive)?;
                    self.child()?.tell(ToInit::IdsMapped)?;
                }
                Event::Terminal(master) => self.terminal = Some(master),
                Event::SeccompListener(listener) => {
                    let (pid, spec) = (self.child()?.pid(), &blueprint.bundle.spec);
                    let state = &blueprint.hook_state;
                    handover::send_listener(spec, state, ("creating", pid), pid, listener)?;
                }
                Event::Ready => {
                    trace::done("wait for init to be ready");
                    return user_namespace::set_rlimits(self.child()?.pid(), &blueprint.plan.privileged);
                }
            }
        }
    }

    /// An ordinary user can set no device rules, and needs none: the container reaches no more than the user does.
    fn set_limits(&self, resources: &LinuxResources) -> Result<()> {
        if !self.state.rootless {
            return self.manager.apply(resources);
        }
        let mut limits = resources.clone();
        limits.set_devices(None);
        self.manager.apply(&limits)?;
        let mut devices = LinuxResources::default();
        devices.set_devices(resources.devices().clone());
        match self.manager.apply(&devices) {
            Err(error) if cgroup::is_refusal(&error) => {
                log::debug(format!("device rules are left out: {error}"));
                Ok(())
            }
            set => set,
        }
    }

    fn run_runtime_hooks(&mut self, blueprint: &Blueprint) -> Result<()> {
        self.hooks_began = true;
        hooks::run_creating(&blueprint.plan.hooks, &blueprint.hook_state, self.child()?.pid().as_raw())
    }

    /// Tells the caller what it asked to be told, before the commit: a caller that cannot be told
    /// gets no container.
    fn hand_over(&mut self, blueprint: &Blueprint) -> Result<()> {
        let child = self.child.as_ref().ok_or_else(no_child)?;
        if let Some(master) = self.terminal.take() {
            self.terminal = blueprint.handover.send_terminal(master)?;
        }
        if let Some(master) = &self.terminal {
            foreground::prepare_terminal(master.as_fd())?;
        }
        blueprint.handover.send_pidfd("standard", child.pidfd())?;
        blueprint.handover.write_pid_file(child.pid())
    }

    /// On record first; then init may outlive us. It has not to wait for our word if that lies there when it is ready.
    fn commit(&mut self, ready: bool) -> Result<()> {
        self.state.phase = Phase::Created;
        self.container.save(&self.state)?;
        let child = self.child()?;
        child.tell(ToInit::Commit)?;
        trace::done("hand over, record, commit");
        if !ready {
            child.await_ready()?;
        }
        let released = child.await_release();
        trace::done("wait for the execve");
        released
    }

    fn child(&self) -> Result<&Child> {
        self.child.as_ref().ok_or_else(no_child)
    }

    /// Undoes all of it, and says what went wrong first.
    fn undo(mut self, blueprint: &Blueprint, error: Error) -> Error {
        let error = match &self.child {
            Some(child) => child.explain_end(error),
            None => error,
        };
        let mut error = self.explain_oom(self.manager.explain_refusal(error));
        // While the container's network namespace is there: virtual ones die with it.
        self.net_devices.give_back();
        if let Some(child) = &self.child {
            child.kill();
        }
        blueprint.handover.remove_pid_file();
        error = error.and(end_cgroup(&self.manager));
        if let Some(group) = &self.resctrl {
            error = error.and(group.remove());
        }
        if self.hooks_began {
            hooks::run_poststop(&blueprint.plan.hooks.poststop, &blueprint.hook_state);
        }
        error.and(self.container.discard())
    }

    /// A killed init says nothing; its cgroup does.
    fn explain_oom(&self, error: Error) -> Error {
        match self.manager.oom_kills() {
            Ok(kills) if kills > 0 && self.child.is_some() => {
                error.context("container init was OOM-killed (memory limit too low?)")
            }
            // No count is no reason to hide the error.
            _ => error,
        }
    }
}

/// Limits need a cgroup. (Device rules do not count: every default config has them, and an ordinary user's container
/// can reach no more devices than the user.)
fn refuse_limits(resources: &LinuxResources, why: Option<Error>) -> Result<()> {
    let Some(field) = compile::first_limit(resources) else { return Ok(()) };
    let error = why.unwrap_or_else(|| Error::new(Code::Cgroup, "cgroups are disabled"));
    Err(error
        .context(format!("cannot set {field} limit: container could not join or create cgroup"))
        .at(format!("/linux/resources/{field}"))
        .hint("use cgroup delegation (--systemd-cgroup), or leave linux.resources out"))
}

/// The resctrl group that the config asks for, if any: on record, and to be made.
pub fn record_resctrl_group(
    container: &Container,
    blueprint: &Blueprint,
) -> Result<Option<intel_rdt::Group>> {
    let Some(config) = &blueprint.plan.cgroup.intel_rdt else { return Ok(None) };
    let resctrl = intel_rdt::mounted(&blueprint.proc)?;
    let group = intel_rdt::Group::of(config, container.id(), &resctrl)?;
    container.record_resctrl(&group)?;
    Ok(Some(group))
}

/// Kills what is left in it, and removes it.
pub fn end_cgroup(manager: &Manager) -> Result<()> {
    if !manager.exists() {
        return Ok(());
    }
    manager.signal_all(super::kill::SIGKILL)?;
    manager.remove(PATIENCE)
}

fn no_child() -> Error {
    Error::new(Code::Internal, "there is no init")
}
