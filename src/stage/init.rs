//! The child of the one clone3: it carries the steps out, in order, and becomes the program.
//!
//! It never returns and never drops its context: it ends by execve or by exit. Every wait of it is
//! a read whose end of file means that the parent is gone, until the parent's commit.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::signal::Signal;

use super::channel::{LentTree, Tag, ToInit, encode_failure};
use super::context::{Context, Enter, Gate, RootTree, Unopened};
use super::{hook, process, rootfs, terminal, time_namespace, user_namespace};
use crate::linux::path::Root;
use crate::linux::{self, fd, namespace, signal};
use crate::plan::{Action, Step};
use crate::report::{Code, Context as _, Error, Result, log, trace};

/// What a container ends with whose program could not be executed after all (runc since 1.2).
const EXEC_FAILED: i32 = 255;
/// Until the plan sets the container's.
const UMASK: u32 = 0o022;

/// Runs the steps. Says why by the channel (or the gate, after the commit) if one fails.
pub fn run(context: Context, steps: &[Step]) -> ! {
    let mut context = ManuallyDrop::new(context);
    let error = match carry_out_all(&mut context, steps) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let status = if error.kind() == Code::Exec { EXEC_FAILED } else { 1 };
    report(&context, error);
    linux::process::exit_now(status)
}

/// A type without values: the last step does not return.
enum Never {}

fn carry_out_all(context: &mut Context, steps: &[Step]) -> Result<Never> {
    linux::process::set_parent_death_signal(Some(Signal::SIGKILL)).context("tie init to its parent")?;
    // Now rather than before the execve, when a filter may be in force.
    signal::reset_dispositions().context("reset signals")?;
    // What is made in the root filesystem has the modes it should, whatever the caller's umask.
    linux::credentials::set_umask(UMASK);
    log::debug("child process in init()");
    trace::enter_init();
    trace::done("clone3");
    enter_cgroups(context)?;
    receive_trees(context)?;
    if !context.in_place {
        let cgroup = context.channel.expect_with(ToInit::Placed)?.pop();
        context.prepared.cgroups.extend(cgroup.map(|tree| (String::new(), tree)));
        trace::done("wait to be placed");
    }
    enter_container(context, steps)?;
    // runc's words, which people look for in a debug log.
    log::debug("nsexec container setup: in the container's own namespaces, but for those that are joined");
    for (index, step) in steps.iter().enumerate() {
        carry_out(context, index, step, steps).map_err(|error| match &step.pointer {
            Some(pointer) => error.at(pointer),
            None => error,
        })?;
        if trace::wanted() {
            trace::done(&label(step));
        }
    }
    Err(Error::new(Code::Internal, "the plan ends without a program to run"))
}

/// v1's, into which nobody can be cloned; for itself a thread is `0`.
fn enter_cgroups(context: &mut Context) -> Result<()> {
    let all = std::mem::take(&mut context.prepared.tasks);
    if all.is_empty() {
        return Ok(());
    }
    for (path, tasks) in all {
        let written = fd::write_all(tasks.as_fd(), b"0");
        written.with_context(|| format!("failed to write 0 to {path:?}")).code(Code::Cgroup)?;
    }
    trace::done("enter the v1 cgroups");
    Ok(())
}

/// Mounts that were cloned in our mount namespace, since it is there that they are locked.
fn receive_trees(context: &mut Context) -> Result<()> {
    let Some(Unopened::ToCome(rootfs)) = &context.prepared.unopened else { return Ok(()) };
    loop {
        match context.channel.receive_tree()? {
            LentTree::Source(index, tree) => drop(context.prepared.trees.sources.insert(index, tree)),
            LentTree::Null(tree) => context.prepared.trees.null = Some(tree),
            LentTree::Rootfs(tree) => {
                context.prepared.trees.rootfs = Some(RootTree::new(tree, rootfs));
                return Ok(());
            }
        }
    }
}

/// A step's name in a trace: its action's, and the place in config.json that it comes from.
fn label(step: &Step) -> String {
    let action = format!("{:?}", step.action);
    let name = action.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    match &step.pointer {
        Some(pointer) => format!("{name} {pointer}"),
        None => name.to_string(),
    }
}

