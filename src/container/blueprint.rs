//! What `create`, `run` and `restore` decide before they make anything: the bundle is read and compiled, and what the caller
//! is to be handed is connected to. All of it can fail without a trace.

use std::collections::BTreeMap;
use std::path::Path;

use nix::errno::Errno;
use oci_spec::runtime::Spec;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::globals::in_user_namespace;
use super::handover::{self, Handover};
use super::limits::Limits;
use super::notify::NotifyRelay;
use super::options::CreateOptions;
use super::state::{FORMAT, Phase, ProcessId, State};
use super::store::ContainerId;
use super::{Globals, checkpoint, filter_cache};
use crate::bundle::annotations;
use crate::bundle::features::OCI_VERSION_MAX;
use crate::bundle::load::{self, Bundle};
use crate::bundle::validate::{self, Situation};
use crate::cgroup::{Driver, Location, Manager};
use crate::fail;
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::namespace::Kind;
use crate::linux::procfs::Proc;
use crate::linux::{credentials, host, inherited};
use crate::plan::seccomp::{self, Filter};
use crate::plan::{Plan, compile};
use crate::report::{Code, Context, Result, trace};
use crate::stage::context::HookState;
use crate::stage::user_namespace;

/// What is to be made, and how far.
pub struct Order<'a> {
    pub globals: &'a Globals,
    pub id: &'a ContainerId,
    pub options: &'a CreateOptions,
    /// `run`: init goes on to the program at the commit. `create`: it waits for `start`.
    pub start_at_once: bool,
    /// Nobody of ours stays to attend the terminal.
    pub detach: bool,
}

/// Everything decided, nothing made.
pub struct Blueprint {
    pub proc: Proc,
    pub bundle: Bundle,
    pub plan: Plan,
    pub filter: Option<Filter>,
    pub location: Location,
    pub hook_state: HookState,
    pub handover: Handover,
    pub notify: Option<NotifyRelay>,
}

impl Blueprint {
    /// Reads the bundle, and decides. The working directory is the bundle's from here on.
    pub fn draw(order: &Order) -> Result<Self> {
        let (globals, options, id) = (order.globals, order.options, order.id.as_str());
        let listen_fds = inherited::listen_fds();
        require_inherited(listen_fds, options.preserve_fds)?;
        let proc = Proc::open().context("open /proc")?;
        let bundle = load::bundle(&options.bundle)?;
        trace::done("load config.json");
        validate::spec(&bundle.spec, situation(order))?;
        trace::done("validate");
        let handover = connect(order, &bundle.spec)?;

        let tree = CgroupTree::detect(&proc).context("find the cgroup hierarchies")?;
        trace::done("find the cgroup hierarchies");
        let notify = NotifyRelay::wanted(&globals.root.join(id));
        let host = compile::Options {
            id,
            bundle: &bundle.directory,
            rootfs: &bundle.rootfs,
            no_pivot: options.no_pivot,
            no_new_keyring: options.no_new_keyring,
            preserve_fds: options.preserve_fds,
            listen_fds,
            notify_directory: notify.as_ref().map(NotifyRelay::directory),
            cgroup_tree: &tree,
            cgroup_after_clone: globals.driver == Driver::Systemd,
            kcore: Path::new("/proc/kcore").exists(),
            in_user_namespace: in_user_namespace()?,
            unprivileged: !user_namespace::may_write_maps(),
        };
        let plan = compile::container(&bundle.spec, &host)?;
        trace::done("plan");
        let text = bundle.profile.clone().and_then(|place| bundle.raw.get(place));
        let filter = filter(globals, &bundle.spec, text)?;
        trace::done("seccomp filter");
        let path = plan.cgroup.path.as_deref();
        let location =
            Manager::locate(&tree, globals.driver, path, id, globals.rootless).at("/linux/cgroupsPath")?;
        let hook_state = HookState {
            oci_version: bundle.spec.version().clone(),
            id: id.to_string(),
            bundle: bundle.directory.clone(),
            annotations: all_annotations(&bundle.spec),
        };
        // Hooks run where the bundle is, as in runc.
        std::env::set_current_dir(&bundle.directory)
            .with_context(|| format!("enter the bundle {:?}", bundle.directory))?;
        Ok(Self { proc, bundle, plan, filter, location, hook_state, handover, notify })
    }

