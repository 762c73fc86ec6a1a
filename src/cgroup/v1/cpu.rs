//! cpu of v1: weight (shares), bandwidth (period, quota, burst), idle, and real-time bandwidth.
//!
//! The kernel checks each write by itself: quota/period may not be above the parent's, burst not above quota.
//! So where several change, the order is the one in which no state in between asks for more than the first or
//! the last.

use oci_spec::runtime::{LinuxCpu, LinuxResources};

use crate::cgroup::write::{Current, List, Write, given, invalid, number};
use crate::report::Result;

/// What the kernel clamps to, without a word (kernel/sched/sched.h: MIN_SHARES, MAX_SHARES).
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// The kernel's period where none was ever set, in microseconds.
const DEFAULT_PERIOD: i128 = 100_000;

pub fn writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("cpu");
    let Some(cpu) = resources.cpu() else { return list.done() };
    weight(cpu, now, &mut list)?;
    bandwidth(cpu, now, &mut list)?;
    realtime(cpu, now, &mut list)?;
    list.done()
}

/// Real-time bandwidth alone: it has to be there before a process with a real-time policy can be put in.
pub fn realtime_writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("cpu");
    if let Some(cpu) = resources.cpu() {
        realtime(cpu, now, &mut list)?;
    }
    list.done()
}

/// A group that is idle has no weight: the kernel refuses to set one, and forgets it on the way out.
fn weight(cpu: &LinuxCpu, now: &dyn Current, list: &mut List) -> Result<()> {
    let shares = given(cpu.shares());
    if let Some(shares) = shares {
        if shares < *SHARES.start() {
            return Err(invalid(
                "cpu/shares",
                format!("the minimum allowed cpu-shares is {}", SHARES.start()),
            ));
        }
        if shares > *SHARES.end() {
            return Err(invalid("cpu/shares", format!("the maximum allowed cpu-shares is {}", SHARES.end())));
        }
    }
    let idle = cpu.idle();
    let idle_now = shares.is_some() && idle == Some(1) && number(now, "cpu.idle")? == Some(1);
    if let Some(0) = idle {
        list.push("cpu.idle", 0, "cpu/idle");
    }
    if let Some(shares) = shares.filter(|_| !idle_now) {
        list.push("cpu.shares", shares, "cpu/shares");
    }
    if let Some(idle) = given(idle) {
        list.push("cpu.idle", idle, "cpu/idle");
    }
    Ok(())
}

fn bandwidth(cpu: &LinuxCpu, now: &dyn Current, list: &mut List) -> Result<()> {
    let quota = given(cpu.quota());
    let period = given(cpu.period());
    let burst_falls = match (cpu.burst(), quota) {
        (Some(burst), Some(_)) => i128::from(burst) < number(now, "cpu.cfs_burst_us")?.unwrap_or(0),
        _ => false,
    };
    if let Some(burst) = cpu.burst().filter(|_| burst_falls) {
        list.push("cpu.cfs_burst_us", burst, "cpu/burst");
    }
    let period_first = match (period, quota) {
        (Some(period), Some(_)) => {
            i128::from(period) >= number(now, "cpu.cfs_period_us")?.unwrap_or(DEFAULT_PERIOD)
        }
        _ => true,
    };
    let period = period.map(|period| list.make("cpu.cfs_period_us", period, "cpu/period"));
    let quota = quota.map(|quota| list.make("cpu.cfs_quota_us", quota, "cpu/quota"));
    list.push_pair(period, quota, !period_first);
    if let Some(burst) = cpu.burst().filter(|_| !burst_falls) {
        list.push("cpu.cfs_burst_us", burst, "cpu/burst");
    }
    Ok(())
}

