//! The compiled program is run here by a small interpreter, on what the kernel would give it.

use super::interpreter::{ALLOW, ERRNO, I386, KILL_PROCESS, KILL_THREAD, X86_64, answer};
use super::*;
use serde_json::json;

// Of x86-64.
const READ: u32 = 0;
const MKDIR: u32 = 83;
const PERSONALITY: u32 = 135;
const CLONE: u32 = 56;

fn profile(json: serde_json::Value) -> LinuxSeccomp {
    serde_json::from_value(json).unwrap()
}

#[test]
fn rules_answer_and_the_rest_gets_the_default() {
    let filter = compile(&profile(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100},
            {"names": ["clone"], "action": "SCMP_ACT_KILL_PROCESS"},
        ],
    })))
    .unwrap();
    assert_eq!(answer(&filter, X86_64, READ, &[]), ALLOW);
    assert_eq!(answer(&filter, X86_64, MKDIR, &[]), ERRNO | 100);
    assert_eq!(answer(&filter, X86_64, CLONE, &[]), KILL_PROCESS);
    assert_eq!(answer(&filter, X86_64, PERSONALITY, &[]), ERRNO | 38);
    assert_eq!(answer(&filter, I386, READ, &[]), KILL_THREAD, "an architecture not in the profile");
}

#[test]
fn every_action_has_its_number() {
    let cases = [
        ("SCMP_ACT_KILL", None, KILL_THREAD),
        ("SCMP_ACT_KILL_THREAD", None, KILL_THREAD),
        ("SCMP_ACT_KILL_PROCESS", None, KILL_PROCESS),
        ("SCMP_ACT_TRAP", None, 0x0003_0000),
        ("SCMP_ACT_ERRNO", None, ERRNO | 1),
        ("SCMP_ACT_ERRNO", Some(22), ERRNO | 22),
        ("SCMP_ACT_TRACE", None, 0x7ff0_0001),
        ("SCMP_ACT_TRACE", Some(7), 0x7ff0_0007),
        ("SCMP_ACT_LOG", None, 0x7ffc_0000),
        ("SCMP_ACT_NOTIFY", None, 0x7fc0_0000),
    ];
    for (action, errno, expected) in cases {
        let mut rule = json!({"names": ["mkdir"], "action": action});
        if let Some(errno) = errno {
            rule["errnoRet"] = json!(errno);
        }
        let filter =
            compile(&profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))).unwrap();
        assert_eq!(answer(&filter, X86_64, MKDIR, &[]), expected, "{action} {errno:?}");
        assert_eq!(answer(&filter, X86_64, READ, &[]), ALLOW, "{action}");
    }
}

#[test]
fn every_operator_compares_64_bits() {
    let big = 1_u64 << 40;
    let cases = [
        ("SCMP_CMP_EQ", big, 0, vec![(big, true), (0, false), (big + 1, false)]),
        ("SCMP_CMP_NE", big, 0, vec![(big, false), (0, true)]),
        ("SCMP_CMP_LT", big, 0, vec![(big - 1, true), (big, false)]),
        ("SCMP_CMP_LE", big, 0, vec![(big, true), (big + 1, false)]),
        ("SCMP_CMP_GT", big, 0, vec![(big + 1, true), (big, false)]),
        ("SCMP_CMP_GE", big, 0, vec![(big, true), (big - 1, false)]),
        (
            "SCMP_CMP_MASKED_EQ",
            0x7e02_0000,
            0x2_0000,
            vec![(0x2_0011, true), (0x1000_0000, false), (0, false)],
        ),
    ];
    for (operator, value, second, calls) in cases {
        let args = json!([{"index": 1, "value": value, "valueTwo": second, "op": operator}]);
        let rule = json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": args});
        let filter =
            compile(&profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))).unwrap();
        for (argument, matches) in calls {
            let expected = if matches { ERRNO | 1 } else { ALLOW };
            assert_eq!(answer(&filter, X86_64, MKDIR, &[0, argument]), expected, "{operator} {argument:#x}");
        }
    }
}

