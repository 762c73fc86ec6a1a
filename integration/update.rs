//! `update`: every limit arrives, is kept, and is taken back whole where one is refused.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Container, Outcome, cgroup, is_peer, skip};

const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

fn running() -> anyhow::Result<Container> {
    let container = Container::with(|config| {
        let resources = &mut config["linux"]["resources"];
        resources["memory"] = json!({"limit": 33554432, "reservation": 25165824});
        resources["cpu"] = json!({"shares": 100, "quota": 500000, "period": 1000000});
        resources["pids"] = json!({"limit": 20});
    })?;
    container.detach()?;
    Ok(container)
}

fn update(container: &Container, flags: &str) -> anyhow::Result<crate::support::Output> {
    let words: Vec<&str> = ["update"].into_iter().chain(flags.split_whitespace()).collect();
    container.command(&words)
}

fn update_by(container: &Container, resources: &Value) -> anyhow::Result<crate::support::Output> {
    container.runtime(["update", "--resources", "-", &container.id]).stdin(resources.to_string()).output()
}

/// What the kernel's files say, of all that a test changes.
fn limits(container: &Container) -> anyhow::Result<Vec<String>> {
    let files = [
        ("memory", "memory.limit_in_bytes"),
        ("memory", "memory.soft_limit_in_bytes"),
        ("memory", "memory.memsw.limit_in_bytes"),
        ("memory", "memory.swappiness"),
        ("cpu", "cpu.shares"),
        ("cpu", "cpu.cfs_quota_us"),
        ("cpu", "cpu.cfs_period_us"),
        ("cpu", "cpu.cfs_burst_us"),
        ("cpuset", "cpuset.cpus"),
        ("pids", "pids.max"),
    ];
    files.iter().map(|(controller, file)| cgroup::value(controller, &container.cgroup, file)).collect()
}

#[test]
fn every_flag_arrives_in_its_file() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&CONTROLLERS) {
        return skip(&reason);
    }
    let container = running()?;
    for (flags, controller, file, expected) in [
        ("--memory 50M", "memory", "memory.limit_in_bytes", "52428800"),
        ("--memory-reservation 33554432", "memory", "memory.soft_limit_in_bytes", "33554432"),
        ("--memory-swap 96468992", "memory", "memory.memsw.limit_in_bytes", "96468992"),
        ("--memory 30M --memory-swap 50M", "memory", "memory.memsw.limit_in_bytes", "52428800"),
        ("--memory 60M --memory-swap 80M", "memory", "memory.limit_in_bytes", "62914560"),
        ("--cpu-period 900000", "cpu", "cpu.cfs_quota_us", "500000"),
        ("--cpu-quota 600000", "cpu", "cpu.cfs_period_us", "900000"),
        ("--cpu-burst 500000", "cpu", "cpu.cfs_burst_us", "500000"),
        ("--cpu-burst 0", "cpu", "cpu.cfs_burst_us", "0"),
        ("--cpu-quota -1", "cpu", "cpu.cfs_quota_us", "-1"),
        ("--cpu-share 200", "cpu", "cpu.shares", "200"),
        ("--cpu-idle 1", "cpu", "cpu.idle", "1"),
        ("--cpu-idle 0", "cpu", "cpu.idle", "0"),
        ("--cpu-rt-period 500000", "cpu", "cpu.rt_period_us", "500000"),
        ("--cpuset-cpus 0", "cpuset", "cpuset.cpus", "0"),
        ("--cpuset-mems 0", "cpuset", "cpuset.mems", "0"),
        ("--pids-limit 10", "pids", "pids.max", "10"),
        ("--pids-limit 0", "pids", "pids.max", "1"),
        ("--pids-limit -1", "pids", "pids.max", "max"),
        ("--blkio-weight 333", "blkio", "blkio.bfq.weight", "333"),
    ] {
        if !cgroup::v1(controller, &container.cgroup).join(file).exists() {
            continue;
        }
        update(&container, flags)?.ok();
        assert_eq!(cgroup::value(controller, &container.cgroup, file)?, expected, "{flags}");
    }
    update(&container, "--memory -1")?.ok();
    assert!(cgroup::value("memory", &container.cgroup, "memory.memsw.limit_in_bytes")?.len() > 15);
    Ok(())
}

#[test]
fn a_file_sets_what_flags_cannot() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&CONTROLLERS) {
        return skip(&reason);
    }
    let container = running()?;
    let file = container.path("limits.json");
    let resources = json!({"memory": {"limit": 41943040}, "CPU": {"Shares": 300}, "pids": {"limit": 30}});
    fs::write(&file, resources.to_string())?;
    // Other flags beside it are ignored.
    update(&container, &format!("--resources {} --pids-limit 5", file.display()))?.ok();
    assert_eq!(cgroup::value("memory", &container.cgroup, "memory.limit_in_bytes")?, "41943040");
    assert_eq!(cgroup::value("cpu", &container.cgroup, "cpu.shares")?, "300");
    assert_eq!(cgroup::value("pids", &container.cgroup, "pids.max")?, "30");
    if !is_peer() {
        update_by(&container, &json!({"memory": {"swappiness": 7}}))?.ok();
        assert_eq!(cgroup::value("memory", &container.cgroup, "memory.swappiness")?, "7");
    }
    Ok(())
}

