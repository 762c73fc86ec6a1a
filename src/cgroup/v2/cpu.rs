//! cpu of v2: weight (from v1's shares), bandwidth, burst, idle.

use oci_spec::runtime::{LinuxCpu, LinuxResources};

use crate::cgroup::write::{Current, List, Write, given, number, unsupported};
use crate::report::Result;

pub fn writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("cpu");
    let Some(cpu) = resources.cpu() else { return list.done() };
    if cpu.realtime_runtime().is_some_and(|runtime| runtime != 0) {
        return Err(unsupported(
            "cpu/realtimeRuntime",
            "cgroup v2 has no real-time bandwidth (cpu.rt_runtime_us)",
        ));
    }
    if cpu.realtime_period().is_some_and(|period| period != 0) {
        return Err(unsupported(
            "cpu/realtimePeriod",
            "cgroup v2 has no real-time bandwidth (cpu.rt_period_us)",
        ));
    }
    weight(cpu, now, &mut list)?;
    bandwidth(cpu, now, &mut list)?;
    list.done()
}

/// A group that is idle has no weight: the kernel refuses to set one, and forgets it on the way out.
fn weight(cpu: &LinuxCpu, now: &dyn Current, list: &mut List) -> Result<()> {
    let weight = given(cpu.shares()).map(weight_of_shares);
    let idle_now = weight.is_some() && cpu.idle() == Some(1) && number(now, "cpu.idle")? == Some(1);
    if let Some(0) = cpu.idle() {
        list.push("cpu.idle", 0, "cpu/idle");
    }
    if let Some(weight) = weight.filter(|_| !idle_now) {
        list.push("cpu.weight", weight, "cpu/shares");
    }
    if let Some(idle) = given(cpu.idle()) {
        list.push("cpu.idle", idle, "cpu/idle");
    }
    Ok(())
}

/// The kernel holds burst <= quota after every single write.
fn bandwidth(cpu: &LinuxCpu, now: &dyn Current, list: &mut List) -> Result<()> {
    let quota = given(cpu.quota());
    let period = given(cpu.period());
    let burst_falls = match cpu.burst() {
        Some(burst) if quota.is_some() => i128::from(burst) < number(now, "cpu.max.burst")?.unwrap_or(0),
        _ => false,
    };
    if let Some(burst) = cpu.burst().filter(|_| burst_falls) {
        list.push("cpu.max.burst", burst, "cpu/burst");
    }
    match (quota, period) {
        (None, None) => {}
        // A value without a period keeps the period there is.
        (Some(quota), None) => list.push("cpu.max", limit(quota), "cpu/quota"),
        (Some(quota), Some(period)) => {
            list.push("cpu.max", format!("{} {period}", limit(quota)), "cpu/quota")
        }
        (None, Some(period)) => {
            let present = now.read("cpu.max")?.unwrap_or_default();
            let quota = present.split_whitespace().next().unwrap_or("max");
            list.push("cpu.max", format!("{quota} {period}"), "cpu/period");
        }
    }
    if let Some(burst) = cpu.burst().filter(|_| !burst_falls) {
        list.push("cpu.max.burst", burst, "cpu/burst");
    }
    Ok(())
}

fn limit(quota: i64) -> String {
    if quota > 0 { quota.to_string() } else { "max".to_owned() }
}

/// v1's 2..=262144 with a default of 1024 onto v2's 1..=10000 with a default of 100: the quadratic, in the
/// logarithm, that meets all three points; the same as every other runtime's, so that containers of different
/// runtimes share fairly.
fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            10_f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil() as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    fn cpu(config: serde_json::Value, now: &[(&str, &str)]) -> Vec<String> {
        lines(writes(&resources(json!({"cpu": config})), &files(now)))
    }

    #[test]
    fn shares_become_a_weight_by_the_common_formula() {
        let table = [
            (1, 1),
            (2, 1),
            (100, 17),
            (512, 59),
            (1024, 100),
            (2048, 174),
            (3333, 256),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ];
        for (shares, weight) in table {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
        let weights: Vec<u64> = (2..=262_144).map(weight_of_shares).collect();
        assert!(weights.is_sorted() && weights.iter().all(|weight| (1..=10_000).contains(weight)));
    }

    #[test]
    fn quota_and_period_are_one_value() {
        for (config, now, expected) in [
            (json!({"quota": 0, "period": 0, "shares": 0}), "max 100000\n", vec![]),
            (json!({"quota": 20000, "period": 100_000}), "max 100000\n", vec!["cpu.max 20000 100000"]),
            (json!({"quota": -1, "period": 50_000}), "5 100000\n", vec!["cpu.max max 50000"]),
            (json!({"quota": 5000}), "max 50000\n", vec!["cpu.max 5000"]),
            (json!({"quota": -1}), "5000 50000\n", vec!["cpu.max max"]),
            (json!({"period": 900_000}), "500000 1000000\n", vec!["cpu.max 500000 900000"]),
            (json!({"period": 900_000}), "max 100000\n", vec!["cpu.max max 900000"]),
        ] {
            assert_eq!(cpu(config, &[("cpu.max", now)]), expected);
        }
    }

    #[test]
    fn a_smaller_burst_goes_before_the_quota_and_a_larger_one_after() {
        let now = [("cpu.max.burst", "5000\n")];
        assert_eq!(cpu(json!({"quota": 3000, "burst": 1000}), &now), ["cpu.max.burst 1000", "cpu.max 3000"]);
        assert_eq!(cpu(json!({"quota": 9000, "burst": 8000}), &now), ["cpu.max 9000", "cpu.max.burst 8000"]);
        assert_eq!(cpu(json!({"burst": 0}), &now), ["cpu.max.burst 0"]);
    }

    #[test]
    fn weight_is_set_only_while_the_group_is_not_idle() {
        let idle = [("cpu.idle", "1\n")];
        assert_eq!(cpu(json!({"shares": 1024, "idle": 0}), &idle), ["cpu.idle 0", "cpu.weight 100"]);
        assert_eq!(cpu(json!({"shares": 1024, "idle": 1}), &[]), ["cpu.weight 100", "cpu.idle 1"]);
        assert_eq!(cpu(json!({"shares": 1024, "idle": 1}), &idle), ["cpu.idle 1"]);
    }

    #[test]
    fn real_time_bandwidth_is_refused_by_name() {
        assert!(cpu(json!({"realtimeRuntime": 0, "realtimePeriod": 0}), &[]).is_empty());
        assert!(cpu(json!({"realtimeRuntime": 5}), &[])[0].contains("/linux/resources/cpu/realtimeRuntime"));
        assert!(cpu(json!({"realtimePeriod": 5}), &[])[0].contains("/linux/resources/cpu/realtimePeriod"));
    }
}
