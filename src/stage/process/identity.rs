//! Who the process is and where it stands: user, groups, capabilities, cwd.

use std::path::Path;

use nix::errno::Errno;

use crate::fail;
use crate::linux::{self, capability, credentials, fd, process, userns};
use crate::plan::{Action, CapabilitySets, Credentials, Step};
use crate::report::{Code, Context as _, Result, log};
use crate::stage::context::Context;
use crate::stage::rootfs::root;

/// Groups, gid, uid, with the permitted capabilities kept for the capset to come.
/// Stdio goes to the new user first, as only a privileged process can give it away.
pub fn set_credentials(context: &mut Context, plan: &Credentials) -> Result<()> {
    fd::own_stdio(plan.uid).context("give stdio to the container's user")?;
    credentials::keep_capabilities(true).context("keep capabilities over the change of user")?;
    if let Some(groups) = &plan.groups {
        set_groups(context, groups)?;
    }
    credentials::set_ids(plan.uid, plan.gid)
        .with_context(|| format!("become uid {} and gid {}", plan.uid, plan.gid))?;
    credentials::set_umask(plan.umask);
    // The change cleared the effective set: what is left to do (cwd) is done with what is permitted.
    capability::raise_permitted().context("raise the permitted capabilities")
}

/// Where setgroups is denied, those of the caller stay: none can be added, none taken away.
fn set_groups(context: &mut Context, groups: &[u32]) -> Result<()> {
    match credentials::set_groups(groups) {
        Err(Errno::EPERM) if !may_set_groups(context)? => match groups {
            [] => Ok(()),
            _ => fail!(Code::InvalidConfig, "cannot set any additional groups in a rootless container"),
        },
        set => set.context("set the additional groups"),
    }
}

/// Whether the kernel lets anybody in this user namespace do it.
pub fn may_set_groups(context: &mut Context) -> Result<bool> {
    if let Some(known) = context.may_set_groups {
        return Ok(known);
    }
    let may = userns::may_set_groups(&context.proc).context("read /proc/self/setgroups")?;
    Ok(*context.may_set_groups.insert(may))
}

/// Exactly the configured sets; inheritable and ambient only as listed (CVE-2022-29162).
pub fn set_capabilities(sets: &CapabilitySets) -> Result<()> {
    match apply_capabilities(sets) {
        Err(Errno::EPERM) => apply_capabilities(&only_held(sets)?),
        applied => applied,
    }
    .context("unable to apply caps")?;
    credentials::keep_capabilities(false).context("stop keeping capabilities")
}

fn apply_capabilities(sets: &CapabilitySets) -> linux::Result<()> {
    capability::set(&sets.effective, &sets.permitted, &sets.inheritable)?;
    capability::set_ambient(&sets.ambient)
}

/// A runtime that lacks a capability itself cannot grant it: that is a warning, not a failure (runtime-spec
/// config.md#linux-process).
fn only_held(sets: &CapabilitySets) -> Result<CapabilitySets> {
    let held = capability::permitted().context("read our capabilities")?;
    let lost: Vec<&str> =
        sets.permitted.iter().filter(|name| !held.contains(name)).map(String::as_str).collect();
    log::warn(format!("capabilities that we lack ourselves cannot be granted: {}", lost.join(", ")));
    let keep = |set: &[String]| set.iter().filter(|name| held.contains(name)).cloned().collect();
    Ok(CapabilitySets {
        effective: keep(&sets.effective),
        permitted: keep(&sets.permitted),
        inheritable: keep(&sets.inheritable),
        ambient: keep(&sets.ambient),
    })
}

/// The cwd may be open to root alone: it is tried before the user changes, and again after, when it
/// failed (a directory that is open to the user alone, on a filesystem that squashes root).
pub fn enter_cwd_early(context: &mut Context, steps: &[Step]) {
    let Some(cwd) = cwd(steps) else {
        return;
    };
    // A failure is not lost: ChangeDirectory meets it again and reports it.
    context.in_cwd = enter(context, cwd).is_ok();
}

/// Opens the cwd ahead of a filter that may forbid to. A failure is met again by ChangeDirectory.
pub fn hold_cwd(context: &mut Context, steps: &[Step]) {
    let root = root(context).ok();
    context.cwd = cwd(steps).zip(root).and_then(|(path, root)| root.resolve(path).ok());
}

fn cwd(steps: &[Step]) -> Option<&Path> {
    steps.iter().find_map(|step| match &step.action {
        Action::ChangeDirectory(path) => Some(path.as_path()),
        _ => None,
    })
}

/// Makes `path` the cwd and proves that it lies inside the root (CVE-2024-21626).
pub fn change_directory(context: &mut Context, path: &Path) -> Result<()> {
    if !context.in_cwd {
        enter(context, path)?;
    }
    let cwd = process::raw_cwd().context("getcwd")?;
    if !cwd.starts_with("/") {
        fail!(
            Code::InvalidConfig,
            "current working directory is outside of container mount namespace root -- possible container breakout detected"
        );
    }
    Ok(())
}

fn enter(context: &Context, path: &Path) -> Result<()> {
    let doing = || format!("chdir to cwd ({path:?}) set in config.json failed");
    if let Some(held) = &context.cwd {
        return nix::unistd::fchdir(held).with_context(doing);
    }
    let root = root(context)?;
    let directory = root.resolve(path).with_context(doing)?;
    nix::unistd::fchdir(directory).with_context(doing)
}
