//! What the process is and may: the same for the container's own process and for one more of exec.

use oci_spec::runtime::{
    Capabilities as SpecCapabilities, IOPriorityClass, LinuxCapabilities, LinuxPersonalityDomain, Process,
    Spec, User,
};

use super::seccomp;
use super::steps::Steps;
use super::types::{
    Action, Capabilities, CapabilitySets, Command, Credentials, IoClass, Privileged, Step, TerminalSize,
};
use crate::bundle::{annotations, path};
use crate::report::log;

/// umask(2) where the config names none.
pub const UMASK: u32 = 0o022;

/// A session keyring of its own, so that the caller's keys stay the caller's.
pub fn keyring(process: &Process, id: &str, no_new_keyring: bool) -> Option<Action> {
    let label = selinux_label(process);
    (!no_new_keyring).then(|| Action::JoinSessionKeyring { name: format!("_ses.{id}"), label })
}

pub fn open_terminal(process: &Process) -> Option<Step> {
    let wanted = process.terminal().unwrap_or(false);
    wanted.then(|| Action::OpenTerminal { size: terminal_size(process) }.at("/process/terminal"))
}

/// A size with a zero in it is no size.
fn terminal_size(process: &Process) -> Option<TerminalSize> {
    let size = process.console_size()?;
    let rows = u16::try_from(size.height()).ok().filter(|rows| *rows > 0)?;
    let columns = u16::try_from(size.width()).ok().filter(|columns| *columns > 0)?;
    Some(TerminalSize { rows, columns })
}

/// `console`: the terminal shows as /dev/console, too.
pub fn attach_terminal(process: &Process, console: bool) -> Option<Step> {
    let wanted = process.terminal().unwrap_or(false);
    wanted.then(|| Action::AttachTerminal { console }.at("/process/terminal"))
}

/// runc makes a missing process.cwd.
pub fn working_directory(process: &Process) -> Option<Step> {
    let directory = path::clean(process.cwd());
    (directory != *"/").then(|| Action::MakeDirectory(directory).at("/process/cwd"))
}

/// For exec of a program.
pub fn apparmor(process: &Process) -> Option<Step> {
    let profile = process.apparmor_profile().clone().filter(|profile| !profile.is_empty())?;
    Some(Action::SetAppArmorProfile(profile).at("/process/apparmorProfile"))
}

fn selinux(process: &Process) -> Option<Step> {
    Some(Action::SetSelinuxLabel(selinux_label(process)?).at("/process/selinuxLabel"))
}

fn selinux_label(process: &Process) -> Option<String> {
    process.selinux_label().clone().filter(|label| !label.is_empty())
}

/// Who sets the limits.
pub struct Limits {
    pub privileged: Privileged,
    pub steps: Vec<Step>,
}

/// Init itself, while it has the right to; in a user namespace it has not, and the parent does it.
pub fn limits(process: &Process, user_namespace: bool) -> Limits {
    let oom_score_adj = process.oom_score_adj();
    let rlimits = rlimits(process);
    match user_namespace {
        true => Limits { privileged: Privileged { oom_score_adj, rlimits }, steps: Vec::new() },
        false => {
            let steps = oom_score(process).into_iter().chain(rlimits).collect();
            Limits { privileged: Privileged::default(), steps }
        }
    }
}

fn oom_score(process: &Process) -> Option<Step> {
    let score = process.oom_score_adj()?;
    Some(Action::SetOomScoreAdj(score).at("/process/oomScoreAdj"))
}

fn rlimits(process: &Process) -> Vec<Step> {
    let limits = process.rlimits().iter().flatten().enumerate();
    let step = |(index, limit): (usize, &oci_spec::runtime::PosixRlimit)| {
        let resource = limit.typ().to_string();
        Action::SetRlimit { resource, soft: limit.soft(), hard: limit.hard() }
            .at(format!("/process/rlimits/{index}"))
    };
    limits.map(step).collect()
}

pub fn no_new_privileges(process: &Process) -> Option<Step> {
    let wanted = process.no_new_privileges().unwrap_or(false);
    wanted.then(|| Action::NoNewPrivileges.at("/process/noNewPrivileges"))
}

/// CPU and I/O scheduling.
pub fn scheduling(process: &Process) -> Vec<Step> {
    let scheduler = process.scheduler().clone();
    let scheduler = scheduler.map(|it| Action::SetScheduler(Box::new(it)).at("/process/scheduler"));
    let io = process.io_priority().as_ref().and_then(|priority| {
        let class = match priority.class() {
            IOPriorityClass::IoprioClassRt => IoClass::Realtime,
            IOPriorityClass::IoprioClassBe => IoClass::BestEffort,
            IOPriorityClass::IoprioClassIdle => IoClass::Idle,
        };
        let level = u8::try_from(priority.priority()).ok()?;
        Some(Action::SetIoPriority { class, level }.at("/process/ioPriority"))
    });
    scheduler.into_iter().chain(io).collect()
}

/// PER_LINUX or PER_LINUX32 (`man 2 personality`).
pub fn personality(spec: &Spec) -> Option<Step> {
    let personality = spec.linux().as_ref()?.personality().as_ref()?;
    if personality.flags().as_ref().is_some_and(|flags| !flags.is_empty()) {
        log::warn("personality flags are not supported and ignored");
    }
    let domain = match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0x0000,
        LinuxPersonalityDomain::PerLinux32 => 0x0008,
    };
    Some(Action::SetPersonality { domain }.at("/linux/personality"))
}

