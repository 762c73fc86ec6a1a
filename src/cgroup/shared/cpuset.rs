//! cpuset: which CPUs and memory nodes the container may use.

use oci_spec::runtime::LinuxResources;

use crate::cgroup::write::{Current, List, Write};
use crate::report::Result;

pub fn writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("cpuset");
    let Some(cpu) = resources.cpu() else { return list.done() };
    if let Some(cpus) = cpu.cpus().as_deref().filter(|cpus| !cpus.is_empty()) {
        list.push("cpuset.cpus", cpus, "cpu/cpus");
    }
    if let Some(mems) = cpu.mems().as_deref().filter(|mems| !mems.is_empty()) {
        list.push("cpuset.mems", mems, "cpu/mems");
    }
    list.done()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    #[test]
    fn lists_go_as_they_are_and_empty_ones_not_at_all() {
        for (config, expected) in [
            (json!({}), vec![]),
            (json!({"cpu": {"cpus": "", "mems": ""}}), vec![]),
            (json!({"cpu": {"cpus": "0-1", "mems": "0"}}), vec!["cpuset.cpus 0-1", "cpuset.mems 0"]),
        ] {
            assert_eq!(lines(writes(&resources(config), &files(&[]))), expected);
        }
    }
}