    /// The record that is written before anything is made; what nobody needs to undo it comes later.
    pub fn first_state(&self, order: &Order) -> Result<State> {
        let own = ProcessId::of_this_process(&self.proc).context("look at this process")?;
        Ok(State {
            format: FORMAT,
            oci_version: OCI_VERSION_MAX.to_string(),
            id: order.id.as_str().to_string(),
            bundle: self.bundle.directory.clone(),
            rootfs: self.bundle.rootfs.clone(),
            annotations: self.hook_state.annotations.clone(),
            created: now()?,
            owner: credentials::effective_uid(),
            phase: Phase::Creating,
            boot_id: host::boot_id_by(&self.proc).context("read the boot id")?,
            runtime: own,
            init: None,
            cgroup: self.location.clone(),
            systemd_cgroup: order.globals.driver == Driver::Systemd,
            rootless: order.globals.rootless,
            own_pid_namespace: self.plan.new_namespaces.contains(&Kind::Pid),
            no_new_keyring: order.options.no_new_keyring,
            ungated: order.start_at_once,
            descriptors: Vec::new(),
            resources: Limits::of(&self.plan.cgroup.resources)?,
        })
    }

    /// What the program's standard streams are on, where they are this process's.
    pub fn descriptors(&self) -> Result<Vec<String>> {
        match self.plan.terminal {
            true => Ok(Vec::new()),
            false => checkpoint::of_this_process(&self.proc, self.plan.has_own_null()),
        }
    }
}

/// What validation has to know of the order.
fn situation(order: &Order) -> Situation {
    Situation {
        unprivileged: credentials::effective_uid() != 0,
        systemd_cgroup: order.globals.driver == Driver::Systemd,
        no_pivot: order.options.no_pivot,
    }
}

/// To those who wait for what the caller is to be handed.
fn connect(order: &Order, spec: &Spec) -> Result<Handover> {
    let options = order.options;
    let terminal = spec.process().as_ref().and_then(|process| process.terminal()).unwrap_or(false);
    handover::check_terminal(terminal, order.detach, options.console_socket.as_deref())?;
    let pidfd_socket = options.pidfd_socket.clone().or_else(|| annotations::pidfd_receiver(spec));
    Handover::connect(options.console_socket.as_deref(), pidfd_socket.as_deref(), options.pid_file.as_deref())
}

/// The seccomp filter of the container's processes; `text` is what its profile was read from, if that is known.
pub fn filter(globals: &Globals, spec: &Spec, text: Option<&[u8]>) -> Result<Option<Filter>> {
    let Some(profile) = seccomp::of(spec) else { return Ok(None) };
    if annotations::fail_unknown_syscall(spec) {
        seccomp::refuse_unknown(profile)?;
    }
    filter_cache::filter(&globals.root, profile, text).at("/linux/seccomp").map(Some)
}

/// The time, as states have it.
fn now() -> Result<String> {
    let (seconds, nanoseconds) = host::wall_clock().context("ask for the time")?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).context("read the clock")?;
    time.replace_nanosecond(nanoseconds)
        .context("read the clock")?
        .format(&Rfc3339)
        .context("format the time")
}

fn all_annotations(spec: &Spec) -> BTreeMap<String, String> {
    spec.annotations().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What the caller says that it passes on must be there.
pub fn require_inherited(listen_fds: u32, preserve_fds: u32) -> Result<()> {
    for number in 0..listen_fds {
        if !inherited::is_inherited(3 + number as i32) {
            fail!(Code::Usage, "LISTEN_FDS is {listen_fds}, but descriptor {} is not open", 3 + number);
        }
    }
    for number in 0..preserve_fds {
        if !inherited::is_inherited((3 + listen_fds + number) as i32) {
            return Err(Errno::EBADF)
                .with_context(|| format!("unable to stat preserved-fd {number} (of {preserve_fds})"))
                .code(Code::Usage);
        }
    }
    Ok(())
}
