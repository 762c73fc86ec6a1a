//! Changes to a valid config, and what is found in each.

use serde_json::{Value, json};

use super::*;
use crate::bundle::load;

const HOST: Host = Host { selinux: false, apparmor: false, unified_cgroups: false };

/// Valid, with every namespace that is needed for what the cases ask.
fn config() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["sh"], "user": {}},
        "linux": {"namespaces": [
            {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]},
    })
}

/// RFC 7386: objects are merged, null removes, all else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        match value {
            Value::Null => drop(target.as_object_mut().unwrap().remove(name)),
            _ => merge(&mut target[name], value),
        }
    }
}

#[track_caller]
fn found(patch: &Value, situation: Situation, host: &Host) -> Vec<String> {
    let mut config = config();
    merge(&mut config, patch);
    let spec = match load::parse(config.to_string().as_bytes()) {
        Ok(spec) => spec,
        Err(error) => panic!("{patch}: {error}"),
    };
    spec_on(&spec, situation, host).texts()
}

/// Each patch makes exactly the one finding; None: none at all.
#[track_caller]
fn check(cases: &[(Value, Option<&str>)]) {
    for (patch, expected) in cases {
        let found = found(patch, Situation::default(), &HOST);
        assert_eq!(found, expected.iter().map(ToString::to_string).collect::<Vec<_>>(), "{patch}");
    }
}

fn without_namespaces() -> Value {
    json!({"linux": {"namespaces": []}})
}

#[test]
fn the_default_configs_are_valid() {
    for (rootless, expected) in [(false, 0), (true, 1)] {
        let spec = load::parse(crate::bundle::default_spec::text(rootless).as_bytes()).unwrap();
        // User namespaces are not supported yet.
        assert_eq!(spec_on(&spec, Situation::default(), &HOST).texts().len(), expected);
    }
}

#[test]
fn a_version_is_semantic_and_1_x() {
    let version = |text: &str| json!({"ociVersion": text});
    let malformed = |text: &str| format!("ociVersion {text:?} is not a version like 1.3.0 [/ociVersion]");
    for valid in ["1.0.0", "1.0.2-dev", "1.3.0", "1.9.12", "1.0.0-rc.1+build.5"] {
        check(&[(version(valid), None)]);
    }
    for wrong in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1..0", "1.0.0 ", "1.0.0\n", "a.b.c"] {
        check(&[(version(wrong), Some(&malformed(wrong)))]);
    }
    check(&[(version("2.0.0"), Some("ociVersion \"2.0.0\" is not supported: 1.x is [/ociVersion]"))]);
    check(&[(version("0.9.0"), Some("ociVersion \"0.9.0\" is not supported: 1.x is [/ociVersion]"))]);
}

#[test]
fn what_must_be_there_is_asked_for_in_runcs_words() {
    check(&[
        (json!({"process": null}), Some("process property must not be empty [/process]")),
        (json!({"process": {"cwd": null}}), Some("Cwd property must not be empty [/process/cwd]")),
        (json!({"process": {"cwd": "tmp"}}), Some("Cwd must be an absolute path [/process/cwd]")),
        (json!({"process": {"args": null}}), Some("args must not be empty [/process/args]")),
        (json!({"process": {"args": []}}), Some("args must not be empty [/process/args]")),
        (json!({"root": null}), Some("root must be specified [/root]")),
        (json!({"root": {"path": ""}}), Some("root path must not be empty [/root/path]")),
        (json!({"annotations": {"": "x"}}), Some("annotation keys must not be empty [/annotations/]")),
    ]);
}

