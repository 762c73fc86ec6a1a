//! Who is who in a new user namespace: its maps, written by the parent, and init's step into them
//! (`man 7 user_namespaces`, security rules R4 and R12).
//!
//! Without CAP_SETUID the parent may map its own id alone; more than that newuidmap and newgidmap do, for the ranges
//! that /etc/subuid and /etc/subgid give the user. They are run by absolute path, with an empty environment.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::context::Context;
use crate::fail;
use crate::linux::namespace::Kind;
use crate::linux::procfs::Proc;
use crate::linux::userns::{self, IdMap, Which};
use crate::linux::{capability, credentials, process, rlimit, spawn};
use crate::plan::{Action, IdMaps, Privileged, Step};
use crate::report::{Code, Context as _, Result, log};

/// Whether this process may write any map for a child. If not, the child must be dumpable for its own user.
pub fn may_write_maps() -> bool {
    ["SETUID", "SETGID"].iter().all(|name| capability::has_effective(name))
}

/// Writes the maps of the user namespace that `pid` was born in.
///
/// # Errors
/// What the kernel or newuidmap says to a map, with its place in config.json.
pub fn write_maps(proc: &Proc, pid: Pid, maps: &IdMaps) -> Result<()> {
    let gids = write_map(proc, pid, Which::Gid, &maps.gids).context("write gid_map");
    gids.at("/linux/gidMappings")?;
    let uids = write_map(proc, pid, Which::Uid, &maps.uids).context("write uid_map");
    uids.at("/linux/uidMappings")
}

fn write_map(proc: &Proc, pid: Pid, which: Which, map: &[IdMap]) -> Result<()> {
    if may_write_maps() {
        return userns::write_map(proc, pid, which, map)
            .hint("the caller must be allowed to use each host id; mapping host id 0 takes CAP_SETFCAP");
    }
    if !is_own_id(which, map) {
        return run_tool(which, pid, map);
    }
    if which == Which::Gid {
        userns::deny_setgroups(proc, pid).context("deny setgroups")?;
    }
    Ok(userns::write_map(proc, pid, which, map)?)
}

/// One id that is the caller's own: all that the kernel lets anybody map.
fn is_own_id(which: Which, map: &[IdMap]) -> bool {
    let own = match which {
        Which::Uid => nix::unistd::geteuid().as_raw(),
        Which::Gid => nix::unistd::getegid().as_raw(),
    };
    matches!(map, [IdMap { host, size: 1, .. }] if *host == own)
}

/// newuidmap or newgidmap, which check the map against /etc/subuid or /etc/subgid.
fn run_tool(which: Which, pid: Pid, map: &[IdMap]) -> Result<()> {
    let (name, ranges) = match which {
        Which::Uid => ("newuidmap", "/etc/subuid"),
        Which::Gid => ("newgidmap", "/etc/subgid"),
    };
    let Some(tool) = find_tool(name) else {
        fail!(
            Code::Unsupported,
            "mapping more than your own id takes {name}, which is not on PATH: install it (package uidmap or \
             shadow-utils), or map one id of size 1 to your own"
        );
    };
    let mut command = Command::new(&tool);
    command.arg(pid.to_string()).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    for extent in map {
        command.args([extent.container, extent.host, extent.size].map(|number| number.to_string()));
    }
    spawn::prepare(&mut command);
    let output = command.output().with_context(|| format!("run {tool:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let end = match output.status.signal() {
        Some(signal) => format!("was killed by signal {signal}"),
        None => format!("exited with status {}", output.status.code().unwrap_or(-1)),
    };
    Err(crate::report::Error::new(Code::System, format!("{name} {end}: {}", said.trim()))
        .hint(format!("{ranges} must give your user every host id of the map")))
}

/// On PATH, in absolute directories alone.
fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| process::is_executable(file).is_ok())
}

/// What the config says of the namespace that was joined must be so: its ids are counted on elsewhere.
pub fn compare_maps(context: &Context, expected: &IdMaps) -> Result<()> {
    let sorted = |mut map: Vec<IdMap>| {
        map.sort();
        map
    };
    for (which, map) in [(Which::Uid, &expected.uids), (Which::Gid, &expected.gids)] {
        let own = userns::own_map(&context.proc, which).context("read the id map of the user namespace")?;
        if sorted(own) != sorted(map.clone()) {
            fail!(
                Code::InvalidConfig,
                "user namespaces enabled, but both namespace path and non-matching mapping specified -- you may only \
                 provide one"
            );
        }
    }
    log::debug("the config has both a user namespace to join and its mappings");
    Ok(())
}

/// Root of the namespace. What is made from here on belongs to the container.
pub fn become_root(context: &Context, steps: &[Step]) -> Result<()> {
    if !keeps_groups(steps) && userns::may_set_groups(&context.proc).context("read /proc/self/setgroups")? {
        credentials::set_groups(&[]).context("leave the caller's groups")?;
    }
    match credentials::set_ids(0, 0) {
        Err(Errno::EINVAL) => {
            return Err(Errno::EINVAL)
                .context("become root of the user namespace")
                .code(Code::InvalidConfig)
                .hint("map container id 0 in uidMappings and gidMappings");
        }
        set => set.context("become root of the user namespace")?,
    }
    // Both were undone by the change of user (`man 2 prctl`), or never done.
    process::set_dumpable(false).context("become undumpable")?;
    process::set_parent_death_signal(Some(Signal::SIGKILL)).context("tie init to its parent")
}