#[test]
fn one_refusal_takes_all_of_it_back() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&CONTROLLERS) {
        return skip(&reason);
    }
    let container = running()?;
    update(&container, "--cpu-burst 1000 --pids-limit -1")?.ok();
    let (before, record) =
        (limits(&container)?, fs::read_to_string(container.state_directory().join("state.json"))?);
    for resources in [
        json!({"memory": {"limit": 67108864, "swap": 134217728, "swappiness": 3}, "pids": {"limit": 9},
               "cpu": {"shares": 7, "burst": 5, "cpus": "4096"}}),
        json!({"pids": {"limit": 9}, "memory": {"limit": 16777216}, "cpu": {"cpus": "0", "quota": 5}}),
        json!({"pids": {"limit": 9}, "memory": {"limit": 67108864}, "cpu": {"idle": 7}}),
        json!({"pids": {"limit": 9}, "memory": {"limit": 67108864, "swap": 5}}),
    ] {
        let output = update_by(&container, &resources)?;
        assert_eq!(output.status(), 1, "{resources}: {output}");
        if !is_peer() {
            assert_eq!(limits(&container)?, before, "{resources}: {output}");
            let now = fs::read_to_string(container.state_directory().join("state.json"))?;
            assert_eq!(now, record, "{resources}");
        }
    }
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn device_rules_are_not_touched() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["devices", "pids"]) {
        return skip(&reason);
    }
    let container = running()?;
    let list = || cgroup::value("devices", &container.cgroup, "devices.list");
    let before = list()?;
    update_by(&container, &json!({"pids": {"limit": 9}, "devices": [{"allow": true, "access": "rwm"}]}))?
        .ok();
    assert_eq!(list()?, before);
    Ok(())
}

#[test]
fn a_container_that_does_not_run_is_not_updated() -> Outcome {
    let container = running()?;
    container.stop()?;
    update(&container, "--pids-limit 5")?.fails(1, "container not running");
    container.delete()?.ok();
    update(&container, "--pids-limit 5")?.fails(1, "container does not exist");
    Ok(())
}

#[test]
fn a_paused_container_is_updated_and_stays_paused() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids", "freezer"]) {
        return skip(&reason);
    }
    let container = running()?;
    container.command(&["pause"])?.ok();
    update(&container, "--pids-limit 30")?.ok();
    assert_eq!(cgroup::value("pids", &container.cgroup, "pids.max")?, "30");
    assert_eq!(container.status()?, "paused");
    container.command(&["resume"])?.ok();
    Ok(())
}

#[test]
fn on_a_unified_tree_a_limit_arrives_or_its_controller_is_named() -> Outcome {
    if let Some(reason) = Container::lacks_unified() {
        return skip(reason);
    }
    if is_peer() {
        return skip("runc updates no huge pages");
    }
    let container = Container::with(|config| config["linux"]["resources"] = json!({}))?.on_unified();
    container.detach()?;
    let directory =
        cgroup::directories(&container.cgroup)?.into_iter().find(|path| path.join("cgroup.freeze").exists());
    let Some(directory) = directory else { return skip("the container has no unified cgroup") };
    for (resources, controller, file, expected) in [
        (json!({"memory": {"limit": 67108864}}), "memory", "memory.max", "67108864"),
        (json!({"memory": {"limit": 67108864, "swap": 100663296}}), "memory", "memory.swap.max", "33554432"),
        (json!({"cpu": {"shares": 1024}}), "cpu", "cpu.weight", "100"),
        (json!({"cpu": {"quota": 20000, "period": 50000}}), "cpu", "cpu.max", "20000 50000"),
        (json!({"cpu": {"period": 80000}}), "cpu", "cpu.max", "20000 80000"),
        (json!({"cpu": {"cpus": "0"}}), "cpuset", "cpuset.cpus", "0"),
        (json!({"pids": {"limit": 9}}), "pids", "pids.max", "9"),
        (
            json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}),
            "hugetlb",
            "hugetlb.2MB.max",
            "4194304",
        ),
        (json!({"unified": {"hugetlb.2MB.max": "2097152"}}), "hugetlb", "hugetlb.2MB.max", "2097152"),
    ] {
        let output = update_by(&container, &resources)?;
        match directory.join(file).exists() {
            true => {
                output.ok();
                assert_eq!(fs::read_to_string(directory.join(file))?.trim(), expected, "{resources}");
            }
            false => {
                // The quotes around the name are escaped in the log.
                output.fails(1, "not available").fails(1, controller);
            }
        }
    }
    Ok(())
}
