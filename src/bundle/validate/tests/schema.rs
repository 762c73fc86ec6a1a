//! The specification's JSON schema and its documents, compared with what we say.

use std::fs;

use super::*;
use crate::bundle::oracle::{self, Oracle};

const ALL: Host = Host {
    selinux: || true,
    apparmor: || true,
    unified_cgroups: || true,
    resctrl: || ResctrlFacts { mounted: true, cache: true, bandwidth: true },
};

/// What the schema refuses and runc, and so we, accept: that a member is missing, or is an empty object. Each was tried with
/// runc 1.5.1 in a config that both else run: each runs there, or fails with the same answer of the kernel to the same write.
const FORGIVEN: [(&str, &[&str], &str); 13] = [
    ("/linux/uidMappings/0", &["containerID", "hostID"], ZERO),
    ("/linux/gidMappings/0", &["containerID", "hostID"], ZERO),
    ("/mounts/0/uidMappings/0", &["containerID", "hostID"], ZERO),
    ("/mounts/0/gidMappings/0", &["containerID", "hostID"], ZERO),
    ("/process/rlimits/0", &["soft"], ZERO),
    ("/process/consoleSize", &["height", "width", ""], "a size with a zero is none"),
    ("/linux/seccomp/syscalls/0/args/0", &["index", "value"], ZERO),
    ("/linux/seccomp", &[""], "without an action and rules there is no filter"),
    ("/linux/resources/devices/0", &["allow"], "what does not say that it allows denies"),
    ("/linux/resources/pids", &["limit", ""], "no limit is given"),
    // runc, which sets no limit of the unified tree beside v1, finds no controller for it here.
    ("/linux/resources/hugepageLimits/0", &["limit"], ZERO),
    ("/linux/resources/network/priorities/0", &["name", "priority", ""], ZERO),
    ("/linux/resources/blockIO/weightDevice/0", &["major", "minor"], ZERO),
];
const THROTTLES: [&str; 4] =
    ["throttleReadBpsDevice", "throttleReadIOPSDevice", "throttleWriteBpsDevice", "throttleWriteIOPSDevice"];
const ZERO: &str = "a number that is missing is 0";

/// `member`: the one that is missing; "" where all are.
fn is_forgiven(object: &str, member: &str) -> bool {
    let is_throttle = THROTTLES.iter().any(|name| object == format!("/linux/resources/blockIO/{name}/0"));
    is_throttle && ["major", "minor", ""].contains(&member)
        || FORGIVEN.iter().any(|(place, members, _)| *place == object && members.contains(&member))
}

/// A config in which everything that the spec has for Linux is said.
pub(super) fn everything() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "a",
        "domainname": "b",
        "annotations": {"c": "d"},
        "mounts": [{
            "destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=64k"],
            "uidMappings": [{"containerID": 0, "hostID": 5, "size": 6}],
            "gidMappings": [{"containerID": 0, "hostID": 5, "size": 6}]
        }],
        "hooks": {
            "prestart": [{"path": "/bin/true"}],
            "createRuntime": [{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}],
            "createContainer": [{"path": "/bin/true"}],
            "startContainer": [{"path": "/bin/true"}],
            "poststart": [{"path": "/bin/true"}],
            "poststop": [{"path": "/bin/true"}]
        },
        "process": {
            "terminal": true,
            "consoleSize": {"height": 5, "width": 6},
            "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [3]},
            "args": ["sh"],
            "env": ["A=b"],
            "cwd": "/",
            "capabilities": {
                "bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"],
                "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]
            },
            "rlimits": [{"type": "RLIMIT_CORE", "hard": 6, "soft": 5}],
            "apparmorProfile": "p",
            "selinuxLabel": "l",
            "noNewPrivileges": true,
            "oomScoreAdj": 5,
            "scheduler": {"policy": "SCHED_OTHER", "nice": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
            "execCPUAffinity": {"initial": "0-1", "final": "0"}
        },
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                {"type": "user"}, {"type": "cgroup"}, {"type": "time"}
            ],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}],
            "timeOffsets": {"monotonic": {"secs": 5, "nanosecs": 6}, "boottime": {"secs": 7}},
            "devices": [
                {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}
            ],
            "netDevices": {"eth7": {"name": "eth0"}},
            "cgroupsPath": "/c",
            "resources": {
                "devices": [{"allow": false, "type": "c", "major": 5, "minor": 6, "access": "rwm"}],
                "memory": {
                    "limit": 536870912, "reservation": 536870912, "swap": 536870912, "swappiness": 0,
                    "disableOOMKiller": false, "useHierarchy": true, "checkBeforeUpdate": true, "kernel": 5, "kernelTCP": 5
                },
                "cpu": {
                    "shares": 1024, "quota": 1000000, "burst": 1000000, "period": 500000,
                    "realtimeRuntime": 950000, "realtimePeriod": 1000000, "cpus": "2-3", "mems": "0-7", "idle": 0
                },
                "pids": {"limit": 32771},
                "blockIO": {
                    "weight": 10, "leafWeight": 10,
                    "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
                    "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
                    "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
                    "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 600}],
                    "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 600}]
                },
                "hugepageLimits": [{"pageSize": "2MB", "limit": 5}],
                "network": {"classID": 5, "priorities": [{"name": "eth0", "priority": 500}]},
                "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
                "unified": {"memory.high": "5"}
            },
            "intelRdt": {
                "closID": "gold", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20", "schemata": ["L2:0=f"],
                "enableMonitoring": true
            },
            "memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
            "personality": {"domain": "LINUX"},
            "sysctl": {"net.core.somaxconn": "256"},
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
                "architectures": ["SCMP_ARCH_X86"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
                "listenerPath": "/run/listener", "listenerMetadata": "m",
                "syscalls": [{
                    "names": ["getcwd"], "action": "SCMP_ACT_TRACE", "errnoRet": 2,
                    "args": [{"index": 0, "value": 5, "valueTwo": 6, "op": "SCMP_CMP_EQ"}]
                }]
            },
            "rootfsPropagation": "slave",
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
            "mountLabel": "l"
        }
    })
}

