//! devices of v2: no files, but a program that the kernel asks at each access (BPF_PROG_TYPE_CGROUP_DEVICE).

use std::os::fd::AsFd;

use oci_spec::runtime::LinuxResources;

use crate::cgroup::directory::Directory;
use crate::cgroup::policy::{Access, Devices, Kind, Policy};
use crate::cgroup::write::pointer;
use crate::linux::Result as KernelResult;
use crate::linux::bpf::{self, Assembler, Instruction, Register};
use crate::report::{Code, Context, Result};

/// struct bpf_cgroup_dev_ctx (uapi/linux/bpf.h): offsets, and what is in its first word.
const CONTEXT_TYPE: i16 = 0;
const CONTEXT_MAJOR: i16 = 4;
const CONTEXT_MINOR: i16 = 8;
const TYPE_MASK: u32 = 0xffff;
const ACCESS_SHIFT: u32 = 16;

/// Replaces the cgroup's device rules, in one go.
///
/// # Errors
/// Malformed rules, and what bpf(2) answers.
pub fn set(directory: &Directory, resources: &LinuxResources) -> Result<()> {
    let Some(rules) = resources.devices() else { return Ok(()) };
    let policy = Policy::of(rules)?;
    let doing = |what: &str| format!("{what} the device filter of cgroup {:?}", directory.path());
    let unfiltered =
        || bpf::has_device_filter(directory.as_fd()).map(|has| !has).with_context(|| doing("query"));
    if policy == Policy::all(true) && unfiltered().code(Code::Cgroup).at(pointer("devices"))? {
        return Ok(());
    }
    let loaded =
        compile(&policy).and_then(|program| bpf::load_device_filter(&program)).with_context(|| doing("load"));
    let program = loaded.code(Code::Cgroup).at(pointer("devices"))?;
    bpf::replace_device_filter(directory.as_fd(), program.as_fd())
        .with_context(|| doing("attach"))
        .code(Code::Cgroup)
        .at(pointer("devices"))
}

/// One block an exception: who matches all of it gets the opposite of the default.
pub fn compile(policy: &Policy) -> KernelResult<Vec<Instruction>> {
    let mut program = Assembler::new();
    program.load(Register::R2, Register::R1, CONTEXT_TYPE);
    program.copy(Register::R3, Register::R2);
    program.and(Register::R2, TYPE_MASK);
    program.shift_right(Register::R3, ACCESS_SHIFT);
    program.load(Register::R4, Register::R1, CONTEXT_MAJOR);
    program.load(Register::R5, Register::R1, CONTEXT_MINOR);
    for (devices, access) in &policy.exceptions {
        except(&mut program, policy.allow, devices, *access);
    }
    answer(&mut program, policy.allow);
    program.finish()
}

fn except(program: &mut Assembler, allow: bool, devices: &Devices, access: Access) {
    let next = program.label();
    program.jump_unless_equal(Register::R2, kind_bit(devices.kind), next);
    if !access.is_all() {
        program.copy(Register::R1, Register::R3);
        program.and(Register::R1, access_bits(access));
        match allow {
            // An exception that denies one kind of access denies all that ask for it among others: no O_RDWR
            // where w is denied.
            true => program.jump_if_equal(Register::R1, 0, next),
            // One that allows does so only if it allows all that is asked for.
            false => program.jump_unless_same(Register::R1, Register::R3, next),
        }
    }
    if let Some(major) = devices.major {
        program.jump_unless_equal(Register::R4, major, next);
    }
    if let Some(minor) = devices.minor {
        program.jump_unless_equal(Register::R5, minor, next);
    }
    answer(program, !allow);
    program.place(next);
}

fn answer(program: &mut Assembler, allow: bool) {
    program.set(Register::R0, u32::from(allow));
    program.exit();
}

/// BPF_DEVCG_DEV_*
fn kind_bit(kind: Kind) -> u32 {
    match kind {
        Kind::Block => 1,
        Kind::Char => 2,
    }
}

/// BPF_DEVCG_ACC_*
fn access_bits(access: Access) -> u32 {
    let bits = [(Access::M, 1), (Access::R, 2), (Access::W, 4)];
    bits.iter().filter(|(bit, _)| access.contains(*bit)).map(|(_, value)| value).sum()
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::LinuxDeviceCgroup;
    use serde_json::json;

    use super::*;
    use crate::cgroup::policy::testing::{Random, allowed_by_rules, requests};
    use crate::linux::bpf::testing::run;

    fn allows(program: &[Instruction], kind: Kind, major: u32, minor: u32, access: Access) -> bool {
        run(program, [kind_bit(kind) | access_bits(access) << ACCESS_SHIFT, major, minor]) == 1
    }

    fn compiled(rules: serde_json::Value) -> Vec<Instruction> {
        let rules: Vec<LinuxDeviceCgroup> = serde_json::from_value(rules).expect("rules");
        compile(&Policy::of(&rules).unwrap()).unwrap()
    }

    #[test]
    fn the_program_says_what_the_rules_say() {
        let mut random = Random(0xb9f);
        for _ in 0..2000 {
            let rules = random.rules();
            let Ok(policy) = Policy::of(&rules) else { continue };
            let program = compile(&policy).unwrap();
            for (kind, major, minor, access) in requests() {
                let expected = allowed_by_rules(&rules, kind, major, minor, access);
                assert_eq!(
                    allows(&program, kind, major, minor, access),
                    expected,
                    "{kind:?} {major}:{minor} {access} by {rules:?}"
                );
            }
        }
    }

    #[test]
    fn to_read_and_write_takes_permission_for_both() {
        let both = Access::R | Access::W;
        let allowing = compiled(json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"}]));
        assert!(allows(&allowing, Kind::Char, 1, 3, Access::R));
        assert!(!allows(&allowing, Kind::Char, 1, 3, both));
        let denying = compiled(json!([{"allow": true, "access": "rwm"},
                   {"allow": false, "type": "c", "major": 1, "minor": 3, "access": "w"}]));
        assert!(allows(&denying, Kind::Char, 1, 3, Access::R));
        assert!(!allows(&denying, Kind::Char, 1, 3, both));
    }

    #[test]
    fn numbers_beyond_31_bits_are_compared_whole() {
        let major = 0x8000_0001_u32;
        let program = compiled(
            json!([{"allow": true, "type": "b", "major": major, "minor": 0xffff_fffe_u32, "access": "rwm"}]),
        );
        assert!(allows(&program, Kind::Block, major, 0xffff_fffe, Access::M));
        assert!(!allows(&program, Kind::Block, 1, 0xffff_fffe, Access::M));
        assert!(!allows(&program, Kind::Char, major, 0xffff_fffe, Access::M));
    }
}
