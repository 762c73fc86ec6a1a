//! Limits, read back from the kernel's own files.

use serde_json::{Value, json};

use crate::cgroup::testing::{Box, Shell, v1_tree};

#[test]
fn every_limit_of_v1_arrives() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let table: &[(Value, &str, &str, &str)] = &[
        (json!({"memory": {"limit": 33_554_432}}), "memory", "memory.limit_in_bytes", "33554432"),
        (json!({"memory": {"reservation": 25_165_824}}), "memory", "memory.soft_limit_in_bytes", "25165824"),
        (
            json!({"memory": {"limit": 33_554_432, "swap": 67_108_864}}),
            "memory",
            "memory.memsw.limit_in_bytes",
            "67108864",
        ),
        (json!({"memory": {"swappiness": 7}}), "memory", "memory.swappiness", "7"),
        (json!({"cpu": {"shares": 100}}), "cpu", "cpu.shares", "100"),
        (json!({"cpu": {"quota": 500_000, "period": 1_000_000}}), "cpu", "cpu.cfs_quota_us", "500000"),
        (json!({"cpu": {"period": 900_000}}), "cpu", "cpu.cfs_period_us", "900000"),
        (json!({"cpu": {"burst": 1000}}), "cpu", "cpu.cfs_burst_us", "1000"),
        (json!({"cpu": {"quota": -1, "period": 100_000}}), "cpu", "cpu.cfs_quota_us", "-1"),
        (json!({"cpu": {"idle": 1}}), "cpu", "cpu.idle", "1"),
        (json!({"cpu": {"idle": 0, "shares": 300}}), "cpu", "cpu.shares", "300"),
        (json!({"cpu": {"realtimePeriod": 500_000}}), "cpu", "cpu.rt_period_us", "500000"),
        (json!({"cpu": {"cpus": "0"}}), "cpuset", "cpuset.cpus", "0"),
        (json!({"cpu": {"mems": "0"}}), "cpuset", "cpuset.mems", "0"),
        (json!({"pids": {"limit": 20}}), "pids", "pids.max", "20"),
        (json!({"pids": {"limit": 0}}), "pids", "pids.max", "1"),
        (json!({"pids": {"limit": -1}}), "pids", "pids.max", "max"),
        (json!({"blockIO": {"weight": 333}}), "blkio", "blkio.bfq.weight", "333"),
    ];
    for (config, controller, file, expected) in table {
        if !made.path(controller).join(file).exists() {
            eprintln!("skipped: no {file}");
            continue;
        }
        made.apply(config.clone()).unwrap_or_else(|error| panic!("{config}: {error}"));
        assert_eq!(made.read(controller, file), *expected, "{config}");
    }
    let oom_control = || made.read("memory", "memory.oom_control");
    made.apply(json!({"memory": {"disableOOMKiller": true}})).unwrap();
    assert!(oom_control().contains("oom_kill_disable 1"));
    made.apply(json!({"memory": {"disableOOMKiller": false}})).unwrap();
    assert!(oom_control().contains("oom_kill_disable 0"));
    assert_eq!(made.manager.oom_kills().unwrap(), 0);
}

#[test]
fn limits_can_be_moved_past_each_other() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let mega = |memory: i64, swap: i64| json!({"memory": {"limit": memory << 20, "swap": swap << 20}});
    for (memory, swap) in [(30, 50), (60, 80), (10, 20), (20, 20), (100, 100), (30, 200)] {
        made.apply(mega(memory, swap)).unwrap_or_else(|error| panic!("{memory} {swap}: {error}"));
        let read = |file| made.read("memory", file).parse::<i64>().unwrap() >> 20;
        assert_eq!((read("memory.limit_in_bytes"), read("memory.memsw.limit_in_bytes")), (memory, swap));
    }
    made.apply(json!({"memory": {"limit": -1}})).unwrap();
    assert_eq!(
        made.read("memory", "memory.memsw.limit_in_bytes"),
        made.read("memory", "../memory.limit_in_bytes")
    );
}

#[test]
fn bandwidth_stays_within_the_parents_at_every_write() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::new(&tree, "box");
    made.manager.create(&crate::cgroup::write::testing::resources(json!({}))).unwrap();
    std::fs::write(made.path("cpu").parent().unwrap().join("cpu.cfs_quota_us"), "50000").unwrap();
    for (quota, period) in
        [(40_000, 100_000), (3000, 10_000), (400_000, 1_000_000), (1000, 2000), (45_000, 100_000)]
    {
        made.apply(json!({"cpu": {"quota": quota, "period": period}}))
            .unwrap_or_else(|error| panic!("{quota}/{period}: {error}"));
    }
    let error = made.apply(json!({"cpu": {"quota": 60_000, "period": 100_000}})).unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/resources/cpu/quota"), "{error}");
}

#[test]
fn what_the_kernel_refuses_names_field_controller_and_file() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let error = made.apply(json!({"cpu": {"period": 100}})).unwrap_err().to_string();
    for part in
        ["cannot set cpu limit", "cpu.cfs_period_us", "EINVAL", "[config.json /linux/resources/cpu/period]"]
    {
        assert!(error.contains(part), "{error}");
    }
    let error = made.apply(json!({"unified": {"memory.min": "131072"}})).unwrap_err().to_string();
    assert!(error.contains("invalid configuration: cannot use unified on cgroup v1"), "{error}");
}

