//! ENOSYS for system calls that are newer than the profile.
//!
//! libc tries a new call first and falls back on ENOSYS; EPERM, which a profile's default action usually
//! answers, breaks it. A profile cannot name what did not exist when it was written, so every number above
//! the highest that it names, by architecture, is answered ENOSYS in front of the filter.
//!
//! The highest number is the profile's own: what it leaves out below stays forbidden.

use libseccomp::{ScmpArch, ScmpSyscall};
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction};

use super::bpf::{ARCHITECTURE, Instruction, NUMBER, X32_BIT, code, encode};
use super::{arch, rules};
use crate::report::Result;

/// SECCOMP_RET_ERRNO | ENOSYS.
const ENOSYS: u32 = 0x0005_0000 | nix::libc::ENOSYS as u32;

/// The instructions that go in front of the filter; none where the profile needs none.
pub fn stub(profile: &LinuxSeccomp) -> Result<Vec<u8>> {
    if is_permissive(profile.default_action()) {
        return Ok(Vec::new());
    }
    let blocks: Vec<Vec<Instruction>> =
        families(profile)?.iter().filter(|family| family.is_known()).map(block).collect();
    if blocks.is_empty() {
        return Ok(Vec::new());
    }
    Ok(link(blocks).iter().flat_map(encode).collect())
}

/// What is let through by default is let through when it is new; a tracer deals with it as it likes.
fn is_permissive(action: LinuxSeccompAction) -> bool {
    use LinuxSeccompAction::{ScmpActAllow, ScmpActLog, ScmpActTrace};
    matches!(action, ScmpActAllow | ScmpActLog | ScmpActTrace)
}

/// The architectures that the kernel gives the same name.
struct Family {
    audit: u32,
    /// The highest number that the profile names.
    newest: Option<u32>,
    /// The same for x32.
    newest_x32: Option<u32>,
}

impl Family {
    fn is_known(&self) -> bool {
        self.newest.is_some() || self.newest_x32.is_some()
    }
}

/// The profile's architectures, and our own in any case: libseccomp adds that too.
fn families(profile: &LinuxSeccomp) -> Result<Vec<Family>> {
    let named = profile.architectures().iter().flatten().map(|named| arch(*named));
    let mut families: Vec<Family> = Vec::new();
    for architecture in named.chain([Ok(ScmpArch::native())]) {
        let architecture = architecture?;
        let (audit, newest) = (audit(architecture), newest(profile, architecture));
        let index = families.iter().position(|family| family.audit == audit).unwrap_or_else(|| {
            families.push(Family { audit, newest: None, newest_x32: None });
            families.len() - 1
        });
        match architecture {
            ScmpArch::X32 => families[index].newest_x32 = newest,
            _ => families[index].newest = newest,
        }
    }
    Ok(families)
}

/// Negative numbers are libseccomp's own, for calls that the architecture has not got.
fn newest(profile: &LinuxSeccomp, architecture: ScmpArch) -> Option<u32> {
    let names = rules(profile).iter().flat_map(|rule| rule.names());
    let numbers = names.filter_map(|name| {
        let call = ScmpSyscall::from_name_by_arch(name, architecture).ok()?;
        u32::try_from(call.as_raw_syscall()).ok().filter(|number| *number > 0)
    });
    numbers.max()
}

/// Skipped where the architecture is another; ends in a jump that `link` points behind the last block.
fn block(family: &Family) -> Vec<Instruction> {
    use code::{JUMP, JUMP_IF_ANY_BIT, JUMP_IF_EQUAL, JUMP_IF_GREATER, LOAD_WORD, RETURN};
    let refuse_above = |newest: u32| [(JUMP_IF_GREATER, 0, 1, newest), (RETURN, 0, 0, ENOSYS)];
    let out = (JUMP, 0, 0, 0);

    let mut body = vec![(LOAD_WORD, 0, 0, NUMBER)];
    if is_s390(family.audit) {
        // Numbers that this kernel does not know arrive there as 0, a call that nobody makes any more.
        body.extend([(JUMP_IF_EQUAL, 0, 1, 0), (RETURN, 0, 0, ENOSYS)]);
    }
    match (family.newest, family.newest_x32) {
        (Some(newest), Some(x32)) => {
            body.extend([(JUMP_IF_ANY_BIT, 2, 0, X32_BIT)]);
            body.extend(refuse_above(newest));
            // A number with the bit passes the first comparison by, one without it the second: it is lower.
            body.extend(refuse_above(x32));
        }
        (Some(newest), None) if family.audit == AUDIT_X86_64 => {
            body.extend([(JUMP_IF_ANY_BIT, 2, 0, X32_BIT)]);
            body.extend(refuse_above(newest));
        }
        (Some(newest), None) => body.extend(refuse_above(newest)),
        (None, Some(x32)) => {
            body.extend([(JUMP_IF_ANY_BIT, 0, 2, X32_BIT)]);
            body.extend(refuse_above(x32));
        }
        (None, None) => {}
    }
    body.push(out);
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [vec![(JUMP_IF_EQUAL, 0, length, family.audit)], body].concat()
}

/// Loads the architecture, and joins the blocks: each ends behind the last, where the filter begins.
fn link(blocks: Vec<Vec<Instruction>>) -> Vec<Instruction> {
    let mut left: usize = blocks.iter().map(Vec::len).sum();
    let mut program = vec![(code::LOAD_WORD, 0, 0, ARCHITECTURE)];
    for mut block in blocks {
        left -= block.len();
        if let Some(last) = block.last_mut() {
            last.3 = left as u32;
        }
        program.extend(block);
    }
    program
}

fn is_s390(audit: u32) -> bool {
    audit == 0x16 || audit == 0x8000_0016
}

const AUDIT_X86_64: u32 = 0xc000_003e;

/// AUDIT_ARCH_* (linux/audit.h): the ELF machine, with bits for 64 bits and little endian.
fn audit(arch: ScmpArch) -> u32 {
    match arch {
        ScmpArch::Native => audit(ScmpArch::native()),
        ScmpArch::X86 => 0x4000_0003,
        ScmpArch::X8664 | ScmpArch::X32 => AUDIT_X86_64,
        ScmpArch::Arm => 0x4000_0028,
        ScmpArch::Aarch64 => 0xc000_00b7,
        ScmpArch::Mips => 0x0000_0008,
        ScmpArch::Mips64 => 0x8000_0008,
        ScmpArch::Mips64N32 => 0xa000_0008,
        ScmpArch::Mipsel => 0x4000_0008,
        ScmpArch::Mipsel64 => 0xc000_0008,
        ScmpArch::Mipsel64N32 => 0xe000_0008,
        ScmpArch::Ppc => 0x0000_0014,
        ScmpArch::Ppc64 => 0x8000_0015,
        ScmpArch::Ppc64Le => 0xc000_0015,
        ScmpArch::S390 => 0x0000_0016,
        ScmpArch::S390X => 0x8000_0016,
        ScmpArch::Parisc => 0x0000_000f,
        ScmpArch::Parisc64 => 0x8000_000f,
        ScmpArch::Riscv64 => 0xc000_00f3,
        ScmpArch::Loongarch64 => 0xc000_0102,
        ScmpArch::M68k => 0x0000_0004,
        ScmpArch::Sh => 0x4000_002a,
        ScmpArch::Sheb => 0x0000_002a,
        // libseccomp adds architectures; what it does not know of yet no profile can name.
        _ => 0,
    }
}