/// The same, as far as a schema that may be older knows it.
fn everything_known_to(oracle: &Oracle) -> Value {
    let mut all = everything();
    if oracle.complaint(&all).is_some() {
        // Of 1.1; fields that are younger still are unknown to it, and as good as any.
        all["linux"].as_object_mut().unwrap().remove("timeOffsets");
        all["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "time");
    }
    all
}

/// Valid, and with what examples of a part lean on.
fn base() -> Value {
    let all = everything();
    let mut base = config();
    for name in ["namespaces", "uidMappings", "gidMappings"] {
        base["linux"][name] = all["linux"][name].clone();
    }
    base
}

/// Adds the namespaces that other parts of the config need: examples show a few. Their versions are from before the
/// first release.
fn complete(config: &mut Value) {
    config["ociVersion"] = json!("1.3.0");
    for wanted in everything()["linux"]["namespaces"].as_array().unwrap() {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        if !namespaces.iter().any(|namespace| namespace["type"] == wanted["type"]) {
            namespaces.push(wanted.clone());
        }
    }
}

/// Our verdict: what the loader or validation says.
fn refusal(config: &Value) -> Option<String> {
    let spec = match load::parse(config.to_string().as_bytes()) {
        Ok(spec) => spec,
        Err(error) => return Some(error.to_string()),
    };
    let found = spec_on(&spec, Situation::default(), &ALL).texts();
    (!found.is_empty()).then(|| found.join("; "))
}

/// The places of all values in a document, the outermost first.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, value)| places(value, &crate::bundle::pointer::member(at, name), all));
        }
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(index, value)| places(value, &format!("{at}/{index}"), all));
        }
        _ => {}
    }
}

#[test]
fn a_config_that_says_everything_is_valid() {
    assert_eq!(refusal(&everything()), None);
    let Some(oracle) = Oracle::of("config-schema.json") else {
        return oracle::skip("no JSON schema of the specification here (OCI_RUNTIME_SPEC)");
    };
    assert_eq!(oracle.complaint(&everything_known_to(&oracle)), None);
}

#[test]
fn what_the_schema_refuses_is_refused() {
    let Some(oracle) = Oracle::of("config-schema.json") else {
        return oracle::skip("no JSON schema of the specification here (OCI_RUNTIME_SPEC)");
    };
    let mut all = Vec::new();
    let whole = everything_known_to(&oracle);
    places(&whole, "", &mut all);
    let wrong = [json!("word"), json!(-7), json!([7]), json!({}), json!([])];
    let (mut compared, mut quarrels) = (0, Vec::new());
    for place in all.iter().skip(1) {
        for value in &wrong {
            let mut config = whole.clone();
            *config.pointer_mut(place).unwrap() = value.clone();
            let complaint = oracle.complaint(&config);
            compared += 1;
            let forgiven = *value == json!({}) && is_forgiven(place, "");
            if let Some(complaint) = complaint.filter(|_| !forgiven && refusal(&config).is_none()) {
                quarrels.push(format!("{place} = {value}: {complaint}"));
            }
        }
    }
    assert!(compared > 900, "{compared}");
    assert!(quarrels.is_empty(), "{} of {compared}:\n{}", quarrels.len(), quarrels.join("\n"));
}

#[test]
fn what_must_be_there_by_the_schema_must_be_there() {
    let Some(oracle) = Oracle::of("config-schema.json") else {
        return oracle::skip("no JSON schema of the specification here (OCI_RUNTIME_SPEC)");
    };
    let (mut all, mut quarrels) = (Vec::new(), Vec::new());
    let whole = everything_known_to(&oracle);
    places(&whole, "", &mut all);
    for place in all.iter().skip(1) {
        let mut config = whole.clone();
        let (object, name) = place.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/").replace("~0", "~");
        let Some(members) = config.pointer_mut(object).unwrap().as_object_mut() else { continue };
        members.remove(&name);
        if let Some(complaint) = oracle.complaint(&config)
            && !is_forgiven(object, &name)
            && refusal(&config).is_none()
        {
            quarrels.push(format!("without {place}: {complaint}"));
        }
    }
    assert!(quarrels.is_empty(), "{}", quarrels.join("\n"));
}

