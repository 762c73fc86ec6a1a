//! The program and who runs it (config.md#process). Also for the process of exec.

use std::fmt::Arguments;

use oci_spec::runtime::{PosixRlimit, Process, Spec, User};

use super::findings::{Findings, check_text};
use super::host::Host;
use super::scheduling;

pub fn check(process: &Process, at: Arguments, host: &Host, findings: &mut Findings) {
    check_cwd(process, at, findings);
    check_args(process, at, findings);
    check_env(process, at, findings);
    check_terminal(process, at, findings);
    check_user(process.user(), format_args!("{at}/user"), findings);
    check_rlimits(process.rlimits().as_deref().unwrap_or_default(), format_args!("{at}/rlimits"), findings);
    check_oom_score(process, at, findings);
    check_labels(process, at, host, findings);
    scheduling::check(process, at, findings);
}

fn check_cwd(process: &Process, at: Arguments, findings: &mut Findings) {
    let pointer = format_args!("{at}/cwd");
    let cwd = process.cwd();
    if cwd.as_os_str().is_empty() {
        return findings.add(pointer, "Cwd property must not be empty");
    }
    if !cwd.is_absolute() {
        return findings.add(pointer, "Cwd must be an absolute path");
    }
    check_text(&cwd.to_string_lossy(), pointer, findings);
}

fn check_args(process: &Process, at: Arguments, findings: &mut Findings) {
    let args = process.args().as_deref().unwrap_or_default();
    if args.is_empty() {
        findings.add(format!("{at}/args"), "args must not be empty");
    }
    for (index, arg) in args.iter().enumerate() {
        check_text(arg, format_args!("{at}/args/{index}"), findings);
    }
}

/// In runc's words.
fn check_env(process: &Process, at: Arguments, findings: &mut Findings) {
    for (index, variable) in process.env().iter().flatten().enumerate() {
        let problem = match variable.split_once('=') {
            None => "missing '='".to_string(),
            Some(("", _)) => "name cannot be empty".to_string(),
            Some((name, _)) if variable.contains('\0') => {
                findings.add(
                    format!("{at}/env/{index}"),
                    format!("invalid environment variable {name:?}: contains nul byte (\\x00)"),
                );
                continue;
            }
            Some(_) => continue,
        };
        findings.add(format!("{at}/env/{index}"), format!("invalid environment variable: {problem}"));
    }
}

/// A size without a terminal is ignored, whatever it says (config.md#process).
fn check_terminal(process: &Process, at: Arguments, findings: &mut Findings) {
    let Some(size) = process.console_size().filter(|_| process.terminal() == Some(true)) else { return };
    for (name, value) in [("height", size.height()), ("width", size.width())] {
        if value > u64::from(u16::MAX) {
            findings.add(format!("{at}/consoleSize/{name}"), format!("console {name} {value} is too large"));
        }
    }
}

/// The highest number means "no id" to every call that takes one (`man 2 setresuid`): it would change nothing.
fn check_user(user: &User, at: Arguments, findings: &mut Findings) {
    if user.uid() == u32::MAX {
        findings.add(format!("{at}/uid"), format!("{} is not a user id", u32::MAX));
    }
    if user.gid() == u32::MAX {
        findings.add(format!("{at}/gid"), format!("{} is not a group id", u32::MAX));
    }
    for (index, gid) in user.additional_gids().iter().flatten().enumerate() {
        if *gid == u32::MAX {
            findings.add(format!("{at}/additionalGids/{index}"), format!("{} is not a group id", u32::MAX));
        }
    }
    if user.umask().is_some_and(|umask| umask > 0o777) {
        findings.add(format!("{at}/umask"), "umask is larger than 511 (octal 777)");
    }
}

fn check_rlimits(limits: &[PosixRlimit], at: Arguments, findings: &mut Findings) {
    for (index, limit) in limits.iter().enumerate() {
        let name = limit.typ().to_string();
        if limits[..index].iter().any(|earlier| earlier.typ() == limit.typ()) {
            findings.add(format!("{at}/{index}"), format!("duplicated rlimit {name:?}"));
        }
        if limit.soft() > limit.hard() {
            let text =
                format!("soft limit {} of {name} is above its hard limit {}", limit.soft(), limit.hard());
            findings.add(format!("{at}/{index}"), text);
        }
    }
}

/// `man 5 proc_pid_oom_score_adj`.
fn check_oom_score(process: &Process, at: Arguments, findings: &mut Findings) {
    let Some(score) = process.oom_score_adj() else { return };
    if !(-1000..=1000).contains(&score) {
        findings
            .add(format!("{at}/oomScoreAdj"), format!("oomScoreAdj {score} is not between -1000 and 1000"));
    }
}

/// linux.mountLabel: the same for the files of the container's mounts.
pub fn check_mount_label(spec: &Spec, host: &Host, findings: &mut Findings) {
    let label = spec.linux().as_ref().and_then(|linux| linux.mount_label().as_ref());
    if label.is_some_and(|label| !label.is_empty()) && !(host.selinux)() {
        let text = "selinux mount label is specified in config, but selinux is disabled or not supported";
        findings.add("/linux/mountLabel", text);
    }
}

/// A label that cannot be set must not be left out silently.
fn check_labels(process: &Process, at: Arguments, host: &Host, findings: &mut Findings) {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if given(process.selinux_label()) && !(host.selinux)() {
        let text = "selinux label is specified in config, but selinux is disabled or not supported";
        findings.add(format!("{at}/selinuxLabel"), text);
    }
    if given(process.apparmor_profile()) && !(host.apparmor)() {
        findings.add(format!("{at}/apparmorProfile"), "apparmor: config provided but apparmor not supported");
    }
}
