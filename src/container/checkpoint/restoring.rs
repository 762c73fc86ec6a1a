//! The making of a restored container, step by step, and its undoing.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::common::{config_file, text_of};
use super::descriptors;
use super::detour::Detour;
use super::directories::{Directories, Views};
use super::explain::explain;
use super::namespaces::{self, Joined};
use super::options::RestoreOptions;
use crate::cgroup::Manager;
use crate::container::blueprint::{Blueprint, Order};
use crate::container::making::{self, end_cgroup};
use crate::container::state::{Phase, ProcessId, State};
use crate::container::store::Container;
use crate::container::{hooks, intel_rdt};
use crate::criu::{CgroupRoot, InheritedDescriptor, Job, Notification, Options, Service, Stdio};
use crate::fail;
use crate::linux::namespace::Kind;
use crate::linux::{fd, pidfd};
use crate::report::{Code, Context, Error, Result};
use crate::stage::context::Prepared;
use crate::stage::external::{self, Guard, Staged};
use crate::stage::net_devices::NetDevices;
use crate::stage::prepare;

/// Where callers look for it.
pub const LOG: &str = "restore.log";
const CGROUP_LIMIT: usize = 1 << 20;
const SIGKILL: i32 = crate::container::kill::SIGKILL;

/// A container that has been restored and recorded. It runs.
pub struct Restored {
    pub container: Container,
    pub state: State,
    pub pid: Pid,
    pub pidfd: OwnedFd,
    /// The terminal's master, where it was not handed over.
    pub terminal: Option<OwnedFd>,
}

/// What CRIU is told of.
struct Ready {
    staged: Staged,
    views: Views,
    joined: Joined,
}

/// What has been made so far.
pub struct Restoring<'a> {
    blueprint: Blueprint,
    options: &'a RestoreOptions,
    directories: &'a Directories,
    container: Container,
    state: State,
    manager: Manager,
    resctrl: Option<intel_rdt::Group>,
    init: Option<(Pid, OwnedFd)>,
    terminal: Option<OwnedFd>,
    hooks_began: bool,
    net_devices: NetDevices,
}

impl<'a> Restoring<'a> {
    /// Restores a container to the point from which it runs by itself.
    ///
    /// # Errors
    /// Whatever failed; nothing is left of the container then.
    pub fn restore(
        order: &Order,
        blueprint: Blueprint,
        options: &'a RestoreOptions,
        directories: &'a Directories,
        program: &Path,
    ) -> Result<Restored> {
        let mut state = blueprint.first_state(order)?;
        state.descriptors = blueprint.descriptors()?;
        let mut manager = Manager::new(state.cgroup.clone());
        manager.prepare(&state.annotations, &blueprint.plan.cgroup.resources)?;
        let container = making::claim(order, &manager)?;
        let mut this = Self {
            blueprint,
            options,
            directories,
            container,
            state,
            manager,
            resctrl: None,
            init: None,
            terminal: None,
            hooks_began: false,
            net_devices: NetDevices::default(),
        };
        match this.build(program) {
            Ok(()) => this.finish(),
            Err(error) => Err(this.undo(error)),
        }
    }

    /// The making itself, read from top to bottom.
    fn build(&mut self, program: &Path) -> Result<()> {
        self.container.save(&self.state)?;
        self.container.record_cgroup(&self.state.cgroup)?;
        self.container.freeze_config(&self.blueprint.bundle.raw)?;
        if let Some(notify) = &mut self.blueprint.notify {
            notify.prepare(false)?;
        }
        let plan = &self.blueprint.plan;
        let mut prepared = prepare::prepare_at_once(plan, None, &self.blueprint.proc)?;
        self.manager.create(&plan.cgroup.resources)?;
        self.resctrl = making::record_resctrl_group(&self.container, &self.blueprint)?;
        self.resctrl.as_ref().map_or(Ok(()), intel_rdt::Group::make)?;
        let joined = Joined::of(plan, std::mem::take(&mut prepared.namespaces))?;
        let inherited = descriptors::inherited(self.directories.images())?;

        let (mut service, ready) = self.start_criu(program, prepared, joined)?;
        match self.conduct(&mut service, ready, inherited) {
            Ok(()) => service.end(),
            Err(error) => Err(kill_after(service, error)),
        }
    }

