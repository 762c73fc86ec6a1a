//! Namespaces, cgroups and sysctls.

use serde_json::{Value, json};

use super::*;

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
            rule(json!({"allow": true, "access": "xa"})),
            Some(&format!("device access \"xa\" has none of the letters r, w and m [{at}/devices/1/access]")),
        ),
        (rule(json!({"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rwa"})), None),
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
    let host = Host { unified_cgroups: || true, ..HOST };
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
fn rootless_needs_a_user_namespace() {
    let rootless = Situation { unprivileged: true, ..Situation::default() };
    let found = found(&json!({}), rootless, &HOST);
    assert_eq!(found, ["rootless container requires user namespaces [/linux/namespaces]"]);
}

#[test]
fn resctrl_groups_need_the_hardware_and_lines_that_are_lines() {
    let rdt = |config: Value| json!({"linux": {"intelRdt": config}});
    let at = "/linux/intelRdt";
    check(&[(
        rdt(json!({"closID": "x", "memBwSchema": "MB:0=1"})),
        Some(
            "intelRdt is specified in config, but Intel RDT is not enabled: no resctrl filesystem is mounted \
             [/linux/intelRdt]",
        ),
    )]);
    let all = Host { resctrl: || ResctrlFacts { mounted: true, cache: true, bandwidth: true }, ..HOST };
    let none = Host { resctrl: || ResctrlFacts { mounted: true, ..ResctrlFacts::default() }, ..HOST };
    for good in [
        json!({}),
        json!({"closID": "/"}),
        json!({"closID": "gold", "schemata": ["L3:0=f", "L2:0=f"], "enableMonitoring": true}),
        json!({"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20"}),
    ] {
        assert_eq!(found(&rdt(good.clone()), Situation::default(), &all), Vec::<String>::new(), "{good}");
    }
    for (bad, host, expected) in [
        (json!({"closID": ".."}), all, format!("invalid intelRdt.ClosID \"..\" [{at}/closID]")),
        (json!({"closID": "a/b"}), all, format!("invalid intelRdt.ClosID \"a/b\" [{at}/closID]")),
        (json!({"closID": "info"}), all, format!("invalid intelRdt.ClosID \"info\" [{at}/closID]")),
        (
            json!({"memBwSchema": "L3:0=f"}),
            all,
            format!("memBwSchema \"L3:0=f\" is not one line that starts with MB: [{at}/memBwSchema]"),
        ),
        (
            json!({"memBwSchema": "MB:0=1\nL3:0=f"}),
            all,
            format!(
                "memBwSchema \"MB:0=1\\nL3:0=f\" is not one line that starts with MB: [{at}/memBwSchema]"
            ),
        ),
        (
            json!({"schemata": ["a", "b\nc"]}),
            all,
            format!("\"b\\nc\" is more than one line [{at}/schemata/1]"),
        ),
        (
            json!({"l3CacheSchema": "L3:0=f"}),
            none,
            format!(
                "intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled [{at}/l3CacheSchema]"
            ),
        ),
        (
            json!({"memBwSchema": "MB:0=20"}),
            none,
            format!(
                "intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled [{at}/memBwSchema]"
            ),
        ),
    ] {
        assert_eq!(found(&rdt(bad.clone()), Situation::default(), &host), [expected], "{bad}");
    }
}