/// Whether the caller's groups are to stay to the end.
fn keeps_groups(steps: &[Step]) -> bool {
    steps.iter().any(
        |step| matches!(&step.action, Action::SetCredentials(credentials) if credentials.groups.is_none()),
    )
}

/// oom_score_adj: lowering it takes a right that no user namespace gives.
pub fn adjust_oom_score(proc: &Proc, pid: Pid, privileged: &Privileged) -> Result<()> {
    let Some(score) = privileged.oom_score_adj else { return Ok(()) };
    proc.write_pid(pid, "oom_score_adj", score.to_string().as_bytes())
        .with_context(|| format!("set oom_score_adj to {score}"))
        .at("/process/oomScoreAdj")
}

/// The same by the bridge, for init to inherit. Its files belong to its user only while it is dumpable, and so it is
/// for this one write, before it is in reach of anybody in the container.
pub fn inherit_oom_score(proc: &Proc, privileged: &Privileged) -> Result<()> {
    if privileged.oom_score_adj.is_none() {
        return Ok(());
    }
    process::set_dumpable(true).context("become dumpable")?;
    let adjusted = adjust_oom_score(proc, nix::unistd::getpid(), privileged);
    process::set_dumpable(false).context("become undumpable")?;
    adjusted
}

/// The limits, at the end: init has descriptors open while it makes the container.
pub fn set_rlimits(pid: Pid, privileged: &Privileged) -> Result<()> {
    for step in &privileged.rlimits {
        let Action::SetRlimit { resource, soft, hard } = &step.action else {
            fail!(Code::Internal, "only limits are set from outside");
        };
        let doing = || format!("error setting rlimit {resource} to soft {soft}, hard {hard}");
        let set = rlimit::set_of(pid, resource, *soft, *hard).with_context(doing);
        set.hint("raising a hard limit needs CAP_SYS_RESOURCE on the host; or lower it to the caller's")
            .at(step.pointer.clone().unwrap_or_default())?;
    }
    Ok(())
}

/// Why a new namespace may have been refused, as far as the host's switches tell.
pub fn obstacle(proc: &Proc, namespaces: &[Kind]) -> Option<String> {
    let switch = |name: &str| {
        let text = proc.read(&format!("sys/{name}"), 64).ok()?;
        String::from_utf8(text).ok()?.trim().parse::<u64>().ok()
    };
    explain(switch, namespaces)
}

/// The same by what each switch of /proc/sys says.
fn explain(switch: impl Fn(&str) -> Option<u64>, namespaces: &[Kind]) -> Option<String> {
    if namespaces.contains(&Kind::User) {
        if switch("user/max_user_namespaces") == Some(0) {
            return Some(
                "user namespaces are switched off: sysctl user.max_user_namespaces is 0; set it to some thousands"
                    .to_owned(),
            );
        }
        if switch("kernel/unprivileged_userns_clone") == Some(0) {
            return Some(
                "only root may make user namespaces: set sysctl kernel.unprivileged_userns_clone=1"
                    .to_owned(),
            );
        }
        if switch("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
            return Some(format!(
                "AppArmor keeps users from making user namespaces: load a profile with `userns,` for {}, or set sysctl \
                 kernel.apparmor_restrict_unprivileged_userns=0",
                std::env::current_exe().as_deref().unwrap_or(Path::new("trug")).display()
            ));
        }
    }
    let limits = "a limit in /proc/sys/user/max_*_namespaces is reached";
    Some(match namespaces.contains(&Kind::User) {
        true => format!("{limits}, or a user namespace is not allowed here"),
        false => format!("{limits}, or the caller lacks CAP_SYS_ADMIN (a user namespace gives it)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_users_from_namespaces_is_explained_with_what_to_do() {
        let told = |set: &'static [(&str, u64)], namespaces: &[Kind]| {
            let switch = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            explain(switch, namespaces).unwrap()
        };
        let user = [Kind::User];
        let off = told(&[("user/max_user_namespaces", 0)], &user);
        assert!(off.contains("sysctl user.max_user_namespaces is 0"), "{off}");
        let debian = told(&[("user/max_user_namespaces", 9), ("kernel/unprivileged_userns_clone", 0)], &user);
        assert!(debian.contains("set sysctl kernel.unprivileged_userns_clone=1"), "{debian}");
        let ubuntu = told(&[("kernel/apparmor_restrict_unprivileged_userns", 1)], &user);
        assert!(ubuntu.contains("load a profile with `userns,` for /"), "{ubuntu}");
        assert!(ubuntu.contains("kernel.apparmor_restrict_unprivileged_userns=0"), "{ubuntu}");
        assert!(told(&[], &user).contains("a limit in /proc/sys/user/max_*_namespaces is reached"));
        // None of these switches matters to who makes no user namespace.
        let plain = told(&[("user/max_user_namespaces", 0)], &[Kind::Pid]);
        assert!(plain.contains("the caller lacks CAP_SYS_ADMIN"), "{plain}");
    }

    #[test]
    fn the_callers_own_id_alone_needs_no_tool() {
        let own = nix::unistd::geteuid().as_raw();
        let one = IdMap { container: 0, host: own, size: 1 };
        assert!(is_own_id(Which::Uid, &[one]));
        assert!(!is_own_id(Which::Uid, &[IdMap { size: 2, ..one }]));
        assert!(!is_own_id(Which::Uid, &[IdMap { host: own + 1, ..one }]));
        assert!(!is_own_id(Which::Uid, &[one, one]));
        assert!(!is_own_id(Which::Uid, &[]));
    }
}
