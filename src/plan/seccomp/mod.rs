//! linux.seccomp -> the program that the kernel runs on every system call (`man 2 seccomp`).
//!
//! Compiled by the parent, before the fork: what is left to the process is the one call that installs it.

use std::fs::File;
use std::io::{Read, Seek};

use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall, ScmpVersion,
};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator,
    LinuxSyscall, Spec,
};

use crate::fail;
use crate::linux::memfd;
use crate::report::{Code, Context, Result, log};

/// SECCOMP_FILTER_FLAG_* (linux/seccomp.h).
pub mod flag {
    pub const LOG: u64 = 1 << 1;
    pub const SPEC_ALLOW: u64 = 1 << 2;
    pub const NEW_LISTENER: u64 = 1 << 3;
    pub const WAIT_KILLABLE_RECV: u64 = 1 << 5;
}

/// `struct sock_filter`: a 16 bit code, two 8 bit jumps, a 32 bit operand.
const INSTRUCTION: usize = 8;
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
    Ok(with_program(profile, program))
}

/// The filter of a profile whose program was compiled earlier.
pub fn with_program(profile: &LinuxSeccomp, program: Vec<u8>) -> Filter {
    let flags = flags(profile);
    // The words of runc's debug line: its tests read the number.
    log::debug(format!("seccomp filter flags: {flags}"));
    Filter { program, flags, notifies_sendmsg: notifies(profile, "sendmsg") }
}

/// A profile without `flags` gets SPEC_ALLOW, for speed; an empty list gets none (runc).
fn flags(profile: &LinuxSeccomp) -> u64 {
    let bit = |flag: &LinuxSeccompFilterFlag| match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => flag::LOG,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => flag::SPEC_ALLOW,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => flag::WAIT_KILLABLE_RECV,
        // One thread has none to synchronize with.
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
    };
    let named = match profile.flags() {
        Some(flags) => flags.iter().map(bit).fold(0, |all, bit| all | bit),
        None => flag::SPEC_ALLOW,
    };
    let notifies = rules(profile).iter().any(|rule| rule.action() == LinuxSeccompAction::ScmpActNotify);
    named | if notifies { flag::NEW_LISTENER } else { 0 }
}

fn notifies(profile: &LinuxSeccomp, call: &str) -> bool {
    let is_about = |rule: &LinuxSyscall| rule.names().iter().any(|name| name == call);
    rules(profile).iter().any(|rule| rule.action() == LinuxSeccompAction::ScmpActNotify && is_about(rule))
}

fn rules(profile: &LinuxSeccomp) -> &[LinuxSyscall] {
    profile.syscalls().as_deref().unwrap_or_default()
}

fn program(profile: &LinuxSeccomp) -> Result<Vec<u8>> {
    let default = action(profile.default_action(), profile.default_errno_ret());
    let mut filter = ScmpFilterContext::new(default)?;
    for architecture in profile.architectures().iter().flatten() {
        filter.add_arch(arch(*architecture)).with_context(|| format!("architecture {architecture}"))?;
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
    let action = action(rule.action(), rule.errno_ret());
    if action == default {
        // libseccomp refuses a rule that changes nothing.
        return Ok(());
    }
    let conditions = conditions(rule.args().as_deref().unwrap_or_default());
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
fn conditions(args: &[LinuxSeccompArg]) -> Vec<Vec<ScmpArgCompare>> {
    let compare = |arg: &LinuxSeccompArg| {
        let (operator, datum) = operator(arg);
        ScmpArgCompare::new(u32::try_from(arg.index()).unwrap_or(u32::MAX), operator, datum)
    };
    let mut indexes: Vec<usize> = args.iter().map(LinuxSeccompArg::index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    match indexes.len() == args.len() {
        true => vec![args.iter().map(compare).collect()],
        false => args.iter().map(|arg| vec![compare(arg)]).collect(),
    }
}

/// The comparison and what to compare with.
fn operator(arg: &LinuxSeccompArg) -> (ScmpCompareOp, u64) {
    let operator = match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe => ScmpCompareOp::NotEqual,
        LinuxSeccompOperator::ScmpCmpLt => ScmpCompareOp::Less,
        LinuxSeccompOperator::ScmpCmpLe => ScmpCompareOp::LessOrEqual,
        LinuxSeccompOperator::ScmpCmpEq => ScmpCompareOp::Equal,
        LinuxSeccompOperator::ScmpCmpGe => ScmpCompareOp::GreaterEqual,
        LinuxSeccompOperator::ScmpCmpGt => ScmpCompareOp::Greater,
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            return (ScmpCompareOp::MaskedEqual(arg.value()), arg.value_two().unwrap_or(0));
        }
    };
    (operator, arg.value())
}

/// The kernel keeps 16 bits of what an action carries.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> ScmpAction {
    let carried = (errno.unwrap_or(DEFAULT_ERRNO) & 0xffff) as u16;
    match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => ScmpAction::KillThread,
        LinuxSeccompAction::ScmpActKillProcess => ScmpAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => ScmpAction::Trap,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(i32::from(carried)),
        LinuxSeccompAction::ScmpActNotify => ScmpAction::Notify,
        LinuxSeccompAction::ScmpActTrace => ScmpAction::Trace(carried),
        LinuxSeccompAction::ScmpActLog => ScmpAction::Log,
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
    }
}

fn arch(arch: Arch) -> ScmpArch {
    match arch {
        Arch::ScmpArchNative => ScmpArch::Native,
        Arch::ScmpArchX86 => ScmpArch::X86,
        Arch::ScmpArchX86_64 => ScmpArch::X8664,
        Arch::ScmpArchX32 => ScmpArch::X32,
        Arch::ScmpArchArm => ScmpArch::Arm,
        Arch::ScmpArchAarch64 => ScmpArch::Aarch64,
        Arch::ScmpArchMips => ScmpArch::Mips,
        Arch::ScmpArchMips64 => ScmpArch::Mips64,
        Arch::ScmpArchMips64n32 => ScmpArch::Mips64N32,
        Arch::ScmpArchMipsel => ScmpArch::Mipsel,
        Arch::ScmpArchMipsel64 => ScmpArch::Mipsel64,
        Arch::ScmpArchMipsel64n32 => ScmpArch::Mipsel64N32,
        Arch::ScmpArchPpc => ScmpArch::Ppc,
        Arch::ScmpArchPpc64 => ScmpArch::Ppc64,
        Arch::ScmpArchPpc64le => ScmpArch::Ppc64Le,
        Arch::ScmpArchS390 => ScmpArch::S390,
        Arch::ScmpArchS390x => ScmpArch::S390X,
        Arch::ScmpArchParisc => ScmpArch::Parisc,
        Arch::ScmpArchParisc64 => ScmpArch::Parisc64,
        Arch::ScmpArchRiscv64 => ScmpArch::Riscv64,
        Arch::ScmpArchLoongarch64 => ScmpArch::Loongarch64,
        Arch::ScmpArchM68k => ScmpArch::M68k,
        Arch::ScmpArchSh => ScmpArch::Sh,
        Arch::ScmpArchSheb => ScmpArch::Sheb,
    }
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
    let length = program.len() / INSTRUCTION;
    if length > MAX_INSTRUCTIONS {
        fail!(
            Code::InvalidConfig,
            "the profile makes {length} instructions, the kernel takes {MAX_INSTRUCTIONS}"
        );
    }
    Ok(program)
}

mod unknown;

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
mod interpreter;
#[cfg(test)]
mod tests;