#[test]
fn every_finding_is_named_and_the_first_gives_the_place() {
    let mut config = config();
    merge(&mut config, &json!({"process": {"cwd": "x", "args": []}, "hostname": "a", "linux": null}));
    let spec = load::parse(config.to_string().as_bytes()).unwrap();
    let error = spec_on(&spec, Situation::default(), &HOST).refuse().unwrap_err();
    assert_eq!(
        error.text(),
        "Cwd must be an absolute path [/process/cwd]; args must not be empty [/process/args]; \
         unable to set hostname without a private UTS namespace [/hostname]"
    );
    assert_eq!(error.pointer(), Some("/process/cwd"));
    assert_eq!(error.kind(), crate::report::Code::InvalidConfig);
}

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
fn zero_bytes_are_refused_wherever_text_goes_to_the_kernel() {
    let cases = [
        (json!({"process": {"args": ["sh", "\0"]}}), "/process/args/1"),
        (json!({"process": {"cwd": "/\0"}}), "/process/cwd"),
        (json!({"hostname": "a\0"}), "/hostname"),
        (json!({"mounts": [{"destination": "/a\0", "type": "tmpfs"}]}), "/mounts/0/destination"),
        (json!({"mounts": [{"destination": "/a", "type": "tmpfs", "source": "\0"}]}), "/mounts/0/source"),
        (json!({"mounts": [{"destination": "/a", "type": "tmp\0fs"}]}), "/mounts/0/type"),
        (
            json!({"mounts": [{"destination": "/a", "type": "tmpfs", "options": ["\0"]}]}),
            "/mounts/0/options/0",
        ),
        (json!({"hooks": {"poststop": [{"path": "/\0"}]}}), "/hooks/poststop/0/path"),
        (json!({"hooks": {"poststop": [{"path": "/x", "env": ["A=\0"]}]}}), "/hooks/poststop/0/env/0"),
        (json!({"linux": {"maskedPaths": ["/\0"]}}), "/linux/maskedPaths/0"),
        (json!({"linux": {"cgroupsPath": "/\0"}}), "/linux/cgroupsPath"),
    ];
    for (patch, at) in cases {
        check(&[(patch, Some(&format!("contains a zero byte [{at}]")))]);
    }
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
    let host = Host { selinux: true, apparmor: true, ..HOST };
    assert!(found(&patch, Situation::default(), &host).is_empty());
    check(&[(json!({"process": {"selinuxLabel": "", "apparmorProfile": ""}}), None)]);
}

#[test]
fn namespaces_are_listed_once_by_an_absolute_path() {
    let namespaces = |list: Value| json!({"linux": {"namespaces": list}});
    check(&[
        (namespaces(json!([{"type": "pid"}, {"type": "time"}, {"type": "cgroup", "path": ""}])), None),
        (
            namespaces(json!([{"type": "pid"}, {"type": "pid", "path": "/proc/1/ns/pid"}])),
            Some("malformed spec file: duplicated ns \"pid\" [/linux/namespaces/1]"),
        ),
        (
            namespaces(json!([{"type": "mount", "path": "ns/mnt"}])),
            Some("namespace path \"ns/mnt\" is not absolute [/linux/namespaces/0/path]"),
        ),
    ]);
}

