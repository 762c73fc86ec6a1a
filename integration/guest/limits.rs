//! Every limit that v2 has, read back from the kernel's files: one test a field.

use std::fs;

use anyhow::Context;
use serde_json::{Value, json};

use super::{directory, lacks_v2, systemctl, with_resources};
use crate::support::container::{Driver, driver};
use crate::support::{Outcome, skip};

/// A container with these resources has these words in these files; and still has when systemd has read
/// everything anew.
fn held(resources: Value, files: &[(&str, &str)]) -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let container = with_resources(&resources)?;
    container.create()?.ok();
    let check = |when: &str| -> Outcome {
        for (file, expected) in files {
            let path = directory(&container).join(file);
            let text = fs::read_to_string(&path).with_context(|| format!("read {path:?}"))?;
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            assert!(lines.contains(expected), "{resources}: {file} {when}: {text:?} without {expected:?}");
        }
        Ok(())
    };
    check("after create")?;
    if driver() == Driver::Systemd {
        systemctl(&["daemon-reload"])?.ok();
        check("after daemon-reload")?;
    }
    Ok(())
}

#[test]
fn memory_limit() -> Outcome {
    held(json!({"memory": {"limit": 67108864}}), &[("memory.max", "67108864")])
}

#[test]
fn memory_limit_of_none() -> Outcome {
    held(json!({"memory": {"limit": -1}}), &[("memory.max", "max"), ("memory.swap.max", "max")])
}

#[test]
fn a_limit_whose_name_is_in_another_letter_case() -> Outcome {
    held(json!({"Memory": {"LIMIT": 67108864}}), &[("memory.max", "67108864")])
}

#[test]
fn memory_reservation() -> Outcome {
    held(json!({"memory": {"reservation": 33554432}}), &[("memory.low", "33554432")])
}

#[test]
fn memory_swap_beside_memory() -> Outcome {
    let files = [("memory.swap.max", "33554432"), ("memory.max", "67108864")];
    held(json!({"memory": {"limit": 67108864, "swap": 100663296}}), &files)
}

#[test]
fn no_swap_at_all() -> Outcome {
    held(json!({"memory": {"limit": 67108864, "swap": 67108864}}), &[("memory.swap.max", "0")])
}

#[test]
fn memory_fields_that_mean_nothing_here() -> Outcome {
    let memory = json!({"limit": 67108864, "kernel": 1, "kernelTCP": 1, "useHierarchy": true, "disableOOMKiller": false,
                        "checkBeforeUpdate": true});
    held(json!({ "memory": memory }), &[("memory.max", "67108864")])
}

#[test]
fn cpu_shares() -> Outcome {
    held(json!({"cpu": {"shares": 512}}), &[("cpu.weight", "59")])
}

#[test]
fn cpu_quota_and_period() -> Outcome {
    held(json!({"cpu": {"quota": 20000, "period": 100000}}), &[("cpu.max", "20000 100000")])
}

#[test]
fn cpu_quota_in_whole_percents_with_systemd() -> Outcome {
    let expected = match driver() {
        Driver::Cgroupfs => "20100 100000",
        Driver::Systemd => "21000 100000",
    };
    held(json!({"cpu": {"quota": 20100, "period": 100000}}), &[("cpu.max", expected)])
}

#[test]
fn cpu_quota_of_none() -> Outcome {
    held(json!({"cpu": {"quota": -1, "period": 50000}}), &[("cpu.max", "max 50000")])
}

#[test]
fn cpu_period_alone() -> Outcome {
    held(json!({"cpu": {"period": 50000}}), &[("cpu.max", "max 50000")])
}

#[test]
fn cpu_burst() -> Outcome {
    held(json!({"cpu": {"quota": 20000, "period": 100000, "burst": 10000}}), &[("cpu.max.burst", "10000")])
}

#[test]
fn cpu_idle() -> Outcome {
    held(json!({"cpu": {"idle": 1}}), &[("cpu.idle", "1")])
}

#[test]
fn cpu_set() -> Outcome {
    held(json!({"cpu": {"cpus": "1", "mems": "0"}}), &[("cpuset.cpus", "1"), ("cpuset.mems", "0")])
}

#[test]
fn pids_limit() -> Outcome {
    held(json!({"pids": {"limit": 33}}), &[("pids.max", "33")])?;
    held(json!({"pids": {"limit": -1}}), &[("pids.max", "max")])
}

#[test]
fn huge_pages_and_their_reservation() -> Outcome {
    let files = [("hugetlb.2MB.max", "4194304"), ("hugetlb.2MB.rsvd.max", "4194304")];
    held(json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}), &files)
}

#[test]
fn block_io_throttles() -> Outcome {
    let Ok(number) = fs::read_to_string("/sys/block/vda/dev") else { return skip("there is no /dev/vda") };
    let number = number.trim();
    let (major, minor) = number.split_once(':').context("MAJOR:MINOR")?;
    let device = |rate| device_of(major, minor, rate);
    let block_io = json!({
        "throttleReadBpsDevice": device(1048576)?, "throttleWriteBpsDevice": device(2097152)?,
        "throttleReadIOPSDevice": device(100)?, "throttleWriteIOPSDevice": device(200)?
    });
    let expected = format!("{number} rbps=1048576 wbps=2097152 riops=100 wiops=200");
    held(json!({ "blockIO": block_io }), &[("io.max", &expected)])
}

/// One throttle.
fn device_of(major: &str, minor: &str, rate: u64) -> anyhow::Result<Value> {
    Ok(json!([{"major": major.parse::<i64>()?, "minor": minor.parse::<i64>()?, "rate": rate}]))
}

#[test]
fn block_io_weight() -> Outcome {
    if !std::path::Path::new("/sys/fs/cgroup/system.slice/io.weight").exists() {
        return skip("this kernel has no io.weight");
    }
    held(json!({"blockIO": {"weight": 500}}), &[("io.weight", "default 4950")])
}

#[test]
fn unified_overrides_what_comes_before() -> Outcome {
    let unified = json!({"memory.max": "50331648", "memory.high": "41943040", "memory.min": "4096", "pids.max": "77",
                         "cpu.weight": "42", "cpu.max": "30000 60000"});
    let files = [
        ("memory.max", "50331648"),
        ("memory.high", "41943040"),
        ("memory.min", "4096"),
        ("pids.max", "77"),
        ("cpu.weight", "42"),
        ("cpu.max", "30000 60000"),
    ];
    held(json!({"memory": {"limit": 67108864}, "pids": {"limit": 5}, "unified": unified}), &files)
}

#[test]
fn a_group_that_is_killed_as_a_whole() -> Outcome {
    held(json!({"unified": {"memory.oom.group": "1"}}), &[("memory.oom.group", "1")])
}

#[test]
fn what_this_layout_lacks_is_an_error_that_names_the_field() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    for (resources, field) in [
        (json!({"memory": {"limit": 67108864, "swappiness": 5}}), "/linux/resources/memory/swappiness"),
        (json!({"cpu": {"realtimeRuntime": 5}}), "/linux/resources/cpu/realtimeRuntime"),
        (json!({"unified": {"nothing.max": "1"}}), "/linux/resources/unified/nothing.max"),
        (json!({"unified": {"memory/max": "1"}}), "/linux/resources/unified/memory~1max"),
        (json!({"blockIO": {"leafWeight": 5}}), "/linux/resources/blockIO/leafWeight"),
    ] {
        let container = with_resources(&resources)?;
        let output = container.create()?;
        assert!(output.status() == 1 && output.stderr().contains(field), "{resources}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{resources}");
    }
    Ok(())
}
