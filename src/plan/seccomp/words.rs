//! The words of linux.seccomp (config-linux.md#seccomp) and what each means: what is not in these tables is refused, and
//! what is, `features` tells.

use libseccomp::{ScmpAction, ScmpArch, ScmpCompareOp, ScmpFilterContext};
use oci_spec::runtime::{
    Arch, LinuxSeccompAction as Action, LinuxSeccompFilterFlag as Flag, LinuxSeccompOperator as Operator,
};

use super::flag;
use crate::plan::words::Words;

/// What an action does, given the 16 bits that it carries.
type Doing = fn(u16) -> ScmpAction;

pub const ACTIONS: Words<Action, Doing> = &[
    ("SCMP_ACT_ALLOW", Action::ScmpActAllow, |_| ScmpAction::Allow),
    ("SCMP_ACT_ERRNO", Action::ScmpActErrno, |errno| ScmpAction::Errno(i32::from(errno))),
    ("SCMP_ACT_KILL", Action::ScmpActKill, |_| ScmpAction::KillThread),
    ("SCMP_ACT_KILL_PROCESS", Action::ScmpActKillProcess, |_| ScmpAction::KillProcess),
    ("SCMP_ACT_KILL_THREAD", Action::ScmpActKillThread, |_| ScmpAction::KillThread),
    ("SCMP_ACT_LOG", Action::ScmpActLog, |_| ScmpAction::Log),
    ("SCMP_ACT_NOTIFY", Action::ScmpActNotify, |_| ScmpAction::Notify),
    ("SCMP_ACT_TRACE", Action::ScmpActTrace, ScmpAction::Trace),
    ("SCMP_ACT_TRAP", Action::ScmpActTrap, |_| ScmpAction::Trap),
];

/// A comparison of an argument with `value`, and the datum that it is compared with: for the last, `valueTwo`.
type Comparing = fn(u64, u64) -> (ScmpCompareOp, u64);

pub const OPERATORS: Words<Operator, Comparing> = &[
    ("SCMP_CMP_EQ", Operator::ScmpCmpEq, |value, _| (ScmpCompareOp::Equal, value)),
    ("SCMP_CMP_GE", Operator::ScmpCmpGe, |value, _| (ScmpCompareOp::GreaterEqual, value)),
    ("SCMP_CMP_GT", Operator::ScmpCmpGt, |value, _| (ScmpCompareOp::Greater, value)),
    ("SCMP_CMP_LE", Operator::ScmpCmpLe, |value, _| (ScmpCompareOp::LessOrEqual, value)),
    ("SCMP_CMP_LT", Operator::ScmpCmpLt, |value, _| (ScmpCompareOp::Less, value)),
    ("SCMP_CMP_MASKED_EQ", Operator::ScmpCmpMaskedEq, |mask, wanted| {
        (ScmpCompareOp::MaskedEqual(mask), wanted)
    }),
    ("SCMP_CMP_NE", Operator::ScmpCmpNe, |value, _| (ScmpCompareOp::NotEqual, value)),
];

/// What a profile's flag adds to the call that installs it, and what to ask the kernel with whether it knows the flag.
pub struct FlagBits {
    pub set: u64,
    pub ask: u64,
}

/// In the order in which callers have always read them.
pub const FLAGS: Words<Flag, FlagBits> = &[
    // One thread has none to synchronize with.
    ("SECCOMP_FILTER_FLAG_TSYNC", Flag::SeccompFilterFlagTsync, FlagBits { set: 0, ask: flag::TSYNC }),
    (
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        Flag::SeccompFilterFlagSpecAllow,
        FlagBits { set: flag::SPEC_ALLOW, ask: flag::SPEC_ALLOW },
    ),
    ("SECCOMP_FILTER_FLAG_LOG", Flag::SeccompFilterFlagLog, FlagBits { set: flag::LOG, ask: flag::LOG }),
    (
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        Flag::SeccompFilterFlagWaitKillableRecv,
        // It means something only where there is a listener, and is refused elsewhere.
        FlagBits { set: flag::WAIT_KILLABLE_RECV, ask: flag::WAIT_KILLABLE_RECV | flag::NEW_LISTENER },
    ),
];

pub const ARCHITECTURES: Words<Arch, ScmpArch> = &[
    ("SCMP_ARCH_AARCH64", Arch::ScmpArchAarch64, ScmpArch::Aarch64),
    ("SCMP_ARCH_ARM", Arch::ScmpArchArm, ScmpArch::Arm),
    ("SCMP_ARCH_LOONGARCH64", Arch::ScmpArchLoongarch64, ScmpArch::Loongarch64),
    ("SCMP_ARCH_M68K", Arch::ScmpArchM68k, ScmpArch::M68k),
    ("SCMP_ARCH_MIPS", Arch::ScmpArchMips, ScmpArch::Mips),
    ("SCMP_ARCH_MIPS64", Arch::ScmpArchMips64, ScmpArch::Mips64),
    ("SCMP_ARCH_MIPS64N32", Arch::ScmpArchMips64n32, ScmpArch::Mips64N32),
    ("SCMP_ARCH_MIPSEL", Arch::ScmpArchMipsel, ScmpArch::Mipsel),
    ("SCMP_ARCH_MIPSEL64", Arch::ScmpArchMipsel64, ScmpArch::Mipsel64),
    ("SCMP_ARCH_MIPSEL64N32", Arch::ScmpArchMipsel64n32, ScmpArch::Mipsel64N32),
    ("SCMP_ARCH_PARISC", Arch::ScmpArchParisc, ScmpArch::Parisc),
    ("SCMP_ARCH_PARISC64", Arch::ScmpArchParisc64, ScmpArch::Parisc64),
    ("SCMP_ARCH_PPC", Arch::ScmpArchPpc, ScmpArch::Ppc),
    ("SCMP_ARCH_PPC64", Arch::ScmpArchPpc64, ScmpArch::Ppc64),
    ("SCMP_ARCH_PPC64LE", Arch::ScmpArchPpc64le, ScmpArch::Ppc64Le),
    ("SCMP_ARCH_RISCV64", Arch::ScmpArchRiscv64, ScmpArch::Riscv64),
    ("SCMP_ARCH_S390", Arch::ScmpArchS390, ScmpArch::S390),
    ("SCMP_ARCH_S390X", Arch::ScmpArchS390x, ScmpArch::S390X),
    ("SCMP_ARCH_SH", Arch::ScmpArchSh, ScmpArch::Sh),
    ("SCMP_ARCH_SHEB", Arch::ScmpArchSheb, ScmpArch::Sheb),
    ("SCMP_ARCH_X32", Arch::ScmpArchX32, ScmpArch::X32),
    ("SCMP_ARCH_X86", Arch::ScmpArchX86, ScmpArch::X86),
    ("SCMP_ARCH_X86_64", Arch::ScmpArchX86_64, ScmpArch::X8664),
];

/// The architectures that a filter of this machine can have: the libseccomp in this binary knows them, and their byte order
/// is the machine's, since a filter has one.
pub fn architectures() -> Vec<&'static str> {
    let knows = |arch: ScmpArch| {
        ScmpFilterContext::new(ScmpAction::Allow).is_ok_and(|mut filter| filter.add_arch(arch).is_ok())
    };
    ARCHITECTURES.iter().filter(|(_, _, arch)| knows(*arch)).map(|(name, ..)| *name).collect()
}
