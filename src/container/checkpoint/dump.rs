//! `checkpoint`: what there is of the container is told to CRIU, which saves it and, unless the container is to run on,
//! ends it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::Pid;

use super::common::{config_file, require_own_mounts, text_of, warn_of_rootless};
use super::descriptors::Streams;
use super::directories::Directories;
use super::explain::{explain, not_installed};
use super::images;
use super::namespaces;
use super::options::CheckpointOptions;
use crate::bundle::load;
use crate::cgroup::Manager;
use crate::container::globals::in_user_namespace;
use crate::container::state::{State, Status};
use crate::container::store::{Container, ContainerId};
use crate::container::{Globals, Held, delete, find, hold};
use crate::criu::{self, Features, Job, Notification, Options, Service, Stdio};
use crate::fail;
use crate::linux::cgroup_tree::CgroupTree;
use crate::linux::procfs::Proc;
use crate::linux::{fd, inherited};
use crate::plan::{Action, MountSource, Plan, SourceLink, compile};
use crate::report::{Code, Context, Error, Result, log};
use crate::stage::{external, user_namespace};

/// Where callers look for it.
const LOG: &str = "dump.log";
/// How long thawing may take after a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// Saves a container.
///
/// # Errors
/// `Code::WrongState`, `Container cannot be checkpointed in stopped state`; why CRIU could not, from its log. The
/// container is then as it was.
pub fn checkpoint(globals: &Globals, id: &ContainerId, options: &CheckpointOptions) -> Result<()> {
    warn_of_rootless()?;
    find(globals, id)?;
    let program = criu::find().ok_or_else(not_installed)?;
    let directories = Directories::make(&options.common, LOG)?;
    let parent = options.parent_path.as_deref().map(|path| directories.check_parent(path)).transpose()?;
    let status = options.status_fd.map(StatusByte::open).transpose()?;

    let held = hold(globals, id)?;
    refuse_unfit(held.status)?;
    let mut service = Service::start(&program, Stdio::None, Vec::new(), false)?;
    let dump = Dump { held: &held, options, directories: &directories, parent, status };
    let dumped = dump.carry_out(&mut service);
    service.end()?;
    dumped?;
    if options.leave_running || options.pre_dump {
        return Ok(());
    }
    let Held { container, state, .. } = held;
    // It has been saved, and that was asked for.
    if let Err(error) = delete::destroy(container, &state, true) {
        log::warn(error.context("the container is saved, but not removed"));
    }
    Ok(())
}

fn refuse_unfit(status: Status) -> Result<()> {
    match status {
        Status::Running | Status::Paused => Ok(()),
        Status::Creating | Status::Created | Status::Stopped => {
            fail!(Code::WrongState, "Container cannot be checkpointed in {status} state")
        }
    }
}

struct Dump<'a> {
    held: &'a Held,
    options: &'a CheckpointOptions,
    directories: &'a Directories,
    parent: Option<String>,
    status: Option<StatusByte>,
}