/// From the label to the program's place on disk: what closes doors behind the process, in the one order that works.
///
/// With no_new_privs anyone may install a filter, so it comes last and sees the fewest calls of ours: what follows it is
/// the talk with the parent, the fifo, hooks and the exec, and the profile must allow that. Without, it takes
/// CAP_SYS_ADMIN, so it comes before capabilities go, and the profile must allow their system calls as well
/// (prctl, setgroups, setresgid, setresuid, capset, fchown, chdir, getcwd, openat2, read, close, fstat).
///
/// `container` is the config's process: what `process` does not say of umask, exec takes from it.
/// `bounding`, where the bounding set is still to be limited.
/// `let_in` comes after the last change of credentials, which would undo it, and before the profile that may forbid it.
pub fn confine_and_drop(
    spec: &Spec,
    process: &Process,
    container: &Process,
    bounding: Option<Step>,
    let_in: Option<Action>,
) -> Vec<Step> {
    let filter = seccomp::of(spec).map(|_| Action::LoadSeccomp.at("/linux/seccomp"));
    let (early, late) = match process.no_new_privileges().unwrap_or(false) {
        true => (None, filter),
        false => (filter, None),
    };
    let mut steps = Steps::default();
    steps.add(selinux(process));
    steps.add(early);
    steps.add(bounding);
    steps.add([credentials(spec, process.user(), container.user().umask())]);
    steps.add(capabilities(process));
    steps.add([Action::ChangeDirectory(path::clean(process.cwd())).at("/process/cwd")]);
    steps.add([Action::ResolveExecutable.at("/process/args/0")]);
    steps.add(let_in);
    steps.add(late);
    steps.0
}

fn credentials(spec: &Spec, user: &User, default_umask: Option<u32>) -> Step {
    let groups = user.additional_gids().clone().unwrap_or_default();
    let credentials = Credentials {
        uid: user.uid(),
        gid: user.gid(),
        groups: (!annotations::keep_groups(spec)).then_some(groups),
        umask: user.umask().or(default_umask).unwrap_or(UMASK),
    };
    Action::SetCredentials(credentials).at("/process/user")
}

/// A config without `capabilities` leaves them as they are (runc).
pub fn bounding(process: &Process) -> Option<Step> {
    let keep = names(process.capabilities().as_ref()?.bounding());
    Some(Action::DropBoundingCapabilities { keep }.at("/process/capabilities/bounding"))
}

fn capabilities(process: &Process) -> Option<Step> {
    let wanted = process.capabilities().as_ref()?;
    Some(Action::SetCapabilities(sets(wanted)).at("/process/capabilities"))
}

/// What the kernel cannot grant is left out with a warning, not refused (config.md#linux-process): it has an effective
/// capability only if it is permitted, an ambient one only if permitted and inheritable (`man 7 capabilities`).
fn sets(wanted: &LinuxCapabilities) -> CapabilitySets {
    let permitted = names(wanted.permitted());
    let inheritable = names(wanted.inheritable());
    let effective = grantable(names(wanted.effective()), "effective", |name| permitted.contains(name));
    let may_be_ambient = |name: &String| permitted.contains(name) && inheritable.contains(name);
    let ambient = grantable(names(wanted.ambient()), "ambient", may_be_ambient);
    CapabilitySets { effective, permitted, inheritable, ambient }
}

fn grantable(names: Capabilities, set: &str, may: impl Fn(&String) -> bool) -> Capabilities {
    let (granted, refused): (Capabilities, Capabilities) = names.into_iter().partition(may);
    for name in refused {
        log::warn(format!("can't raise {set} capability CAP_{name}: operation not permitted"));
    }
    granted
}

/// Sorted: a set has no order.
fn names(set: &Option<SpecCapabilities>) -> Capabilities {
    let mut names: Capabilities = set.iter().flatten().map(ToString::to_string).collect();
    names.sort();
    names
}

/// The program: `environment` is what the command line adds to the config's.
pub fn execute(process: &Process, environment: &[String], listen_fds: u32, preserve_fds: u32) -> Step {
    let mut env = process.env().clone().unwrap_or_default();
    env.extend_from_slice(environment);
    if listen_fds > 0 {
        // Socket activation (`man 3 sd_listen_fds`): the program has pid 1.
        env.push(format!("LISTEN_FDS={listen_fds}"));
        env.push("LISTEN_PID=1".to_string());
    }
    let args = process.args().clone().unwrap_or_default();
    let command =
        Command { args, env: deduplicated(&env), extra_fds: listen_fds.saturating_add(preserve_fds) };
    Action::Execute(command).at("/process/args")
}

/// The last of duplicates, at its own place. An empty HOME is none: it is then looked up (runc).
fn deduplicated(env: &[String]) -> Vec<String> {
    let name =
        |variable: &String| variable.split_once('=').map_or(variable.clone(), |(name, _)| name.to_string());
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<String> =
        env.iter().rev().filter(|variable| seen.insert(name(variable))).cloned().collect();
    kept.retain(|variable| variable != "HOME=");
    kept.reverse();
    kept
}