#[test]
fn a_limit_below_usage_says_what_is_used() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({"memory": {}}));
    let mut shell = Shell::run("read go; x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo full; read end");
    made.manager.add(shell.pid()).unwrap();
    // Without swap there is nowhere to reclaim to.
    made.apply(json!({"memory": {"limit": 67_108_864, "swap": 67_108_864, "swappiness": 0}})).unwrap();
    shell.tell("go");
    assert_eq!(shell.line(), "full");
    let error = made.apply(json!({"memory": {"limit": 1_048_576}})).unwrap_err().to_string();
    assert!(error.contains("unable to set memory limit to 1048576 (current usage: "), "{error}");
}

#[test]
fn a_controller_that_is_nowhere_is_an_error_only_where_it_is_asked_for() {
    let Some(mut tree) = v1_tree() else { return };
    let wanted = ["pids", "hugetlb", "net_cls", "rdma"];
    tree.hierarchies.retain(|hierarchy| {
        !hierarchy.unified && !hierarchy.controllers.iter().any(|name| wanted.contains(&name.as_str()))
    });
    let made = Box::made(&tree, json!({}));
    made.apply(json!({"memory": {"limit": 33_554_432}, "hugepageLimits": []})).unwrap();
    for (config, controller, file) in [
        (json!({"pids": {"limit": 5}}), "pids", "pids.max"),
        (
            json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}),
            "hugetlb",
            "hugetlb.2MB.limit_in_bytes",
        ),
        (json!({"network": {"classID": 5}}), "net_cls", "net_cls.classid"),
        (json!({"rdma": {"mlx": {"hcaHandles": 1}}}), "rdma", "rdma.max"),
    ] {
        let error = made.apply(config).unwrap_err();
        let text = error.to_string();
        let start = format!("cannot set {controller} limit: container could not join or create cgroup");
        assert!(text.starts_with(&start) && text.contains(file) && error.pointer().is_some(), "{text}");
    }
}

#[test]
fn a_controller_that_only_the_unified_tree_of_a_hybrid_has_is_set_there() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    if !made.path("").join("hugetlb.2MB.max").exists() {
        eprintln!("skipped: the unified tree has no controller of its own");
        return;
    }
    made.apply(json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]})).unwrap();
    assert_eq!(made.read("", "hugetlb.2MB.max"), "4194304");
}

#[test]
fn devices_open_as_the_rules_say() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let mut shell = Shell::run(PROBE);
    made.manager.add(shell.pid()).unwrap();
    check_devices(&made, &mut shell);
    assert_eq!(made.read("devices", "devices.list"), "a *:* rwm");
}

/// At each line read: which of /dev/null and /dev/zero opens for reading, and /dev/null for writing.
pub const PROBE: &str = "while read go; do r=; \
    (: < /dev/null) 2> /tmp/none.$$ && r=${r}n; (: < /dev/zero) 2> /tmp/none.$$ && r=${r}z; \
    (: > /dev/null) 2> /tmp/none.$$ && r=${r}w; rm -f /tmp/none.$$; echo \"<$r>\"; done";

pub fn check_devices(made: &Box, shell: &mut Shell) {
    let rule = |allow: bool, minor: i64, access: &str| {
        let allow = json!(allow);
        json!({"allow": allow, "type": "c", "major": 1, "minor": minor, "access": access})
    };
    let char = |minor: i64, access: &str| rule(true, minor, access);
    let deny = |access: &str| json!({"allow": false, "access": access});
    let allow = |access: &str| json!({"allow": true, "access": access});
    for (rules, expected) in [
        (json!([]), "<>"),
        (json!([deny("rwm"), char(3, "rwm")]), "<nw>"),
        (json!([deny("rwm"), char(3, "r"), char(5, "r")]), "<nz>"),
        (json!([char(3, "rwm"), char(5, "rwm"), deny("w")]), "<nz>"),
        (json!([{"allow": true, "type": "c", "major": 1, "access": "rw"}]), "<nzw>"),
        (
            json!([{"allow": true, "type": "c", "access": "r"}, {"allow": true, "type": "b", "access": "rwm"}]),
            "<nz>",
        ),
        (json!([allow("rwm"), rule(false, 5, "rwm")]), "<nw>"),
        (json!([allow("rwm"), rule(false, 3, "w")]), "<nz>"),
        (json!([allow("rwm")]), "<nzw>"),
    ] {
        made.apply(json!({"devices": rules})).unwrap_or_else(|error| panic!("{rules}: {error}"));
        shell.tell("go");
        assert_eq!(shell.line(), expected, "{rules}");
    }
}

#[test]
fn device_rules_can_be_changed_while_the_container_has_sub_cgroups() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let only_null = json!({"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"});
    made.apply(json!({"devices": [only_null]})).unwrap();
    std::fs::create_dir(made.path("devices").join("sub")).unwrap();
    made.apply(json!({"devices": [{"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw"}]}))
        .unwrap();
    assert_eq!(made.read("devices", "devices.list"), "c 1:5 rw");
    assert_eq!(made.read("devices", "sub/devices.list"), "");
}
