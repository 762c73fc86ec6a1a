//! pids: how many tasks there may be.

use oci_spec::runtime::LinuxResources;

use crate::cgroup::write::{Current, List, Write};
use crate::report::Result;

pub fn writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("pids");
    let Some(pids) = resources.pids() else { return list.done() };
    let value = match pids.limit() {
        ..=-1 => "max".to_owned(),
        // systemd has no limit of 0; runc takes 1 in both drivers, and a container with 0 could not exec
        // either.
        0 => "1".to_owned(),
        limit => limit.to_string(),
    };
    list.push("pids.max", value, "pids/limit");
    list.done()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    #[test]
    fn minus_one_is_no_limit_and_zero_is_one() {
        for (limit, expected) in [(-1, "pids.max max"), (0, "pids.max 1"), (20, "pids.max 20")] {
            let config = resources(json!({"pids": {"limit": limit}}));
            assert_eq!(lines(writes(&config, &files(&[]))), [expected]);
        }
        assert!(lines(writes(&resources(json!({})), &files(&[]))).is_empty());
    }
}
