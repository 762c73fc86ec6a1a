//! net_cls and net_prio of v1: the class of the container's packets, and their priority by interface.

use oci_spec::runtime::LinuxResources;

use crate::cgroup::write::{Current, List, Write};
use crate::report::Result;

pub fn class_writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("net_cls");
    let class = resources.network().as_ref().and_then(|network| network.class_id());
    if let Some(class) = class.filter(|class| *class != 0) {
        list.push("net_cls.classid", class, "network/classID");
    }
    list.done()
}

pub fn priority_writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("net_prio");
    let priorities = resources.network().iter().flat_map(|network| network.priorities().iter().flatten());
    for (index, interface) in priorities.enumerate() {
        let line = format!("{} {}", interface.name(), interface.priority());
        list.push("net_prio.ifpriomap", line, &format!("network/priorities/{index}"));
    }
    list.done()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    #[test]
    fn a_class_and_each_priority_are_one_write() {
        let config = resources(json!({"network": {"classID": 1_048_577,
            "priorities": [{"name": "eth0", "priority": 500}, {"name": "lo", "priority": 7}]}}));
        assert_eq!(lines(class_writes(&config, &files(&[]))), ["net_cls.classid 1048577"]);
        assert_eq!(
            lines(priority_writes(&config, &files(&[]))),
            ["net_prio.ifpriomap eth0 500", "net_prio.ifpriomap lo 7"]
        );
        let unset = resources(json!({"network": {"classID": 0}}));
        assert!(lines(class_writes(&unset, &files(&[]))).is_empty());
    }
}