#[test]
fn conditions_on_different_arguments_hold_together_and_on_the_same_one_each_alone() {
    let rule = |args: serde_json::Value| {
        let rule = json!({"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": args});
        compile(&profile(json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}))).unwrap()
    };
    let both = rule(json!([
        {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]));
    assert_eq!(answer(&both, X86_64, PERSONALITY, &[1, 2]), ALLOW);
    assert_eq!(answer(&both, X86_64, PERSONALITY, &[1, 3]), ERRNO | 1);
    let either = rule(json!([
        {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]));
    assert_eq!(answer(&either, X86_64, PERSONALITY, &[1]), ALLOW);
    assert_eq!(answer(&either, X86_64, PERSONALITY, &[8]), ALLOW);
    assert_eq!(answer(&either, X86_64, PERSONALITY, &[2]), ERRNO | 1);
}

#[test]
fn architectures_of_the_profile_are_filtered_by_their_own_numbers() {
    let filter = compile(&profile(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}],
    })))
    .unwrap();
    let mkdir_i386 = 39;
    assert_eq!(answer(&filter, I386, mkdir_i386, &[]), ERRNO | 1);
    assert_eq!(answer(&filter, I386, MKDIR, &[]), ALLOW);
    assert_eq!(answer(&filter, X86_64, MKDIR, &[]), ERRNO | 1);
    assert_eq!(answer(&filter, X86_64, 0x4000_0000 | MKDIR, &[]), ERRNO | 1, "x32");
}

#[test]
fn the_architectures_that_features_tells_are_those_that_compile() {
    let told = words::architectures();
    for name in ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64"] {
        assert!(told.contains(&name), "{name}");
    }
    for (name, ..) in words::ARCHITECTURES {
        let result = compile(&profile(json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": [name],
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]})));
        assert_eq!(result.is_ok(), told.contains(name), "{name}");
    }
}

#[test]
fn a_call_that_is_unknown_is_refused_where_that_is_asked_for() {
    let of = |names: serde_json::Value| {
        profile(json!({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO"}, {"names": names, "action": "SCMP_ACT_ERRNO"}]}))
    };
    assert!(refuse_unknown(&of(json!(["mkdir", "write"]))).is_ok());
    let error = refuse_unknown(&of(json!(["mkdir", "no_such_call"]))).unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/seccomp/syscalls/1"));
    assert!(error.to_string().contains("\"no_such_call\""), "{error}");
}

#[test]
fn unknown_system_calls_and_rules_that_say_the_default_are_skipped() {
    let filter = compile(&profile(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["no_such_call", "mkdir"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        ],
    })))
    .unwrap();
    assert_eq!(answer(&filter, X86_64, MKDIR, &[]), ERRNO | 1);
    assert_eq!(answer(&filter, X86_64, READ, &[]), ALLOW);
}

#[test]
fn a_long_profile_becomes_a_tree_that_says_the_same() {
    let names: Vec<String> = (0..300)
        .filter_map(|number| ScmpSyscall::from_raw_syscall(number).get_name().ok())
        .filter(|name| name != "mkdir")
        .collect();
    assert!(names.len() > 200);
    let filter = compile(&profile(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]})))
    .unwrap();
    assert_eq!(answer(&filter, X86_64, READ, &[]), ALLOW);
    assert_eq!(answer(&filter, X86_64, CLONE, &[]), ALLOW);
    assert_eq!(answer(&filter, X86_64, MKDIR, &[]), ERRNO | 1);
}

#[test]
fn flags_are_the_profiles_and_spec_allow_if_it_names_none() {
    let of = |flags: serde_json::Value, action: &str| {
        let mut json =
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": action}]});
        if !flags.is_null() {
            json["flags"] = flags;
        }
        compile(&profile(json)).unwrap().flags
    };
    let errno = "SCMP_ACT_ERRNO";
    assert_eq!(of(json!(null), errno), flag::SPEC_ALLOW);
    assert_eq!(of(json!([]), errno), 0);
    assert_eq!(of(json!(["SECCOMP_FILTER_FLAG_TSYNC"]), errno), 0);
    let all = json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]);
    assert_eq!(of(all, errno), flag::LOG | flag::SPEC_ALLOW);
    let wait = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    assert_eq!(of(wait, "SCMP_ACT_NOTIFY"), flag::WAIT_KILLABLE_RECV | flag::NEW_LISTENER);
}