impl Dump<'_> {
    fn carry_out(mut self, service: &mut Service) -> Result<()> {
        service.check_version()?;
        self.require_features(service)?;
        let views = self.directories.views(self.parent.is_some())?;
        let request = views.add_to(self.request()?);
        images::forget_parent(self.directories.images())?;
        let job = if self.options.pre_dump { Job::PreDump } else { Job::Dump };
        let mut status = self.status.take();
        let mut attend = |notification: Notification| {
            if notification.script == "status-ready" {
                status.take().into_iter().for_each(StatusByte::send);
            }
            Ok(())
        };
        match service.carry_out(job, request, &mut attend) {
            Ok(_) => Ok(()),
            Err(failure) => {
                let error = explain("dump", failure, self.directories);
                Err(error.and(thaw_again(self.held)))
            }
        }
    }

    fn require_features(&self, service: &mut Service) -> Result<()> {
        let wanted = Features {
            memory_tracking: self.options.pre_dump.then_some(true),
            lazy_pages: self.options.common.lazy_pages.then_some(true),
        };
        if wanted == Features::default() {
            return Ok(());
        }
        let found = service.features(wanted)?;
        let lacks = |wanted: Option<bool>, found: Option<bool>| wanted.is_some() && found != Some(true);
        let missing = match () {
            () if lacks(wanted.memory_tracking, found.memory_tracking) => {
                ("--pre-dump", "memory tracking (CONFIG_MEM_SOFT_DIRTY)")
            }
            () if lacks(wanted.lazy_pages, found.lazy_pages) => ("--lazy-pages", "userfaultfd"),
            () => return Ok(()),
        };
        fail!(Code::Unsupported, "{} is not possible: criu finds no {} in this kernel", missing.0, missing.1)
    }

    fn request(&self) -> Result<Options> {
        let (state, options) = (&self.held.state, self.options);
        let Some(init) = state.init else { fail!(Code::Internal, "a container that runs has no init") };
        let init = Pid::from_raw(init.pid);
        let proc = Proc::open().context("open /proc")?;
        let spec = load::parse(&self.held.container.config()?)?;
        let plan = plan_of(&self.held.container, state, &spec)?;
        let freezer = Manager::new(state.cgroup.clone()).freezer_directory()?;
        let mut request = Options {
            pid: Some(init.as_raw()),
            root: text_of(&state.rootfs)?,
            leave_running: Some(options.leave_running),
            tcp_skip_in_flight: Some(options.tcp_skip_in_flight),
            link_remap: Some(options.link_remap),
            parent_images: self.parent.clone(),
            track_memory: self.parent.is_some().then_some(true),
            page_server: options.page_server.clone(),
            freeze_cgroup: freezer.as_deref().map(text_of).transpose()?.flatten(),
            config_file: config_file(&spec),
            external: namespaces::external(&plan, &proc, init)?,
            ..options.common.for_criu(LOG)
        };
        if options.pre_dump {
            return Ok(request);
        }
        let cgroup_of = |hierarchy: &str| state.cgroup.paths.get(hierarchy).map(|path| path.as_path());
        for found in external::name_mounts(&plan, cgroup_of, &proc, init)? {
            request.external.push(format!("mnt[{}]:{}", found.place, found.key));
        }
        let streams = Streams::look(&proc, init, &state.descriptors)?;
        streams.write(self.directories.images())?;
        request.external.extend(streams.external);
        Ok(request)
    }
}

/// The plan that the container was made by.
fn plan_of(container: &Container, state: &State, spec: &oci_spec::runtime::Spec) -> Result<Plan> {
    let proc = Proc::open().context("open /proc")?;
    let tree = CgroupTree::detect(&proc).context("find the cgroup hierarchies")?;
    let notify = container.path().join("notify");
    let options = compile::Options {
        id: container.id(),
        bundle: &state.bundle,
        rootfs: &state.rootfs,
        no_pivot: false,
        no_new_keyring: state.no_new_keyring,
        preserve_fds: 0,
        listen_fds: 0,
        notify_directory: notify.is_dir().then_some(notify.as_path()),
        cgroup_tree: &tree,
        cgroup_after_clone: state.systemd_cgroup,
        kcore: false,
        in_user_namespace: in_user_namespace()?,
        unprivileged: !user_namespace::may_write_maps(),
    };
    let plan = compile::container(spec, &options)?;
    require_own_mounts(&plan)?;
    refuse_links(&plan)?;
    Ok(plan)
}

/// Binds of symlinks themselves are unknown to CRIU.
fn refuse_links(plan: &Plan) -> Result<()> {
    for step in &plan.steps {
        let Action::Mount(mount) = &step.action else { continue };
        let link = match &mount.source {
            MountSource::Bind { link, .. } | MountSource::BindInside { link, .. } => *link,
            _ => SourceLink::Follow,
        };
        if link == SourceLink::Mount || mount.target_nofollow {
            let target = &mount.target;
            fail!(
                Code::Unsupported,
                "cannot checkpoint a container with a symlink itself mounted at {target:?}"
            );
        }
    }
    Ok(())
}

/// CRIU lets processes go on when it fails, unless it died of it.
fn thaw_again(held: &Held) -> Result<()> {
    let manager = Manager::new(held.state.cgroup.clone());
    match held.status != Status::Paused && manager.is_frozen()? {
        true => manager.thaw(PATIENCE),
        false => Ok(()),
    }
}

/// The caller's descriptor that is told when lazy pages are served.
struct StatusByte(OwnedFd);

impl StatusByte {
    fn open(number: i32) -> Result<Self> {
        let refuse = || format!("invalid --status-fd argument {number}");
        let fd = inherited::take(number).with_context(refuse).code(Code::Usage)?;
        let flags = fcntl(&fd, FcntlArg::F_GETFL).with_context(refuse)?;
        match OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE {
            OFlag::O_WRONLY | OFlag::O_RDWR => Ok(Self(fd)),
            _ => fail!(Code::Usage, "invalid --status-fd argument {number}: not writable"),
        }
    }

    /// Nobody need be there any more to hear it.
    fn send(self) {
        if let Err(errno) = fd::write_all(self.0.as_fd(), &[0]) {
            log::warn(Error::from(errno).context("write to --status-fd"));
        }
    }
}
