//! The process, hooks and the filter.

use serde_json::{Value, json};

use super::*;

#[test]
fn environment_variables_have_a_name_and_no_zero_byte() {
    let env = |variable: &str| json!({"process": {"env": ["A=b", variable]}});
    check(&[
        (env("X="), None),
        (env("X=a=b"), None),
        (env("X"), Some("invalid environment variable: missing '=' [/process/env/1]")),
        (env("=x"), Some("invalid environment variable: name cannot be empty [/process/env/1]")),
        (env("X=\0"), Some("invalid environment variable \"X\": contains nul byte (\\x00) [/process/env/1]")),
    ]);
}

#[test]
fn the_number_that_means_no_id_is_refused() {
    let max = u32::MAX;
    check(&[
        (json!({"process": {"user": {"uid": 4294967294_u32, "gid": 4294967294_u32}}}), None),
        (json!({"process": {"user": {"uid": max}}}), Some("4294967295 is not a user id [/process/user/uid]")),
        (
            json!({"process": {"user": {"gid": max}}}),
            Some("4294967295 is not a group id [/process/user/gid]"),
        ),
        (
            json!({"process": {"user": {"additionalGids": [1, max]}}}),
            Some("4294967295 is not a group id [/process/user/additionalGids/1]"),
        ),
        (
            json!({"process": {"user": {"umask": 512}}}),
            Some("umask is larger than 511 (octal 777) [/process/user/umask]"),
        ),
        (
            json!({"linux": {"devices": [{"path": "/dev/x", "type": "p", "uid": max}]}}),
            Some("4294967295 is not an id [/linux/devices/0/uid]"),
        ),
    ]);
}

