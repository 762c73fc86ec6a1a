//! memory: what holds in v1 and in v2.

use crate::cgroup::write::invalid;
use crate::report::Result;

/// Refuses memory and swap together (`memory.swap` of config.json) that are less than memory alone.
pub fn check_order(limit: i64, swap: i64) -> Result<()> {
    if swap < limit {
        return Err(invalid("memory/swap", "memory+swap limit should be >= memory limit"));
    }
    Ok(())
}