fn realtime(cpu: &LinuxCpu, now: &dyn Current, list: &mut List) -> Result<()> {
    let runtime = given(cpu.realtime_runtime());
    let period = given(cpu.realtime_period());
    let period_first = match (period, runtime) {
        (Some(period), Some(_)) => i128::from(period) >= number(now, "cpu.rt_period_us")?.unwrap_or(0),
        _ => true,
    };
    let period = period.map(|period| list.make("cpu.rt_period_us", period, "cpu/realtimePeriod"));
    let runtime = runtime.map(|runtime| list.make("cpu.rt_runtime_us", runtime, "cpu/realtimeRuntime"));
    list.push_pair(period, runtime, !period_first);
    Ok(())
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
    fn zero_is_unset() {
        let config = json!({"shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0, "realtimePeriod": 0});
        assert!(cpu(config, &[]).is_empty());
    }

    #[test]
    fn shares_that_the_kernel_would_change_are_refused() {
        assert_eq!(cpu(json!({"shares": 100}), &[]), ["cpu.shares 100"]);
        assert!(cpu(json!({"shares": 1}), &[])[0].contains("the minimum allowed cpu-shares is 2"));
        assert!(cpu(json!({"shares": 262_145}), &[])[0].contains("the maximum allowed cpu-shares is 262144"));
    }

    #[test]
    fn a_longer_period_goes_before_the_quota_and_a_shorter_one_after() {
        let now = [("cpu.cfs_period_us", "100000\n")];
        let longer = cpu(json!({"quota": 500_000, "period": 1_000_000}), &now);
        assert_eq!(longer, ["cpu.cfs_period_us 1000000", "cpu.cfs_quota_us 500000"]);
        let shorter = cpu(json!({"quota": 3000, "period": 10_000}), &now);
        assert_eq!(shorter, ["cpu.cfs_quota_us 3000", "cpu.cfs_period_us 10000"]);
    }

    #[test]
    fn a_smaller_burst_goes_before_the_quota_and_a_larger_one_after() {
        let now = [("cpu.cfs_burst_us", "5000\n")];
        assert_eq!(
            cpu(json!({"quota": 3000, "burst": 1000}), &now),
            ["cpu.cfs_burst_us 1000", "cpu.cfs_quota_us 3000"]
        );
        assert_eq!(
            cpu(json!({"quota": 9000, "burst": 8000}), &now),
            ["cpu.cfs_quota_us 9000", "cpu.cfs_burst_us 8000"]
        );
        assert_eq!(cpu(json!({"burst": 0}), &now), ["cpu.cfs_burst_us 0"]);
    }

    #[test]
    fn weight_is_set_only_while_the_group_is_not_idle() {
        let idle = [("cpu.idle", "1\n")];
        assert_eq!(cpu(json!({"shares": 100, "idle": 0}), &idle), ["cpu.idle 0", "cpu.shares 100"]);
        assert_eq!(cpu(json!({"shares": 100, "idle": 1}), &[]), ["cpu.shares 100", "cpu.idle 1"]);
        assert_eq!(cpu(json!({"shares": 100, "idle": 1}), &idle), ["cpu.idle 1"]);
        assert_eq!(cpu(json!({"idle": 7}), &[]), ["cpu.idle 7"]);
    }

    #[test]
    fn real_time_values_never_cross() {
        let now = [("cpu.rt_period_us", "1000000\n")];
        let wide = cpu(json!({"realtimeRuntime": 950_000, "realtimePeriod": 2_000_000}), &now);
        assert_eq!(wide, ["cpu.rt_period_us 2000000", "cpu.rt_runtime_us 950000"]);
        let narrow = cpu(json!({"realtimeRuntime": 100, "realtimePeriod": 1000}), &now);
        assert_eq!(narrow, ["cpu.rt_runtime_us 100", "cpu.rt_period_us 1000"]);
        let config = resources(json!({"cpu": {"shares": 7, "realtimeRuntime": 100}}));
        assert_eq!(lines(realtime_writes(&config, &files(&now))), ["cpu.rt_runtime_us 100"]);
    }
}
