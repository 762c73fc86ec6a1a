//! The names of the specification's fields, which runc takes in any letter case: Go's JSON does. To pass
//! `"Memory": …` over as an unknown name would be to leave a limit out.

use serde_json::{Map, Value};

/// What runtime-spec 1.3 has for Linux (specs-go/config.go), in the order of bytes.
const NAMES: [&str; 148] = [
    "access",
    "action",
    "additionalGids",
    "allow",
    "ambient",
    "annotations",
    "apparmorProfile",
    "architectures",
    "args",
    "blockIO",
    "bounding",
    "burst",
    "capabilities",
    "cgroupsPath",
    "checkBeforeUpdate",
    "class",
    "classID",
    "closID",
    "consoleSize",
    "containerID",
    "cpu",
    "cpus",
    "createContainer",
    "createRuntime",
    "cwd",
    "deadline",
    "defaultAction",
    "defaultErrnoRet",
    "destination",
    "devices",
    "disableOOMKiller",
    "domain",
    "domainname",
    "effective",
    "enableMonitoring",
    "env",
    "errnoRet",
    "execCPUAffinity",
    "fileMode",
    "final",
    "flags",
    "gid",
    "gidMappings",
    "hard",
    "hcaHandles",
    "hcaObjects",
    "height",
    "hooks",
    "hostID",
    "hostname",
    "hugepageLimits",
    "idle",
    "index",
    "inheritable",
    "initial",
    "intelRdt",
    "ioPriority",
    "kernel",
    "kernelTCP",
    "l3CacheSchema",
    "leafWeight",
    "limit",
    "linux",
    "listenerMetadata",
    "listenerPath",
    "major",
    "maskedPaths",
    "memBwSchema",
    "memory",
    "memoryPolicy",
    "mems",
    "minor",
    "mode",
    "mountLabel",
    "mounts",
    "name",
    "names",
    "namespaces",
    "nanosecs",
    "netDevices",
    "network",
    "nice",
    "noNewPrivileges",
    "nodes",
    "ociVersion",
    "oomScoreAdj",
    "op",
    "options",
    "pageSize",
    "path",
    "period",
    "permitted",
    "personality",
    "pids",
    "policy",
    "poststart",
    "poststop",
    "prestart",
    "priorities",
    "priority",
    "process",
    "quota",
    "rate",
    "rdma",
    "readonly",
    "readonlyPaths",
    "realtimePeriod",
    "realtimeRuntime",
    "reservation",
    "resources",
    "rlimits",
    "root",
    "rootfsPropagation",
    "runtime",
    "scheduler",
    "schemata",
    "seccomp",
    "secs",
    "selinuxLabel",
    "shares",
    "size",
    "soft",
    "source",
    "startContainer",
    "swap",
    "swappiness",
    "syscalls",
    "sysctl",
    "terminal",
    "throttleReadBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteBpsDevice",
    "throttleWriteIOPSDevice",
    "timeOffsets",
    "timeout",
    "type",
    "uid",
    "uidMappings",
    "umask",
    "unified",
    "useHierarchy",
    "user",
    "username",
    "value",
    "valueTwo",
    "weight",
    "weightDevice",
    "width",
];

/// The fields whose members have names that are data.
const DATA: [&str; 6] = ["annotations", "netDevices", "rdma", "sysctl", "timeOffsets", "unified"];

/// Whether a text of JSON may have a member of this name, in any case and however it is escaped. May say so of one that
/// has not; never the other way round.
pub fn mentions(raw: &[u8], name: &str) -> bool {
    let Some((first, rest)) = name.as_bytes().split_first() else { return true };
    let is_here =
        |at: usize| raw[at + 1..].get(..rest.len()).is_some_and(|next| next.eq_ignore_ascii_case(rest));
    // Most bytes are not the first.
    let is_there =
        || raw.iter().enumerate().any(|(at, byte)| byte.eq_ignore_ascii_case(first) && is_here(at));
    raw.contains(&b'\\') || is_there()
}