    /// CRIU, in a mount namespace in which all that it is to mount is ready.
    fn start_criu(&self, program: &Path, prepared: Prepared, joined: Joined) -> Result<(Service, Ready)> {
        if let Some(maps) = &self.blueprint.plan.id_maps {
            self.directories.let_in(maps)?;
            // CRIU opens them once more, as the container's root.
            if let Some(root) = maps.uids.iter().find(|map| map.container == 0) {
                fd::own_stdio(root.host).context("give standard streams to the container's root")?;
            }
        }
        let detour = Detour::begin(&self.blueprint.proc)?;
        let started = self.start_here(program, prepared, joined);
        match (started, detour.end()) {
            (Ok(started), Ok(())) => Ok(started),
            (Ok((service, _)), Err(error)) => Err(kill_after(service, error)),
            (Err(error), ended) => Err(error.and(ended)),
        }
    }

    /// CRIU first: what is mounted then hides a part of the host's files.
    fn start_here(&self, program: &Path, prepared: Prepared, joined: Joined) -> Result<(Service, Ready)> {
        let views = self.directories.views_here()?;
        let passed = joined.by_descriptor.iter().map(|(_, file)| file.try_clone());
        let passed = passed.collect::<std::io::Result<Vec<_>>>().context("pass namespaces on")?;
        let mut service = Service::start(program, Stdio::Ours, passed, true)?;
        match self.stage(&mut service, prepared) {
            Ok(staged) => Ok((service, Ready { staged, views, joined })),
            Err(error) => Err(kill_after(service, error)),
        }
    }

    /// The cgroup is entered before it is shown: systemd makes it around a process.
    fn stage(&self, service: &mut Service, mut prepared: Prepared) -> Result<Staged> {
        service.check_version()?;
        self.enter_cgroup(service.pid())?;
        let (plan, paths) = (&self.blueprint.plan, &self.state.cgroup.paths);
        let openable = !prepared.is_for_init();
        prepared.cgroups = prepare::cgroups(plan, openable, |key| paths.get(key).map(PathBuf::as_path))?;
        external::stage(plan, prepared, &self.blueprint.proc)
    }

    fn conduct(
        &mut self,
        service: &mut Service,
        ready: Ready,
        inherited: Vec<InheritedDescriptor>,
    ) -> Result<()> {
        let request = self.request(service.pid(), &ready, inherited)?;
        let (guard, directories) = (&ready.staged.guard, self.directories);
        let done =
            service.carry_out(Job::Restore, request, &mut |notification| self.attend(notification, guard));
        ready.staged.clear();
        let done = done.map_err(|failure| explain("restore", failure, directories))?;
        match (&self.init, done) {
            (Some((known, _)), Some(pid)) if *known == pid => Ok(()),
            _ => fail!(Code::System, "criu restored no process that it had told of"),
        }
    }

    /// CRIU itself enters the container's cgroup and resctrl group, so that what it restores is in them from birth.
    fn enter_cgroup(&self, criu: Pid) -> Result<()> {
        self.manager.add(criu)?;
        if let Some(group) = &self.resctrl {
            group.add(criu)?;
        }
        if let Some(owner) = self.blueprint.plan.cgroup.owner {
            self.manager.delegate(owner)?;
        }
        self.manager.apply(&self.blueprint.plan.cgroup.resources)
    }

    fn request(&self, criu: Pid, ready: &Ready, mut inherited: Vec<InheritedDescriptor>) -> Result<Options> {
        let Ready { staged, views, joined } = ready;
        let options = self.options;
        for (index, (key, _)) in joined.by_descriptor.iter().enumerate() {
            inherited.push(InheritedDescriptor { key: key.to_string(), number: Service::number_of(index) });
        }
        let mut external = Vec::new();
        for (key, path) in &staged.places {
            let Some(path) = text_of(path)? else { continue };
            external.push(format!("mnt[{key}]:{path}"));
        }
        Ok(Options {
            root: text_of(&staged.root)?,
            evasive_devices: Some(true),
            restore_sibling: Some(true),
            tcp_close: options.tcp_close.then_some(true),
            lsm_profile: options.lsm_profile.clone(),
            lsm_mount_context: options.lsm_mount_context.clone(),
            // CRIU's newer way has all binds of one shared filesystem take their propagation from one of them, which
            // has to contain the others (do_set_group of the kernel). Ours are clones of just what is bound.
            mntns_compat_mode: Some(true),
            config_file: config_file(&self.blueprint.bundle.spec),
            cgroup_roots: self.cgroup_roots(criu)?,
            external,
            inherited,
            joined: joined.by_file.clone(),
            ..views.add_to(options.common.for_criu(LOG))
        })
    }