#[test]
fn unknown_fields_are_ignored_wherever_they_stand() {
    let mut all = Vec::new();
    places(&everything(), "", &mut all);
    // These have names of the caller's own as their members.
    let maps = [
        "/annotations",
        "/linux/sysctl",
        "/linux/resources/unified",
        "/linux/netDevices",
        "/linux/timeOffsets",
        "/linux/resources/rdma",
    ];
    for place in all.iter().filter(|place| !maps.contains(&place.as_str())) {
        let mut config = everything();
        let Some(members) = config.pointer_mut(place).unwrap().as_object_mut() else { continue };
        members.insert("org.example.unknown".to_owned(), json!({"a": [1, null]}));
        assert_eq!(refusal(&config), None, "{place}");
    }
}

/// The schema's own corpus.
#[test]
fn the_schemas_own_tests_agree_with_us() {
    let Some(directory) = oracle::documents() else {
        return oracle::skip("no checkout of the specification here (OCI_RUNTIME_SPEC)");
    };
    for (kind, good) in [("good", true), ("bad", false)] {
        for entry in fs::read_dir(directory.join("schema/test/config").join(kind)).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Other systems; and good in the eyes of the schema alone: nothing to run, no root.
            if name.starts_with("freebsd") || name.starts_with("zos") || name.starts_with("minimal") {
                continue;
            }
            let text = fs::read(entry.path()).unwrap();
            let Ok(config) = serde_json::from_slice::<Value>(&text) else {
                assert!(!good && load::parse(&text).is_err(), "{name}");
                continue;
            };
            let mut whole = base();
            merge(&mut whole, &config);
            complete(&mut whole);
            assert_eq!(refusal(&whole).is_none(), good, "{name}: {:?}", refusal(&whole));
        }
    }
}

#[test]
fn every_example_in_the_specifications_documents_is_valid() {
    let Some(directory) = oracle::documents() else {
        return oracle::skip("no checkout of the specification here (OCI_RUNTIME_SPEC)");
    };
    let mut count = 0;
    for document in ["config.md", "config-linux.md"] {
        let text = fs::read_to_string(directory.join(document)).unwrap();
        for (line, example) in examples(&text) {
            // Other systems' paths, users and root filesystems, and the state that a seccomp agent gets.
            if example.contains("C:\\\\")
                || example.contains("\"username\"")
                || example.contains("Volume{")
                || example.contains("\"fds\"")
            {
                continue;
            }
            // One lacks a comma, and one is shortened.
            let Some(fragment) = parsed(&example) else { continue };
            let mut config = base();
            put(&mut config, &fragment);
            complete(&mut config);
            assert_eq!(refusal(&config), None, "{document}:{line}: {example}");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// The JSON examples of a document with their lines.
fn examples(text: &str) -> Vec<(usize, String)> {
    let (mut all, mut current) = (Vec::new(), None);
    for (index, line) in text.lines().enumerate() {
        match (&mut current, line.trim()) {
            (None, "```json") => current = Some((index + 2, String::new())),
            (Some(_), "```") => all.extend(current.take()),
            (Some((_, example)), _) => example.extend([line, "\n"]),
            (None, _) => {}
        }
    }
    all
}

/// A document, or members of one without their braces, with what examples have that JSON has not.
fn parsed(example: &str) -> Option<Value> {
    let tidy = example.trim_end().trim_end_matches(',');
    let candidates = [tidy.to_owned(), format!("{{{tidy}}}")];
    candidates.iter().find_map(|text| serde_json::from_str(text).ok())
}

/// Puts members where they belong.
fn put(config: &mut Value, fragment: &Value) {
    let all = everything();
    for (name, value) in fragment.as_object().unwrap() {
        let is_place = |holder: &&str| {
            all.pointer(holder).unwrap().get(name).is_some()
                && !(name == "devices" && is_rules(value) && *holder == "/linux")
        };
        let holder = ["", "/linux", "/linux/resources"].into_iter().find(is_place);
        let holder = holder.unwrap_or_else(|| panic!("nothing has {name}"));
        if holder == "/linux/resources" && config["linux"]["resources"].is_null() {
            config["linux"]["resources"] = json!({});
        }
        let members = config.pointer_mut(holder).unwrap();
        match (holder, name.as_str()) {
            ("", "linux" | "process" | "hooks") => merge(&mut members[name], value),
            _ => members[name] = value.clone(),
        }
    }
}

/// `devices` is a list of nodes, or in resources one of rules.
fn is_rules(value: &Value) -> bool {
    value[0].get("allow").is_some()
}