/// For exec: into the namespaces of the container's init, all at once. Its pid namespace is ours
/// already: the parent joined that for us.
fn enter_container(context: &mut Context, steps: &[Step]) -> Result<()> {
    match context.enter.take() {
        None => return Ok(()),
        Some(Enter::Arrived) => user_namespace::become_root(context, steps)?,
        Some(Enter::Join(init, kinds)) => {
            let kinds: Vec<_> = kinds.into_iter().filter(|kind| *kind != namespace::Kind::Pid).collect();
            if !kinds.is_empty() {
                namespace::join_process(init.as_fd(), &kinds).context("join the container's namespaces")?;
            }
        }
    }
    if log::debugging() {
        let mask = linux::scheduler::cpu_affinity_mask().context("read the CPU affinity")?;
        log::debug(format!("nsexec: affinity: {mask}"));
    }
    context.root = Some(Root::current().context("open the container's root")?);
    Ok(())
}

/// One step. The list of arms is the list of what init can do.
fn carry_out(context: &mut Context, index: usize, step: &Step, steps: &[Step]) -> Result<()> {
    match &step.action {
        Action::MakeTimeNamespace { offsets } => time_namespace::make(context, offsets),
        Action::CompareIdMaps(maps) => user_namespace::compare_maps(context, maps),
        Action::BecomeRoot => {
            rootfs::find_place(context)?;
            user_namespace::become_root(context, steps)
        }
        Action::JoinNamespace(kind) => join_namespace(context, *kind),
        Action::UnshareCgroupNamespace => {
            namespace::unshare(namespace::Kind::Cgroup).context("make a cgroup namespace")
        }
        Action::NewSession => linux::process::new_session().context("make a session"),
        Action::JoinSessionKeyring { name, label } => {
            process::join_session_keyring(context, name, label.as_deref())
        }
        Action::AwaitNetwork => await_network(context),
        Action::LoopbackUp => linux::network::loopback_up().context("bring the loopback interface up"),

        Action::AttachRootfs => rootfs::attach(context, steps),
        Action::Mount(mount) => rootfs::mount(context, index, mount),
        Action::MakeDevice(device) => rootfs::make_device(context, index, device),
        Action::MakeSymlink { path, target } => rootfs::make_symlink(context, path, target),
        Action::LinkPtmx => rootfs::link_ptmx(context),
        Action::UseOwnNull => rootfs::use_own_null(context),
        Action::AwaitRuntimeHooks => {
            context.channel.send(Tag::RootfsReady)?;
            context.channel.expect(ToInit::RuntimeHooksDone)
        }
        Action::AnnounceRootfs => context.channel.send(Tag::RootfsReady),
        Action::RunCreateContainerHooks(hooks) => {
            rootfs::enter_directory(context)?;
            let state = context.hook_state.to_json("creating", Some(std::process::id() as i32));
            hook::run_all("createContainer", hooks, &state, hook::NO_ENVIRONMENT)
        }
        Action::OpenTerminal { size } => terminal::open(context, *size),
        Action::EnterRootfs(way) => rootfs::enter(context, *way),
        Action::MakeDirectory(path) => rootfs::make_directory(context, path),
        Action::SetRootPropagation(propagation) => rootfs::set_root_propagation(*propagation),
        Action::AttachTerminal { console } => terminal::attach(context, *console),
        Action::RemountReadonly { path } => rootfs::remount_readonly(context, path),
        Action::ReadonlyPath(path) => rootfs::readonly_path(context, path),
        Action::MaskPath(path) => rootfs::mask_path(context, path),

        Action::SetUmask(mask) => {
            linux::credentials::set_umask(*mask);
            Ok(())
        }
        Action::SetHostname(name) => {
            namespace::set_hostname(name).with_context(|| format!("set hostname {name:?}"))
        }
        Action::SetDomainname(name) => {
            namespace::set_domainname(name).with_context(|| format!("set domainname {name:?}"))
        }
        Action::WriteSysctl { key, value } => process::write_sysctl(context, key, value),
        Action::SetOomScoreAdj(score) => process::set_oom_score_adj(context, *score),
        Action::SetRlimit { resource, soft, hard } => process::set_rlimit(resource, *soft, *hard),
        Action::SetScheduler(scheduler) => process::set_scheduler(scheduler),
        Action::SetIoPriority { class, level } => process::set_io_priority(*class, *level),
        Action::SetCpuAffinity(list) => process::set_cpu_affinity(list),
        Action::SetPersonality { domain } => {
            linux::process::set_personality(*domain).with_context(|| format!("set personality {domain:#x}"))
        }
        Action::SetMemoryPolicy { mode, flags, nodes } => process::set_memory_policy(*mode, *flags, nodes),
        Action::NoNewPrivileges => linux::process::set_no_new_privileges().context("set no_new_privs"),
        Action::SetAppArmorProfile(profile) => process::set_apparmor_profile(context, profile),
        Action::SetSelinuxLabel(label) => process::set_selinux_label(context, label),
        Action::LoadSeccomp => process::load_seccomp(context, steps),
        Action::DropBoundingCapabilities { keep } => {
            linux::capability::limit_bounding(keep).context("limit the bounding capability set")
        }
        Action::SetCredentials(credentials) => {
            process::enter_cwd_early(context, steps);
            process::set_credentials(context, credentials)
        }
        Action::SetCapabilities(sets) => process::set_capabilities(sets),
        Action::ChangeDirectory(path) => process::change_directory(context, path),
        Action::ResolveExecutable => process::resolve_executable(context, steps),

        Action::LetUserIn => process::let_user_in(context, steps),
        Action::AwaitCommit => await_commit(context, steps),
        Action::AwaitStart => await_start(context),
        Action::RunStartContainerHooks(hooks) => {
            let state = context.hook_state.to_json("created", Some(std::process::id() as i32));
            let environment = process::environment(context, steps);
            hook::run_all("startContainer", hooks, &state, Some(&environment))
        }
        Action::Execute(command) => process::execute(context, command),
    }
}

