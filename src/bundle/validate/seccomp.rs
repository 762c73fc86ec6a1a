//! linux.seccomp (config-linux.md#seccomp).

use std::fmt::Arguments;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction as Action, LinuxSyscall, Spec};

use super::findings::{Findings, check_text};
use crate::bundle::annotations;

/// MAX_ERRNO (linux/err.h): the kernel cuts higher ones.
const ERRNO_MAX: u32 = 4095;
/// SECCOMP_RET_DATA: what a tracer is told.
const TRACE_MAX: u32 = 0xffff;

pub fn check(spec: &Spec, findings: &mut Findings) {
    let Some(seccomp) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else { return };
    let at = format_args!("/linux/seccomp");
    if seccomp.default_action() == Action::ScmpActNotify {
        let text = "SCMP_ACT_NOTIFY cannot be used as default action";
        findings.add(format!("{at}/defaultAction"), text);
    }
    let default_errno = seccomp.default_errno_ret();
    check_errno(seccomp.default_action(), default_errno, format_args!("{at}/defaultErrnoRet"), findings);
    let rules = seccomp.syscalls().as_deref().unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        check_rule(rule, format_args!("{at}/syscalls/{index}"), findings);
    }
    check_listener(spec, seccomp, rules, at, findings);
}

fn check_rule(rule: &LinuxSyscall, at: Arguments, findings: &mut Findings) {
    if rule.names().is_empty() {
        findings.add(format!("{at}/names"), "a seccomp rule needs at least one system call");
    }
    for (index, name) in rule.names().iter().enumerate() {
        let pointer = format_args!("{at}/names/{index}");
        if name.is_empty() {
            findings.add(pointer.to_string(), "empty string is not a valid syscall");
        }
        if name == "write" && rule.action() == Action::ScmpActNotify {
            // The listener is announced to the parent by a write, which would wait for the listener.
            findings.add(pointer.to_string(), "SCMP_ACT_NOTIFY cannot be used for the write syscall");
        }
        check_text(name, pointer, findings);
    }
    check_errno(rule.action(), rule.errno_ret(), format_args!("{at}/errnoRet"), findings);
    for (index, argument) in rule.args().iter().flatten().enumerate() {
        // `man 2 syscall`: six at most.
        if argument.index() > 5 {
            let text = format!("system calls have no argument {}", argument.index());
            findings.add(format!("{at}/args/{index}/index"), text);
        }
    }
}

fn check_errno(action: Action, errno: Option<u32>, at: Arguments, findings: &mut Findings) {
    let Some(errno) = errno else { return };
    let max = match action {
        Action::ScmpActErrno => ERRNO_MAX,
        Action::ScmpActTrace => TRACE_MAX,
        _ => return findings.add(at, format!("{action} does not support errnoRet")),
    };
    if errno > max {
        findings.add(at, format!("errnoRet {errno} is above {max}"));
    }
}

fn check_listener(
    spec: &Spec,
    seccomp: &LinuxSeccomp,
    rules: &[LinuxSyscall],
    at: Arguments,
    findings: &mut Findings,
) {
    let path = annotations::seccomp_receiver(spec);
    let notifies = rules.iter().any(|rule| rule.action() == Action::ScmpActNotify);
    if notifies && path.as_ref().is_some_and(|path| !path.is_absolute()) {
        findings.add(
            format!("{at}/listenerPath"),
            format!("the seccomp listener's path {path:?} is not absolute"),
        );
    }
    if notifies && path.is_none() {
        findings.add(format!("{at}/listenerPath"), "seccomp listenerPath is not set");
    }
    let has_metadata = seccomp.listener_metadata().as_ref().is_some_and(|metadata| !metadata.is_empty());
    if has_metadata && path.is_none() {
        findings.add(format!("{at}/listenerMetadata"), "listenerMetadata needs a listenerPath");
    }
}
