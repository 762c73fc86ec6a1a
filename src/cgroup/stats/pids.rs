//! How many tasks there are, and may be.

use super::layout::Pids;
use super::parse::{number, number_or_zero};
use crate::cgroup::write::Current;
use crate::report::Result;

pub fn v1(now: &dyn Current) -> Result<Pids> {
    Ok(counted(now)?.unwrap_or_default())
}

/// Without the controller the processes are counted one by one (a threaded cgroup lists none).
pub fn v2(now: &dyn Current) -> Result<Pids> {
    match counted(now)? {
        Some(pids) => Ok(pids),
        None => {
            let listed = now.read("cgroup.procs")?.unwrap_or_default();
            Ok(Pids { current: listed.lines().count() as u64, limit: 0 })
        }
    }
}

fn counted(now: &dyn Current) -> Result<Option<Pids>> {
    let Some(current) = number(now, "pids.current")? else { return Ok(None) };
    let limit = match number_or_zero(now, "pids.max")? {
        u64::MAX => 0,
        limit => limit,
    };
    Ok(Some(Pids { current, limit }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    #[test]
    fn no_limit_is_zero() {
        for (max, limit) in [("max\n", 0), ("20\n", 20)] {
            let now = files(&[("pids.current", "3\n"), ("pids.max", max)]);
            assert_eq!(v1(&now).unwrap(), Pids { current: 3, limit });
            assert_eq!(v2(&now).unwrap(), Pids { current: 3, limit });
        }
    }

    #[test]
    fn v2_without_the_controller_counts_processes() {
        let now = files(&[("cgroup.procs", "1\n20\n300\n")]);
        assert_eq!(v2(&now).unwrap(), Pids { current: 3, limit: 0 });
        assert_eq!(v1(&now).unwrap(), Pids::default());
    }
}
