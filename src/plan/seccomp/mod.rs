//! linux.seccomp -> the program that the kernel runs on every system call (`man 2 seccomp`).
//!
//! Compiled by the parent, before the fork: what is left to the process is the one call that installs it.

use std::fs::File;
use std::io::{Read, Seek};

use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpFilterContext, ScmpSyscall, ScmpVersion};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSyscall, Spec,
};

use crate::fail;
use crate::linux::memfd;
use crate::plan::words::meaning;
use crate::report::{Code, Context, Error, Result, log};

/// SECCOMP_FILTER_FLAG_* (linux/seccomp.h).
pub mod flag {
    pub const TSYNC: u64 = 1;
    pub const LOG: u64 = 1 << 1;
    pub const SPEC_ALLOW: u64 = 1 << 2;
    pub const NEW_LISTENER: u64 = 1 << 3;
    pub const WAIT_KILLABLE_RECV: u64 = 1 << 5;
}

/// BPF_MAXINSNS (linux/bpf_common.h).
const MAX_INSTRUCTIONS: usize = 4096;

/// What an action without `errnoRet` answers with.
const DEFAULT_ERRNO: u32 = nix::libc::EPERM as u32;

/// Above this many rules a tree of comparisons is faster than a list. Four system calls are a leaf of libseccomp's
/// tree; with no rules at all, its version 2.5.4 makes a wrong one.
const RULES_WORTH_A_TREE: usize = 32;

/// A compiled profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// An array of `struct sock_filter`.
    pub program: Vec<u8>,
    /// SECCOMP_FILTER_FLAG_*.
    pub flags: u64,
    /// The call that hands a listener over would itself wait for who listens.
    pub notifies_sendmsg: bool,
}

impl Filter {
    /// Installing it makes a listener (SCMP_ACT_NOTIFY).
    pub fn has_listener(&self) -> bool {
        self.flags & flag::NEW_LISTENER != 0
    }
}

/// The profile, if there is one.
pub fn of(spec: &Spec) -> Option<&LinuxSeccomp> {
    spec.linux().as_ref()?.seccomp().as_ref()
}

/// The libseccomp that this binary holds, `2.5.4`.
pub fn library_version() -> Result<String> {
    let version = ScmpVersion::current()?;
    Ok(format!("{}.{}.{}", version.major, version.minor, version.micro))
}

/// Compiles a validated profile.
///
/// # Errors
/// Rules that contradict each other, an architecture that libseccomp does not know, a program longer than the
/// kernel takes.
pub fn compile(profile: &LinuxSeccomp) -> Result<Filter> {
    let program = program(profile).context("compile the seccomp profile").at("/linux/seccomp")?;
    with_program(profile, ranges::shortened(program))
}

/// The filter of a profile whose program was compiled earlier.
pub fn with_program(profile: &LinuxSeccomp, program: Vec<u8>) -> Result<Filter> {
    let flags = flags(profile)?;
    // The words of runc's debug line: its tests read the number.
    log::debug(format!("seccomp filter flags: {flags}"));
    Ok(Filter { program, flags, notifies_sendmsg: notifies(profile, "sendmsg") })
}

/// A profile without `flags` gets SPEC_ALLOW, for speed; an empty list gets none (runc).
fn flags(profile: &LinuxSeccomp) -> Result<u64> {
    let bits = |flags: &[LinuxSeccompFilterFlag]| -> Result<u64> {
        flags.iter().try_fold(0, |all, flag| Ok(all | meaning(words::FLAGS, *flag)?.set))
    };
    let named = match profile.flags() {
        Some(flags) => bits(flags)?,
        None => flag::SPEC_ALLOW,
    };
    let notifies = rules(profile).iter().any(|rule| rule.action() == LinuxSeccompAction::ScmpActNotify);
    Ok(named | if notifies { flag::NEW_LISTENER } else { 0 })
}

fn notifies(profile: &LinuxSeccomp, call: &str) -> bool {
    let is_about = |rule: &LinuxSyscall| rule.names().iter().any(|name| name == call);
    rules(profile).iter().any(|rule| rule.action() == LinuxSeccompAction::ScmpActNotify && is_about(rule))
}

fn rules(profile: &LinuxSeccomp) -> &[LinuxSyscall] {
    profile.syscalls().as_deref().unwrap_or_default()
}

