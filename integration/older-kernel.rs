//! Runs a command as on Linux 5.14, the floor: every system call that is newer answers ENOSYS, and newer flags of older
//! ones EINVAL.
//! usage: older-kernel COMMAND…

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use trug as _; // links what libseccomp wants of a C library and musl lacks

const ENOSYS: i32 = 38;
const EINVAL: i32 = 22;

/// memfd_secret(2) came with 5.14, process_mrelease(2) with 5.15.
const FIRST_NEWER: i32 = 448;
/// Past all that there are.
const END: i32 = 600;

/// Newer flags, by call, argument and bit: MFD_EXEC (linux/memfd.h, 6.3), F_SEAL_EXEC for F_ADD_SEALS (linux/fcntl.h, 6.3).
const FLAGS: [(&str, u32, u64); 2] = [("memfd_create", 1, 0x10), ("fcntl", 2, 0x20)];
const F_ADD_SEALS: u64 = 1033;

fn main() -> Result<()> {
    let mut filter = ScmpFilterContext::new(ScmpAction::Allow)?;
    // Or no program of a test could gain anything by its set-uid bit.
    filter.set_ctl_nnp(false)?;
    for number in FIRST_NEWER..END {
        filter.add_rule(ScmpAction::Errno(ENOSYS), ScmpSyscall::from_raw_syscall(number))?;
    }
    for (call, argument, bit) in FLAGS {
        let mut conditions = vec![ScmpArgCompare::new(argument, ScmpCompareOp::MaskedEqual(bit), bit)];
        if call == "fcntl" {
            conditions.push(ScmpArgCompare::new(1, ScmpCompareOp::Equal, F_ADD_SEALS));
        }
        filter.add_rule_conditional(ScmpAction::Errno(EINVAL), ScmpSyscall::from_name(call)?, &conditions)?;
    }
    filter.load()?;
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("usage: older-kernel COMMAND…")?;
    Err(Command::new(program).args(words).exec().into())
}