    /// Where the checkpoint's cgroups go: below those that CRIU is in by now.
    fn cgroup_roots(&self, criu: Pid) -> Result<Vec<CgroupRoot>> {
        let text = self.blueprint.proc.read_pid(criu, "cgroup", CGROUP_LIMIT);
        let text = text.context("read the cgroups that criu is in")?;
        let text = String::from_utf8_lossy(&text);
        let root = |line: &str| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = Some(fields.next()?.to_string());
            Some(CgroupRoot { controllers, path: fields.next()?.to_string() })
        };
        Ok(text.lines().filter_map(root).collect())
    }

    fn attend(&mut self, notification: Notification, guard: &Guard) -> Result<()> {
        match notification.script.as_str() {
            "setup-namespaces" => {
                self.take_init(pid_of(&notification)?)?;
                self.set_up_namespaces()
            }
            "orphan-pts-master" => {
                let Some(master) = notification.descriptors.into_iter().next() else {
                    fail!(Code::System, "criu sent no terminal with its notification");
                };
                self.terminal = self.blueprint.handover.send_terminal(master)?;
                Ok(())
            }
            "post-restore" => {
                self.take_init(pid_of(&notification)?)?;
                self.commit(guard)
            }
            _ => Ok(()),
        }
    }

    /// On record as soon as it is known: it must be found and killed, however we end.
    fn take_init(&mut self, pid: Pid) -> Result<()> {
        if self.init.as_ref().is_some_and(|(known, _)| *known == pid) {
            return Ok(());
        }
        let pidfd = pidfd::open(pid).context("hold the restored init")?;
        let init = ProcessId::of_held(&self.blueprint.proc, pid, pidfd.as_fd());
        let init = init.context("look at the restored init")?;
        self.state.init = Some(init);
        self.init = Some((pid, pidfd));
        self.container.save(&self.state)
    }

    /// The namespaces are there, and nothing else yet.
    fn set_up_namespaces(&mut self) -> Result<()> {
        let Some((pid, _)) = &self.init else { fail!(Code::Internal, "there is no init") };
        let plan = &self.blueprint.plan;
        if plan.new_namespaces.contains(&Kind::Network) {
            namespaces::bring_loopback_up(&self.blueprint.proc, *pid)?;
            self.net_devices.move_all(&plan.net_devices, &self.blueprint.proc, *pid)?;
        }
        self.hooks_began = true;
        hooks::run_creating(&plan.hooks, &self.blueprint.hook_state, pid.as_raw())
    }

    /// All processes are there and wait. Once on record, they may outlive us.
    fn commit(&mut self, guard: &Guard) -> Result<()> {
        let Some((pid, _)) = &self.init else { fail!(Code::Internal, "there is no init") };
        guard.check(&self.blueprint.proc, *pid)?;
        self.blueprint.handover.write_pid_file(*pid)?;
        self.state.phase = Phase::Created;
        self.container.save(&self.state)
    }

    fn finish(mut self) -> Result<Restored> {
        if let Err(error) = self.container.unlock() {
            return Err(self.undo(error));
        }
        let Some((pid, pidfd)) = self.init else { fail!(Code::Internal, "there is no init") };
        Ok(Restored { container: self.container, state: self.state, pid, pidfd, terminal: self.terminal })
    }

    /// Undoes all of it, and says what went wrong first.
    fn undo(mut self, error: Error) -> Error {
        let mut error = error;
        self.net_devices.give_back();
        if let Some((_, init)) = &self.init {
            error = error.and(end(init));
        }
        self.blueprint.handover.remove_pid_file();
        error = error.and(end_cgroup(&self.manager));
        if let Some(group) = &self.resctrl {
            error = error.and(group.remove());
        }
        if self.hooks_began {
            hooks::run_poststop(&self.blueprint.plan.hooks.poststop, &self.blueprint.hook_state);
        }
        error.and(self.container.discard())
    }
}

fn kill_after(service: Service, error: Error) -> Error {
    error.and(service.kill())
}

fn pid_of(notification: &Notification) -> Result<Pid> {
    match notification.pid {
        Some(pid) => Ok(pid),
        None => fail!(Code::System, "criu's notification {:?} names no process", notification.script),
    }
}

/// Kills init, which is our child where CRIU has let go of it, and CRIU's where not.
fn end(init: &OwnedFd) -> Result<()> {
    match pidfd::send_signal(init.as_fd(), SIGKILL) {
        Ok(()) => {}
        Err(nix::errno::Errno::ESRCH) => return Ok(()),
        Err(errno) => return Err(errno).context("kill the restored init"),
    }
    match pidfd::reap(init.as_fd()) {
        Ok(_) | Err(nix::errno::Errno::ECHILD) => Ok(()),
        Err(errno) => Err(errno).context("wait for the restored init"),
    }
}