/// Whether a member's name, as it is written, may be one of the specification's in another case.
pub(super) fn is_in_doubt(name: &[u8]) -> bool {
    // Escapes can spell anything.
    name.contains(&b'\\')
        || (NAMES.binary_search_by(|known| known.as_bytes().cmp(name)).is_err()
            && NAMES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)))
}

/// Gives every name the specification's spelling. Of two spellings both are taken, the later one over the
/// earlier.
pub fn fold(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, mut member) in std::mem::take(members) {
                let name = known(&name).map_or(name, str::to_owned);
                match member.as_object_mut() {
                    Some(data) if DATA.contains(&name.as_str()) => data.values_mut().for_each(fold),
                    _ => fold(&mut member),
                }
                put(members, name, member);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(fold),
        _ => {}
    }
}

fn known(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

fn put(members: &mut Map<String, Value>, name: String, member: Value) {
    match (members.get_mut(&name), member) {
        (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
        (_, member) => drop(members.insert(name, member)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn folded(mut value: Value) -> Value {
        fold(&mut value);
        value
    }

    #[test]
    fn names_are_taken_in_any_case_but_those_that_are_data() {
        let found = folded(
            json!({"CPU": {"Cpus": "1", "REALTIMEPERIOD": 5}, "Linux": {"RootfsPropagation": "slave"},
            "Annotations": {"Path": "x"}, "sysctl": {"Kernel": "1"}, "unified": {"Memory": "1"},
            "Rdma": {"Name": {"HcaHandles": 3}}, "mounts": [{"Type": "bind"}], "Unknown": {"LIMIT": 1}}),
        );
        let expected = json!({"cpu": {"cpus": "1", "realtimePeriod": 5}, "linux": {"rootfsPropagation": "slave"},
            "annotations": {"Path": "x"}, "sysctl": {"Kernel": "1"}, "unified": {"Memory": "1"},
            "rdma": {"Name": {"hcaHandles": 3}}, "mounts": [{"type": "bind"}], "Unknown": {"limit": 1}});
        assert_eq!(found, expected);
    }

    #[test]
    fn two_spellings_are_both_taken() {
        let found = folded(json!({"Memory": {"Limit": 5, "swap": 6}, "memory": {"limit": 7}}));
        assert_eq!(found, json!({"memory": {"limit": 7, "swap": 6}}));
    }

    #[test]
    fn a_text_mentions_what_it_may_have_as_a_member() {
        for (text, expected) in [
            (r#"{"hooks": {"poststop": []}}"#, true),
            (r#"{"hooks": {"PostStop": []}}"#, true),
            (r#"{"hooks": {"post\u0073top": []}}"#, true),
            (r#"{"hooks": {"poststart": []}}"#, false),
            (r#"{}"#, false),
            ("", false),
        ] {
            assert_eq!(mentions(text.as_bytes(), "poststop"), expected, "{text}");
        }
    }

    #[test]
    fn the_list_is_in_order_and_no_two_names_differ_by_case_alone() {
        assert!(NAMES.is_sorted());
        for pair in NAMES.map(str::to_ascii_lowercase).windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        assert!(DATA.iter().all(|name| NAMES.contains(name)));
    }

    /// What `trug spec` writes is plain to the list.
    #[test]
    fn every_name_of_the_default_config_is_known() {
        fn look(value: &Value) {
            match value {
                Value::Object(members) => members.iter().for_each(|(name, member)| {
                    assert_eq!(known(name), Some(name.as_str()));
                    look(member);
                }),
                Value::Array(elements) => elements.iter().for_each(look),
                _ => {}
            }
        }
        for rootless in [false, true] {
            let text = crate::bundle::default_spec::text(rootless);
            look(&serde_json::from_str(&text).expect("a config"));
        }
    }
}