fn join_namespace(context: &mut Context, kind: namespace::Kind) -> Result<()> {
    let Some(file) = context.prepared.namespaces.remove(&kind) else {
        crate::fail!(Code::Internal, "the {} namespace was not opened", kind.spec_name());
    };
    namespace::join(file.as_fd(), kind).with_context(|| format!("join the {} namespace", kind.spec_name()))
}

fn await_network(context: &Context) -> Result<()> {
    let Some(network) = context.channel.expect_with(ToInit::Network)?.pop() else {
        crate::fail!(Code::Internal, "the parent sent no network namespace");
    };
    namespace::join(network.as_fd(), namespace::Kind::Network).context("join the network namespace")
}

/// Tells the parent that all is made. From its commit on, init may outlive it; the descriptors left
/// are stdio, those asked for, and the gate's.
fn await_commit(context: &mut Context, steps: &[Step]) -> Result<()> {
    log::debug("init: closing the pipe to signal completion; setns_init: about to exec");
    context.channel.send(Tag::Ready)?;
    context.channel.expect(ToInit::Commit)?;
    linux::process::set_parent_death_signal(None).context("untie init from its parent")?;
    context.committed = true;
    if matches!(context.gate, Gate::Fifo(_)) {
        // While it waits, a created container can be ended by more than SIGKILL.
        signal::end_on_termination().context("handle signals")?;
        signal::unblock_all().context("let signals through")?;
    }
    let gate = match &context.gate {
        Gate::Fifo(fifo) => fifo.as_raw_fd(),
        Gate::Channel => context.channel.raw(),
    };
    match context.filtered {
        true => process::close_rest(context, gate),
        false => fd::close_from(process::first_private_fd(steps), &[gate]).context("close descriptors"),
    }
}

/// Waits for `trug start`.
fn await_start(context: &mut Context) -> Result<()> {
    let Gate::Fifo(fifo) = &context.gate else {
        return Ok(());
    };
    let mut byte = [0u8; 1];
    match fd::read(fifo.as_fd(), &mut byte).context("wait for the start")? {
        1 => Ok(()),
        n => Err(Error::new(Code::Internal, format!("{n} bytes from the start fifo"))),
    }
}

/// The last words of a failed init. If they cannot be said either, the parent sees the death alone.
///
/// A program of a started container that cannot be executed after all is the container's own end, and told where the
/// program would have spoken: so do its callers expect it (runc), who keep its log and its status.
fn report(context: &Context, error: Error) {
    let said = match (&context.gate, context.committed, error.kind()) {
        (Gate::Fifo(_), true, Code::Exec) => {
            let line = format!("{}\n", error.plain());
            fd::write_all(std::io::stderr().as_fd(), line.as_bytes()).map_err(Error::from)
        }
        (Gate::Fifo(fifo), true, _) => {
            fd::write_all(fifo.as_fd(), &encode_failure(&error.to_message())).map_err(Error::from)
        }
        _ => context.channel.send_failure(&error.to_message()),
    };
    if said.is_err() {
        log::error(&error);
    }
}
