//! net_cls and net_prio have no successor in v2: packets are classified by cgroup path (iptables, BPF).

use oci_spec::runtime::LinuxResources;

use crate::cgroup::write::{Current, Write, unsupported};
use crate::report::Result;

pub fn writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    let Some(network) = resources.network() else { return Ok(Vec::new()) };
    if network.class_id().is_some_and(|class| class != 0) {
        return Err(unsupported("network/classID", "cgroup v2 has no net_cls.classid"));
    }
    if network.priorities().as_ref().is_some_and(|priorities| !priorities.is_empty()) {
        return Err(unsupported("network/priorities", "cgroup v2 has no net_prio.ifpriomap"));
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    #[test]
    fn only_what_is_really_asked_for_is_refused() {
        for (network, expected) in [
            (json!({}), None),
            (json!({"classID": 0, "priorities": []}), None),
            (json!({"classID": 7}), Some("net_cls.classid")),
            (json!({"priorities": [{"name": "lo", "priority": 1}]}), Some("net_prio.ifpriomap")),
        ] {
            let found = lines(writes(&resources(json!({"network": network})), &files(&[])));
            assert_eq!(found.is_empty(), expected.is_none(), "{found:?}");
            assert!(expected.is_none_or(|file| found[0].contains(file)), "{found:?}");
        }
    }
}