/// The program as libseccomp writes it, behind ours for new calls.
fn program(profile: &LinuxSeccomp) -> Result<Vec<u8>> {
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let mut filter = ScmpFilterContext::new(default)?;
    for architecture in profile.architectures().iter().flatten() {
        filter.add_arch(arch(*architecture)?).with_context(|| format!("architecture {architecture}"))?;
    }
    if rules(profile).iter().map(|rule| rule.names().len()).sum::<usize>() > RULES_WORTH_A_TREE {
        filter.set_ctl_optimize(2)?;
    }
    for (index, rule) in rules(profile).iter().enumerate() {
        add(&mut filter, rule, default).at(format!("/linux/seccomp/syscalls/{index}"))?;
    }
    checked([unknown::stub(profile)?, export(&filter)?].concat())
}

/// One entry: the same action for all its names.
fn add(filter: &mut ScmpFilterContext, rule: &LinuxSyscall, default: ScmpAction) -> Result<()> {
    let action = action(rule.action(), rule.errno_ret())?;
    if action == default {
        // libseccomp refuses a rule that changes nothing.
        return Ok(());
    }
    let conditions = conditions(rule.args().as_deref().unwrap_or_default())?;
    for name in rule.names() {
        let Ok(syscall) = ScmpSyscall::from_name(name) else {
            log::debug(format!("unknown seccomp syscall {name:?} ignored"));
            continue;
        };
        for all_of in &conditions {
            filter
                .add_rule_conditional(action, syscall, all_of)
                .with_context(|| format!("rule for system call {name:?}"))?;
        }
    }
    Ok(())
}

/// The alternatives, of each of which all conditions must hold. Conditions on different arguments must hold together;
/// if two are about the same argument, each is an alternative of its own (runc, since libseccomp takes one a rule).
fn conditions(args: &[LinuxSeccompArg]) -> Result<Vec<Vec<ScmpArgCompare>>> {
    let compare = |arg: &LinuxSeccompArg| {
        let comparing = meaning(words::OPERATORS, arg.op())?;
        let (operator, datum) = comparing(arg.value(), arg.value_two().unwrap_or(0));
        Ok(ScmpArgCompare::new(u32::try_from(arg.index()).unwrap_or(u32::MAX), operator, datum))
    };
    let compared = args.iter().map(compare).collect::<Result<Vec<_>>>()?;
    let mut indexes: Vec<usize> = args.iter().map(LinuxSeccompArg::index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    Ok(match indexes.len() == args.len() {
        true => vec![compared],
        false => compared.into_iter().map(|condition| vec![condition]).collect(),
    })
}

/// The kernel keeps 16 bits of what an action carries.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<ScmpAction> {
    let carried = (errno.unwrap_or(DEFAULT_ERRNO) & 0xffff) as u16;
    Ok(meaning(words::ACTIONS, action)?(carried))
}

fn arch(arch: Arch) -> Result<ScmpArch> {
    Ok(*meaning(words::ARCHITECTURES, arch)?)
}

/// Refuses a profile that names a system call that this machine does not know, for callers who want that
/// (`annotations::FAIL_UNKNOWN_SYSCALL`).
pub fn refuse_unknown(profile: &LinuxSeccomp) -> Result<()> {
    for (index, rule) in rules(profile).iter().enumerate() {
        if let Some(name) = rule.names().iter().find(|name| ScmpSyscall::from_name(name).is_err()) {
            let text = format!("unknown system call {name:?} in the seccomp profile");
            return Err(Error::new(Code::InvalidConfig, text).at(format!("/linux/seccomp/syscalls/{index}")));
        }
    }
    Ok(())
}

/// libseccomp 2.5 writes programs to descriptors only.
fn export(filter: &ScmpFilterContext) -> Result<Vec<u8>> {
    let mut file = File::from(memfd::with_content("seccomp", &[])?);
    filter.export_bpf(&file)?;
    file.rewind()?;
    let mut program = Vec::new();
    file.read_to_end(&mut program)?;
    Ok(program)
}

fn checked(program: Vec<u8>) -> Result<Vec<u8>> {
    let length = program.len() / bpf::INSTRUCTION;
    if length > MAX_INSTRUCTIONS {
        fail!(
            Code::InvalidConfig,
            "the profile makes {length} instructions, the kernel takes {MAX_INSTRUCTIONS}"
        );
    }
    Ok(program)
}

mod bpf;
mod ranges;
mod unknown;
pub mod words;

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
mod interpreter;
#[cfg(test)]
mod tests;