#[test]
fn limits_of_the_process_have_their_ranges() {
    let limit = |soft: u64, hard: u64| json!({"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard});
    let scheduler = |scheduler: Value| json!({"process": {"scheduler": scheduler}});
    check(&[
        (json!({"process": {"rlimits": [limit(1, 2)]}}), None),
        (
            json!({"process": {"rlimits": [limit(1, 2), limit(1, 2)]}}),
            Some("duplicated rlimit \"RLIMIT_NOFILE\" [/process/rlimits/1]"),
        ),
        (
            json!({"process": {"rlimits": [limit(3, 2)]}}),
            Some("soft limit 3 of RLIMIT_NOFILE is above its hard limit 2 [/process/rlimits/0]"),
        ),
        (json!({"process": {"oomScoreAdj": -1000}}), None),
        (
            json!({"process": {"oomScoreAdj": 1001}}),
            Some("oomScoreAdj 1001 is not between -1000 and 1000 [/process/oomScoreAdj]"),
        ),
        (scheduler(json!({"policy": "SCHED_BATCH", "nice": 19, "priority": 0})), None),
        (
            scheduler(json!({"policy": "SCHED_OTHER", "nice": 20})),
            Some("invalid scheduler.nice: 20 when scheduler.policy is SCHED_OTHER [/process/scheduler/nice]"),
        ),
        (
            scheduler(json!({"policy": "SCHED_OTHER", "priority": 1})),
            Some(
                "scheduler.priority can only be specified for SchedFIFO or SchedRR policy \
                 [/process/scheduler/priority]",
            ),
        ),
        (
            scheduler(json!({"policy": "SCHED_FIFO", "runtime": 1})),
            Some(
                "scheduler runtime/deadline/period can only be specified for SchedDeadline policy \
                 [/process/scheduler]",
            ),
        ),
        (json!({"process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 7}}}), None),
        (
            json!({"process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}}),
            Some("invalid ioPriority.Priority: 8 [/process/ioPriority/priority]"),
        ),
    ]);
}

#[test]
fn memory_policies_have_the_nodes_they_need() {
    let policy = |mode: &str, nodes: &str| json!({"linux": {"memoryPolicy": {"mode": mode, "nodes": nodes}}});
    let at = "[/linux/memoryPolicy/nodes]";
    check(&[
        (policy("MPOL_BIND", "0, 1,"), None),
        (policy("MPOL_PREFERRED", ""), None),
        (policy("MPOL_LOCAL", "0-1"), Some(&format!("memory policy mode requires 0 nodes but got 2 {at}"))),
        (
            policy("MPOL_BIND", ""),
            Some(&format!("memory policy mode requires at least one node but got 0 {at}")),
        ),
        (policy("MPOL_BIND", "x"), Some(&format!("invalid memory policy nodes \"x\" {at}"))),
    ]);
}

#[test]
fn a_size_counts_only_with_a_terminal() {
    let size = |terminal: bool| json!({"process": {"terminal": terminal, "consoleSize": {"height": 70000, "width": 80}}});
    let text = "console height 70000 is too large [/process/consoleSize/height]";
    check(&[(size(false), None), (size(true), Some(text))]);
}

#[test]
fn a_label_needs_its_security_module() {
    let patch = json!({"process": {"selinuxLabel": "a", "apparmorProfile": "b"}});
    let selinux = "selinux label is specified in config, but selinux is disabled or not supported \
                   [/process/selinuxLabel]";
    let apparmor = "apparmor: config provided but apparmor not supported [/process/apparmorProfile]";
    assert_eq!(found(&patch, Situation::default(), &HOST), [selinux, apparmor]);
    let host = Host { selinux: || true, apparmor: || true, ..HOST };
    assert!(found(&patch, Situation::default(), &host).is_empty());
    check(&[(json!({"process": {"selinuxLabel": "", "apparmorProfile": ""}}), None)]);
}

#[test]
fn hooks_have_an_absolute_path_and_time() {
    for (kind, _) in crate::bundle::hooks::KINDS {
        let hook = |hook: Value| json!({"hooks": {*kind: [{"path": "/bin/true", "timeout": 1}, hook]}});
        let path = format!("hook path \"true\" is not absolute [/hooks/{kind}/1/path]");
        let time = format!("hook timeout must be greater than zero [/hooks/{kind}/1/timeout]");
        check(&[
            (hook(json!({"path": "/bin/true"})), None),
            (hook(json!({"path": "true"})), Some(&path)),
            (hook(json!({"path": "/bin/true", "timeout": 0})), Some(&time)),
            (hook(json!({"path": "/bin/true", "timeout": -1})), Some(&time)),
        ]);
    }
}

#[test]
fn seccomp_profiles_are_possible() {
    let profile = |change: Value| {
        let mut profile = json!({"defaultAction": "SCMP_ACT_ALLOW"});
        merge(&mut profile, &change);
        json!({"linux": {"seccomp": profile}})
    };
    let rule = |change: Value| {
        let mut rule = json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"});
        merge(&mut rule, &change);
        profile(json!({"syscalls": [rule]}))
    };
    let at = "/linux/seccomp";
    check(&[
        (rule(json!({"errnoRet": 38})), None),
        (rule(json!({"action": "SCMP_ACT_TRACE", "errnoRet": 65535})), None),
        (
            rule(json!({"names": []})),
            Some(&format!("a seccomp rule needs at least one system call [{at}/syscalls/0/names]")),
        ),
        (
            rule(json!({"names": [""]})),
            Some(&format!("empty string is not a valid syscall [{at}/syscalls/0/names/0]")),
        ),
        (
            rule(json!({"action": "SCMP_ACT_ALLOW", "errnoRet": 1})),
            Some(&format!("SCMP_ACT_ALLOW does not support errnoRet [{at}/syscalls/0/errnoRet]")),
        ),
        (
            rule(json!({"errnoRet": 4096})),
            Some(&format!("errnoRet 4096 is above 4095 [{at}/syscalls/0/errnoRet]")),
        ),
        (
            rule(json!({"args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]})),
            Some(&format!("system calls have no argument 6 [{at}/syscalls/0/args/0/index]")),
        ),
        (
            profile(json!({"defaultErrnoRet": 1})),
            Some(&format!("SCMP_ACT_ALLOW does not support errnoRet [{at}/defaultErrnoRet]")),
        ),
        (
            profile(json!({"defaultAction": "SCMP_ACT_NOTIFY"})),
            Some(&format!("SCMP_ACT_NOTIFY cannot be used as default action [{at}/defaultAction]")),
        ),
        (
            rule(json!({"action": "SCMP_ACT_NOTIFY"})),
            Some(&format!("seccomp listenerPath is not set [{at}/listenerPath]")),
        ),
        (
            profile(
                json!({"listenerPath": "/s", "syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]}),
            ),
            Some(&format!("SCMP_ACT_NOTIFY cannot be used for the write syscall [{at}/syscalls/0/names/0]")),
        ),
        (
            profile(json!({"listenerMetadata": "x"})),
            Some(&format!("listenerMetadata needs a listenerPath [{at}/listenerMetadata]")),
        ),
    ]);
}

#[test]
fn a_process_of_its_own_is_checked_alone() {
    let parsed: oci_spec::runtime::Process =
        serde_json::from_value(json!({"cwd": "x", "user": {}, "args": ["a"]})).unwrap();
    let error = crate::bundle::validate::process(&parsed, "").unwrap_err();
    assert_eq!(error.pointer(), Some("/cwd"));
}