#[test]
fn of_contradicting_rules_the_first_stands() {
    let filter = compile(&profile(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["mkdir"], "action": "SCMP_ACT_KILL"},
        ],
    })))
    .unwrap();
    assert_eq!(answer(&filter, X86_64, MKDIR, &[]), ERRNO | 1);
}

#[test]
fn a_rule_that_cannot_be_compiled_is_refused_at_its_place() {
    let args = json!([{"index": 7, "value": 0, "op": "SCMP_CMP_EQ"}]);
    let error = compile(&profile(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": args},
        ],
    })))
    .unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/seccomp/syscalls/1"), "{error}");
    assert!(error.to_string().contains("rule for system call \"mkdir\""), "{error}");
}

const ENOSYS: u32 = ERRNO | 38;
const X32_BIT: u32 = 0x4000_0000;
// Newer than anything below.
const FUTEX_WAITV: u32 = 449;

fn denying(architectures: &[&str]) -> Filter {
    let rules = json!([{"names": ["read", "mkdir", "clone"], "action": "SCMP_ACT_ALLOW"}]);
    let json = json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": architectures, "syscalls": rules});
    compile(&profile(json)).unwrap()
}

#[test]
fn a_call_newer_than_the_profile_does_not_exist_and_an_older_one_is_forbidden() {
    for architectures in
        [&[][..], &["SCMP_ARCH_X86_64"], &["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"]]
    {
        let filter = denying(architectures);
        for (number, expected) in [
            (READ, ALLOW),
            (MKDIR, ALLOW),
            (MKDIR - 1, ERRNO | 1),
            (MKDIR + 1, ENOSYS),
            (PERSONALITY, ENOSYS),
            (FUTEX_WAITV, ENOSYS),
            (!X32_BIT, ENOSYS),
        ] {
            assert_eq!(answer(&filter, X86_64, number, &[]), expected, "{architectures:?} {number}");
        }
    }
}

#[test]
fn each_architecture_has_a_newest_call_of_its_own() {
    let filter = denying(&["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    // i386: clone is 120.
    assert_eq!(answer(&filter, I386, 120, &[]), ALLOW);
    assert_eq!(answer(&filter, I386, 119, &[]), ERRNO | 1);
    assert_eq!(answer(&filter, I386, 121, &[]), ENOSYS);
    assert_eq!(answer(&filter, X86_64, X32_BIT | MKDIR, &[]), ALLOW);
    assert_eq!(answer(&filter, X86_64, X32_BIT | (MKDIR - 1), &[]), ERRNO | 1);
    assert_eq!(answer(&filter, X86_64, X32_BIT | 400, &[]), ENOSYS);
    assert_eq!(answer(&filter, 0xc000_00b7, 500, &[]), KILL_THREAD, "an architecture not in the profile");
}

#[test]
fn x32_stays_forbidden_where_the_profile_has_it_not() {
    let filter = denying(&["SCMP_ARCH_X86_64"]);
    for number in [READ, MKDIR, 400] {
        let answered = answer(&filter, X86_64, X32_BIT | number, &[]);
        assert!(answered != ALLOW && answered != ENOSYS, "{number}: {answered:#x}");
    }
}

#[test]
fn what_is_allowed_by_default_is_not_made_to_vanish() {
    for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
        let rules = json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]);
        let filter = compile(&profile(json!({"defaultAction": action, "syscalls": rules}))).unwrap();
        let answered = answer(&filter, X86_64, FUTEX_WAITV, &[]);
        assert!(answered == ALLOW || answered == 0x7ffc_0000, "{action}: {answered:#x}");
    }
}
