//! devices of v2: no files, but a program that the kernel asks at each access (BPF_PROG_TYPE_CGROUP_DEVICE).

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use oci_spec::runtime::LinuxResources;

use crate::cgroup::directory::Directory;
use crate::cgroup::policy::{Access, Kind, Policy};
use crate::cgroup::write::pointer;
use crate::linux::Result as KernelResult;
use crate::linux::bpf::{self, Assembler, Instruction, Label, Register};
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

/// The exceptions that say the same, together: by kind, by access, by major number, the minor numbers. The verifier
/// follows both ways from every branch, so what is asked once costs a fraction of what is asked for each device.
type Grouped = BTreeMap<Kind, BTreeMap<Access, BTreeMap<Option<u32>, Vec<Option<u32>>>>>;

fn grouped(policy: &Policy) -> Grouped {
    let mut groups = Grouped::new();
    for (devices, access) in &policy.exceptions {
        let majors = groups.entry(devices.kind).or_default().entry(*access).or_default();
        majors.entry(devices.major).or_default().push(devices.minor);
    }
    groups
}

/// Who matches all of an exception gets the opposite of the default.
pub fn compile(policy: &Policy) -> KernelResult<Vec<Instruction>> {
    let mut program = Assembler::new();
    if policy.exceptions.is_empty() {
        answer(&mut program, policy.allow);
        return program.finish();
    }
    program.load(Register::R2, Register::R1, CONTEXT_TYPE);
    program.copy(Register::R3, Register::R2);
    program.and(Register::R2, TYPE_MASK);
    program.shift_right(Register::R3, ACCESS_SHIFT);
    program.load(Register::R4, Register::R1, CONTEXT_MAJOR);
    program.load(Register::R5, Register::R1, CONTEXT_MINOR);
    let excepted = program.label();
    for (kind, accesses) in grouped(policy) {
        let next = program.label();
        program.jump_unless_equal(Register::R2, kind_bit(kind), next);
        for (access, majors) in accesses {
            except(&mut program, policy.allow, access, &majors, excepted);
        }
        program.place(next);
    }
    answer(&mut program, policy.allow);
    program.place(excepted);
    answer(&mut program, !policy.allow);
    program.finish()
}

fn except(
    program: &mut Assembler,
    allow: bool,
    access: Access,
    majors: &BTreeMap<Option<u32>, Vec<Option<u32>>>,
    excepted: Label,
) {
    let next = program.label();
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
    for (major, minors) in majors {
        let next_major = program.label();
        if let Some(major) = major {
            program.jump_unless_equal(Register::R4, *major, next_major);
        }
        // None, any minor number, comes first and leaves nothing to ask.
        for minor in minors {
            match minor {
                Some(minor) => program.jump_if_equal(Register::R5, *minor, excepted),
                None => {
                    program.jump(excepted);
                    break;
                }
            }
        }
        program.place(next_major);
        if major.is_none() && minors.contains(&None) {
            break;
        }
    }
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
    use crate::linux::bpf::testing::{is_whole, run};

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
            assert!(is_whole(&program), "{rules:?}: {program:?}");
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
    fn rules_that_cover_others_leave_no_instruction_that_is_never_reached() {
        let any = json!({"allow": true, "type": "c", "access": "rwm"});
        let any_minor = json!({"allow": true, "type": "c", "major": 1, "access": "rwm"});
        let one = json!({"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"});
        let any_to_make = json!({"allow": true, "type": "c", "access": "m"});
        let blocks = json!({"allow": true, "type": "b", "access": "rwm"});
        for rules in [
            json!([]),
            json!([any]),
            json!([one, any]),
            json!([any, one, any_minor]),
            json!([any_to_make, one, any_minor, blocks]),
            json!([one, any_minor, any_to_make]),
            json!([{"allow": true, "access": "rwm"}, {"allow": false, "type": "c", "access": "w"}]),
        ] {
            let program = compiled(rules.clone());
            assert!(is_whole(&program), "{rules}: {program:?}");
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
