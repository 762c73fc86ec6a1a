//! Doors for the fuzz targets.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};

use super::interpreter::{ALLOW, ERRNO, I386, KILL_THREAD, X86_64, answer, assert_same};
use super::{MAX_INSTRUCTIONS, action, compile, rules};

/// SECCOMP_RET_ACTION_FULL.
const ACTION: u32 = 0xffff_0000;
const ENOSYS: u32 = ERRNO | nix::libc::ENOSYS as u32;
/// Past the newest call that there is.
const CALLS: u32 = 512;

/// A profile as JSON: whatever compiles is a program that ends, and answers only what the profile names.
pub fn profile(bytes: &[u8]) {
    let Ok(profile) = serde_json::from_slice::<LinuxSeccomp>(bytes) else { return };
    let Ok(filter) = compile(&profile) else { return };
    assert!(!filter.program.is_empty() && filter.program.len() / super::bpf::INSTRUCTION <= MAX_INSTRUCTIONS);
    let named = named(&profile);
    let argument = u64::from(bytes.len() as u32);
    for architecture in [X86_64, I386, 0, u32::MAX] {
        for number in (0..CALLS).chain([0x4000_0000, 0x4000_0053, u32::MAX]) {
            for arguments in [[0; 6], [argument; 6], [u64::MAX; 6]] {
                let answered = answer(&filter, architecture, number, &arguments);
                let known = named.contains(&(answered & ACTION)) || [KILL_THREAD, ENOSYS].contains(&answered);
                assert!(known, "{answered:#x} for {number} of {architecture:#x}: {profile:?}");
            }
        }
    }
    only_what_is_allowed(&profile, &filter);
    assert_same(&super::program(&profile).unwrap(), &filter.program);
}

/// A profile that refuses by default lets through what it names and nothing else.
fn only_what_is_allowed(profile: &LinuxSeccomp, filter: &super::Filter) {
    if profile.default_action() != LinuxSeccompAction::ScmpActErrno {
        return;
    }
    for number in 0..CALLS {
        let name = libseccomp::ScmpSyscall::from(number as i32).get_name();
        let is_named = |rule: &LinuxSyscall| {
            let allows = rule.action() != LinuxSeccompAction::ScmpActErrno;
            allows && rule.names().iter().any(|named| name.as_ref().is_ok_and(|name| name == named))
        };
        let answered = answer(filter, X86_64, number, &[0; 6]);
        let lets_through = answered == ALLOW;
        assert!(!lets_through || rules(profile).iter().any(is_named), "{number} is let through: {profile:?}");
    }
}

/// The actions that the profile names, as the kernel numbers them.
fn named(profile: &LinuxSeccomp) -> Vec<u32> {
    let default = action(profile.default_action(), profile.default_errno_ret());
    let rules = rules(profile).iter().map(|rule| action(rule.action(), rule.errno_ret()));
    rules.chain([default]).flatten().map(|action| libseccomp_number(action) & ACTION).collect()
}

fn libseccomp_number(action: libseccomp::ScmpAction) -> u32 {
    use libseccomp::ScmpAction;
    match action {
        ScmpAction::KillProcess => 0x8000_0000,
        ScmpAction::Trap => 0x0003_0000,
        ScmpAction::Errno(_) => ERRNO,
        ScmpAction::Notify => 0x7fc0_0000,
        ScmpAction::Trace(_) => 0x7ff0_0000,
        ScmpAction::Log => 0x7ffc_0000,
        ScmpAction::Allow => ALLOW,
        _ => KILL_THREAD,
    }
}