#[test]
fn what_would_change_the_host_needs_a_namespace() {
    let host = |patch: Value| {
        let mut all = without_namespaces();
        merge(&mut all, &patch);
        all
    };
    let restrict = "unable to restrict sys entries without a private MNT namespace";
    check(&[
        (host(json!({})), None),
        (host(json!({"hostname": "", "domainname": ""})), None),
        (
            host(json!({"hostname": "a"})),
            Some("unable to set hostname without a private UTS namespace [/hostname]"),
        ),
        (
            host(json!({"domainname": "a"})),
            Some("unable to set domainname without a private UTS namespace [/domainname]"),
        ),
        (host(json!({"linux": {"maskedPaths": ["/a"]}})), Some(&format!("{restrict} [/linux/maskedPaths]"))),
        (
            host(json!({"linux": {"readonlyPaths": ["/a"]}})),
            Some(&format!("{restrict} [/linux/readonlyPaths]")),
        ),
        (
            host(json!({"linux": {"rootfsPropagation": "slave"}})),
            Some(
                "unable to set rootfsPropagation without a private MNT namespace [/linux/rootfsPropagation]",
            ),
        ),
        (
            json!({"linux": {"uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}}),
            Some(
                "user namespace mappings specified, but user namespace isn't enabled in the config \
                 [/linux/uidMappings]",
            ),
        ),
    ]);
    // A read-only root is a flag of the container's own mount: it needs no namespace.
    check(&[(host(json!({"root": {"readonly": true}})), None)]);
}

#[test]
fn propagation_is_one_of_eight_words_and_private_needs_a_pivot() {
    let propagation = |word: &str| json!({"linux": {"rootfsPropagation": word}});
    for word in
        ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable", ""]
    {
        check(&[(propagation(word), None)]);
    }
    let at = "[/linux/rootfsPropagation]";
    check(&[
        (propagation("ro"), Some(&format!("rootfsPropagation=ro is not supported {at}"))),
        (propagation("PRIVATE"), Some(&format!("rootfsPropagation=PRIVATE is not supported {at}"))),
    ]);
    let no_pivot = Situation { no_pivot: true, ..Situation::default() };
    let expected = format!("rootfsPropagation of [r]private is not safe without pivot_root {at}");
    assert_eq!(found(&propagation("rprivate"), no_pivot, &HOST), [expected]);
    assert!(found(&propagation("rslave"), no_pivot, &HOST).is_empty());
}

#[test]
fn paths_are_absolute() {
    check(&[
        (
            json!({"linux": {"maskedPaths": ["/a", "b"]}}),
            Some("path \"b\" is not absolute [/linux/maskedPaths/1]"),
        ),
        (
            json!({"linux": {"readonlyPaths": [""]}}),
            Some("path \"\" is not absolute [/linux/readonlyPaths/0]"),
        ),
    ]);
}

#[test]
fn hooks_have_an_absolute_path_and_time() {
    for kind in crate::bundle::features::hooks() {
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
fn a_mount_is_a_bind_or_a_filesystem_or_a_change() {
    let mount = |mount: Value| {
        let mut entry = json!({"destination": "/a"});
        merge(&mut entry, &mount);
        json!({"mounts": [entry]})
    };
    let data = "invalid mount: bind mounts cannot have any filesystem-specific options applied";
    check(&[
        (mount(json!({"source": "/x", "options": ["bind", "defaults", "ro"]})), None),
        (mount(json!({"source": "x", "type": "none", "options": ["rbind"]})), None),
        (mount(json!({"options": ["bind", "remount", "ro"]})), None),
        (mount(json!({"type": "none", "options": ["rslave"]})), None),
        (mount(json!({"type": "tmpfs", "source": "x", "options": ["size=1k"]})), None),
        (mount(json!({"destination": "a", "type": "tmpfs"})), None),
        (mount(json!({"source": "/x"})), Some("the mount has no filesystem type [/mounts/0/type]")),
        (
            mount(json!({"type": "bind", "source": "/x", "options": ["ro"]})),
            Some("a mount of type \"bind\" needs the option bind or rbind [/mounts/0]"),
        ),
        (
            mount(json!({"source": "/x", "options": ["bind", "size=1k", "foo"]})),
            Some(&format!("{data}: size foo [/mounts/0/options]")),
        ),
        (mount(json!({"options": ["bind"]})), Some("a bind mount needs a source [/mounts/0/source]")),
        (
            mount(json!({"destination": "", "type": "tmpfs"})),
            Some("mount destination must not be empty [/mounts/0/destination]"),
        ),
    ]);
    for root in ["/", "//", "/..", "/a/..", "."] {
        let patch = mount(json!({"destination": root, "type": "tmpfs"}));
        check(&[(patch, Some("mountpoint \"/\" is on the top of rootfs [/mounts/0/destination]"))]);
    }
}

#[test]
fn proc_stays_proc() {
    let mount = |destination: &str, typ: &str, source: &str, options: Value| json!({"mounts": [{"destination": destination, "type": typ, "source": source, "options": options}]});
    let tmpfs = |destination: &str| mount(destination, "tmpfs", "tmpfs", json!([]));
    let bind = |destination: &str, source: &str| mount(destination, "bind", source, json!(["rbind"]));
    let other = "\"/proc\" cannot be mounted because it is not of type proc [/mounts/0/destination]";
    check(&[
        (mount("/proc", "proc", "proc", json!(["nosuid"])), None),
        (bind("/proc", "/proc"), None),
        (bind("/proc/cpuinfo", "/x"), None),
        (tmpfs("/proc"), Some(other)),
        (bind("/proc", "/tmp"), Some(other)),
        (bind("/proc", "no-such"), Some(other)),
    ]);
    let inside = [
        "self",
        "self/attr",
        "thread-self/attr",
        "1",
        "sys",
        "sys/kernel/core_pattern",
        "../proc/self",
        "/x",
    ];
    for path in inside {
        let clean =
            crate::bundle::path::clean(&std::path::Path::new("/proc").join(path.trim_start_matches('/')));
        let text = format!("{clean:?} cannot be mounted because it is inside /proc [/mounts/0/destination]");
        check(&[
            (tmpfs(&format!("/proc/{path}")), Some(&text)),
            (bind(&format!("proc/{path}"), "/x"), Some(&text)),
        ]);
    }
}

#[test]
fn devices_have_a_path_and_numbers_that_exist() {
    let device = |change: Value| {
        let mut device = json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 3});
        merge(&mut device, &change);
        json!({"linux": {"devices": [device]}})
    };
    let path = |path: &str| {
        format!("device path {path:?} is not an absolute path of a file [/linux/devices/0/path]")
    };
    check(&[
        (device(json!({})), None),
        (device(json!({"type": "u"})), None),
        (device(json!({"type": "b", "fileMode": 432, "uid": 0, "gid": 5})), None),
        (device(json!({"type": "p", "major": null, "minor": -1})), None),
        (device(json!({"path": "/dev/../etc/p"})), None),
        (device(json!({"path": "dev/x"})), Some(&path("dev/x"))),
        (device(json!({"path": "../../x"})), Some(&path("../../x"))),
        (device(json!({"path": ""})), Some(&path(""))),
        (device(json!({"path": "/"})), Some(&path("/"))),
        (device(json!({"type": "a"})), Some("invalid device type \"a\" [/linux/devices/0/type]")),
        (
            device(json!({"major": -1})),
            Some("device major -1 is not between 0 and 4095 [/linux/devices/0/major]"),
        ),
        (
            device(json!({"minor": 1048576})),
            Some("device minor 1048576 is not between 0 and 1048575 [/linux/devices/0/minor]"),
        ),
    ]);
}

#[test]
fn resources_say_what_a_cgroup_can_be_given() {
    let resources = |resources: Value| json!({"linux": {"resources": resources}});
    let rule = |rule: Value| resources(json!({"devices": [{"allow": false, "access": "rwm"}, rule]}));
    let at = "/linux/resources";
    check(&[
        (rule(json!({"allow": true, "type": "c", "major": 1, "minor": -1, "access": "r"})), None),
        (
            rule(json!({"allow": true})),
            Some(&format!("device access at 1 field cannot be empty [{at}/devices/1/access]")),
        ),
        (
            rule(json!({"allow": true, "access": "rwx"})),
            Some(&format!("device access \"rwx\" has letters other than r, w and m [{at}/devices/1/access]")),
        ),
        (
            rule(json!({"allow": true, "type": "p", "access": "r"})),
            Some(&format!("invalid cgroup device type \"p\" [{at}/devices/1/type]")),
        ),
        (
            rule(json!({"allow": true, "major": -2, "access": "r"})),
            Some(&format!("device major is out of range [{at}/devices/1/major]")),
        ),
        (
            resources(json!({"unified": {"memory.high": "1"}})),
            Some(&format!("invalid configuration: cannot use unified on cgroup v1 [{at}/unified]")),
        ),
        (
            resources(json!({"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}})),
            Some(&format!("neither weight nor leafWeight is given [{at}/blockIO/weightDevice/0]")),
        ),
        (
            resources(json!({"rdma": {"mlx5_1": {}}})),
            Some(&format!("neither hcaHandles nor hcaObjects is given [{at}/rdma/mlx5_1]")),
        ),
        (
            resources(json!({"hugepageLimits": [{"pageSize": "../x", "limit": 1}]})),
            Some(&format!("invalid huge page size \"../x\" [{at}/hugepageLimits/0/pageSize]")),
        ),
    ]);
    let host = Host { unified_cgroups: true, ..HOST };
    let unified = |key: &str| resources(json!({"unified": {key: "1"}}));
    assert!(found(&unified("memory.high"), Situation::default(), &host).is_empty());
    let text = "unified resource \"../x\" must be a file name (no slashes) [/linux/resources/unified/..~1x]";
    assert_eq!(found(&unified("../x"), Situation::default(), &host), [text]);
}

#[test]
fn the_systemd_driver_needs_three_parts() {
    let path = |path: &str| json!({"linux": {"cgroupsPath": path}});
    let systemd = Situation { systemd_cgroup: true, ..Situation::default() };
    assert!(found(&path("a.slice:b:c"), systemd, &HOST).is_empty());
    assert!(found(&path(""), systemd, &HOST).is_empty());
    let text = "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/a\" \
                instead [/linux/cgroupsPath]";
    assert_eq!(found(&path("/a"), systemd, &HOST), [text]);
    check(&[(path("/a"), None)]);
}

#[test]
fn a_sysctl_belongs_to_a_namespace_of_the_containers_own() {
    let one = |key: &str| json!({"linux": {"sysctl": {key: "1"}}});
    for key in
        ["kernel.shmmax", "kernel/shmmax", "fs.mqueue.msg_max", "net.ipv4.ip_forward", "net/ipv4/ip_forward"]
    {
        check(&[(one(key), None)]);
    }
    check(&[(one("kernel.domainname"), None)]);
    let at = |key: &str| crate::bundle::pointer::member("/linux/sysctl", key);
    let foreign =
        ["kernel.core_pattern", "kernel/core_pattern", "vm.swappiness", "fs.file-max", "kernel", "network.x"];
    for key in foreign {
        let dotted = key.replace('/', ".");
        let text = format!("sysctl {dotted:?} is not in a separate kernel namespace [{}]", at(key));
        check(&[(one(key), Some(&text))]);
    }
    check(&[
        (
            one("kernel.hostname"),
            Some(
                "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field \
                 [/linux/sysctl/kernel.hostname]",
            ),
        ),
        (
            one("user.max_user_namespaces"),
            Some(
                "setting ucounts without a user namespace not allowed: user.max_user_namespaces \
                 [/linux/sysctl/user.max_user_namespaces]",
            ),
        ),
    ]);
}

#[test]
fn a_sysctl_in_the_hosts_namespace_is_refused() {
    let cases = [
        ("kernel.shmmax", "sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace"),
        ("net.ipv4.ip_forward", "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace"),
        ("kernel.domainname", "sysctl \"kernel.domainname\" is not in a separate kernel namespace"),
    ];
    for (key, text) in cases {
        let mut patch = without_namespaces();
        merge(&mut patch, &json!({"linux": {"sysctl": {key: "1"}}}));
        check(&[(patch, Some(&format!("{text} [/linux/sysctl/{key}]")))]);
    }
    let joined = |path: &str| {
        json!({"linux": {
            "namespaces": [{"type": "network", "path": path}], "sysctl": {"net.core.somaxconn": "1"}}})
    };
    let text = "sysctl \"net.core.somaxconn\" not allowed in host network namespace [/linux/sysctl/net.core.somaxconn]";
    check(&[(joined("/proc/self/ns/net"), Some(text))]);
    let found = found(&joined("/no/such/netns"), Situation::default(), &HOST);
    assert!(found[0].starts_with("invalid netns path \"/no/such/netns\""), "{found:?}");
}

#[test]
fn a_sysctl_cannot_climb() {
    let keys = [
        "net.ipv4/../../kernel/core_pattern",
        "net/../kernel/core_pattern",
        "net/ipv4/../../kernel/core_pattern",
        "net..ipv4",
        "net.ipv4.",
        "/net/ipv4/ip_forward",
        "net.ipv4.ip_forward\n",
        "net.ipv4\0.ip_forward",
        "",
    ];
    for key in keys {
        let found = found(&json!({"linux": {"sysctl": {key: "1"}}}), Situation::default(), &HOST);
        assert_eq!(found.len(), 1, "{key:?}");
        assert!(found[0].contains("is not a valid name"), "{key:?}: {found:?}");
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
fn what_is_not_done_yet_is_refused_by_name() {
    let idmap = |change: Value| {
        let mut mount = json!({"destination": "/a", "source": "/b", "options": ["bind"]});
        merge(&mut mount, &change);
        json!({"mounts": [mount]})
    };
    let maps = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    let user = json!({"linux": {"namespaces": [{"type": "user"}], "uidMappings": maps, "gidMappings": maps}});
    let mounts = "id-mapped mounts are not supported yet [/mounts/0]";
    check(&[
        (user, Some("user namespaces are not supported yet [/linux/namespaces/0]")),
        (idmap(json!({"options": ["bind", "idmap"]})), Some(mounts)),
        (idmap(json!({"options": ["rbind", "ridmap"]})), Some(mounts)),
        (idmap(json!({"uidMappings": maps})), Some(mounts)),
        (
            json!({"linux": {"timeOffsets": {"monotonic": {"secs": 1}}}}),
            Some("time namespace offsets are not supported yet [/linux/timeOffsets]"),
        ),
        (
            json!({"linux": {"netDevices": {"eth0": {}}}}),
            Some("network devices are not supported yet [/linux/netDevices]"),
        ),
        (
            json!({"linux": {"intelRdt": {"closID": "x"}}}),
            Some("Intel RDT is not supported yet [/linux/intelRdt]"),
        ),
    ]);
}

#[test]
fn rootless_needs_a_user_namespace() {
    let rootless = Situation { rootless: true, ..Situation::default() };
    let found = found(&json!({}), rootless, &HOST);
    assert_eq!(found, ["rootless container requires user namespaces [/linux/namespaces]"]);
}

#[test]
fn a_process_of_its_own_is_checked_alone() {
    let parsed: oci_spec::runtime::Process =
        serde_json::from_value(json!({"cwd": "x", "user": {}, "args": ["a"]})).unwrap();
    let error = super::process(&parsed, "").unwrap_err();
    assert_eq!(error.pointer(), Some("/cwd"));
}
