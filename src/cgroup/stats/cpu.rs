//! CPU time and throttling: v1's cpuacct and cpu, v2's cpu.stat (there even where the controller is not).

use super::layout::{CpuUsage, Throttling};
use super::parse::{malformed, number_or_zero, numbers, pairs, parsing, unsigned};
use crate::cgroup::write::Current;
use crate::report::{Context, Result};

/// `cpuacct.stat` counts in ticks of USER_HZ, which is 100 on every architecture we run on.
const TICK: u64 = 1_000_000_000 / 100;
const MICROSECOND: u64 = 1000;

const STAT: &str = "cpu.stat";
const BY_MODE: &str = "cpuacct.usage_all";

pub fn v1_usage(now: &dyn Current) -> Result<CpuUsage> {
    let modes = pairs(now, "cpuacct.stat")?;
    let (percpu_user, percpu_kernel) = by_mode(&now.read(BY_MODE)?.unwrap_or_default())?;
    Ok(CpuUsage {
        total: number_or_zero(now, "cpuacct.usage")?,
        percpu: numbers(now, "cpuacct.usage_percpu")?,
        percpu_kernel,
        percpu_user,
        kernel: value(&modes, "system").saturating_mul(TICK),
        user: value(&modes, "user").saturating_mul(TICK),
    })
}

pub fn v1_throttling(now: &dyn Current) -> Result<Throttling> {
    let stat = pairs(now, STAT)?;
    Ok(throttling(&stat, value(&stat, "throttled_time")))
}

pub fn v2_usage(now: &dyn Current) -> Result<CpuUsage> {
    let stat = pairs(now, STAT)?;
    let time = |key| value(&stat, key).saturating_mul(MICROSECOND);
    Ok(CpuUsage {
        total: time("usage_usec"),
        kernel: time("system_usec"),
        user: time("user_usec"),
        ..CpuUsage::default()
    })
}

pub fn v2_throttling(now: &dyn Current) -> Result<Throttling> {
    let stat = pairs(now, STAT)?;
    Ok(throttling(&stat, value(&stat, "throttled_usec").saturating_mul(MICROSECOND)))
}

fn throttling(stat: &[(String, u64)], throttled_time: u64) -> Throttling {
    let (periods, throttled_periods) = (value(stat, "nr_periods"), value(stat, "nr_throttled"));
    Throttling { periods, throttled_periods, throttled_time }
}

fn value(pairs: &[(String, u64)], key: &str) -> u64 {
    pairs.iter().find(|(name, _)| name == key).map_or(0, |(_, value)| *value)
}

/// `cpu user system` and a line a CPU, in nanoseconds: what each CPU spent in user and in kernel mode.
fn by_mode(text: &str) -> Result<(Vec<u64>, Vec<u64>)> {
    let mut lines = text.lines();
    match lines.next() {
        None => return Ok((Vec::new(), Vec::new())),
        Some(title) if title.starts_with("cpu user system") => {}
        Some(title) => return Err(malformed(title, "cpu user system").context(parsing(BY_MODE))),
    }
    let columns = |line: &str| {
        let mut words = line.split(' ').skip(1);
        match (words.next(), words.next()) {
            (Some(user), Some(system)) => Ok((unsigned(user)?, unsigned(system)?)),
            _ => Err(malformed(line, "cpu user system")),
        }
    };
    lines.map(columns).collect::<Result<_>>().with_context(|| parsing(BY_MODE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    #[test]
    fn v1_time_is_in_nanoseconds_by_cpu_and_by_mode() {
        let now = files(&[
            ("cpuacct.usage", "3040506070\n"),
            ("cpuacct.usage_percpu", "3000000000 40506070 \n"),
            ("cpuacct.usage_all", "cpu user system\n0 2000000000 1000000000\n1 40000000 506070\n"),
            ("cpuacct.stat", "user 204\nsystem 100\n"),
        ]);
        let expected = CpuUsage {
            total: 3_040_506_070,
            percpu: vec![3_000_000_000, 40_506_070],
            percpu_kernel: vec![1_000_000_000, 506_070],
            percpu_user: vec![2_000_000_000, 40_000_000],
            kernel: 1_000_000_000,
            user: 2_040_000_000,
        };
        assert_eq!(v1_usage(&now).unwrap(), expected);
    }

    #[test]
    fn v1_throttling_is_in_nanoseconds_as_it_is_and_v2_is_converted() {
        let v1 = "nr_periods 20\nnr_throttled 7\nthrottled_time 1234567890\nnr_bursts 0\nburst_time 0\n";
        let expected = Throttling { periods: 20, throttled_periods: 7, throttled_time: 1_234_567_890 };
        assert_eq!(v1_throttling(&files(&[("cpu.stat", v1)])).unwrap(), expected);
        let v2 = "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnice_usec 0\nnr_periods 20\n\
                  nr_throttled 7\nthrottled_usec 1234567\nnr_bursts 0\nburst_usec 0\n";
        let now = files(&[("cpu.stat", v2)]);
        let expected = Throttling { throttled_time: 1_234_567_000, ..expected };
        assert_eq!(v2_throttling(&now).unwrap(), expected);
        let usage = v2_usage(&now).unwrap();
        assert_eq!((usage.total, usage.user, usage.kernel), (5_000_000, 3_000_000, 2_000_000));
        assert!(usage.percpu.is_empty());
    }

    #[test]
    fn without_the_controller_there_is_time_and_no_throttling() {
        let now = files(&[("cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnice_usec 0\n")]);
        assert_eq!(v2_throttling(&now).unwrap(), Throttling::default());
        assert_eq!(v2_usage(&now).unwrap().total, 5000);
        assert_eq!(v1_usage(&files(&[])).unwrap(), CpuUsage::default());
    }

    #[test]
    fn another_title_or_a_short_line_is_malformed() {
        for text in ["cpu system user\n0 1 2\n", "cpu user system\n0 1\n", "cpu user system\n0 a 2\n"] {
            let error = v1_usage(&files(&[("cpuacct.usage_all", text)])).unwrap_err().to_string();
            assert!(error.starts_with("parse cpuacct.usage_all: "), "{error}");
        }
        // A column that a later kernel may add is no reason to tell nothing.
        let wider = "cpu user system idle\n0 1 2 3\n";
        assert_eq!(v1_usage(&files(&[("cpuacct.usage_all", wider)])).unwrap().percpu_kernel, [2]);
    }
}
