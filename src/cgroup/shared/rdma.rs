//! rdma: handles and objects of host channel adapters.

use std::collections::BTreeMap;

use oci_spec::runtime::LinuxResources;

use crate::bundle::pointer::token;
use crate::cgroup::write::{Current, List, Write};
use crate::report::Result;

pub fn writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("rdma");
    let Some(devices) = resources.rdma() else { return list.done() };
    for (device, limits) in devices.iter().collect::<BTreeMap<_, _>>() {
        let mut line = device.clone();
        if let Some(handles) = limits.hca_handles() {
            line += &format!(" hca_handle={handles}");
        }
        if let Some(objects) = limits.hca_objects() {
            line += &format!(" hca_object={objects}");
        }
        list.push("rdma.max", line, &format!("rdma/{}", token(device)));
    }
    list.done()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    #[test]
    fn each_device_is_a_line_in_the_order_of_names() {
        let config = json!({"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000},
                                     "mlx4_0": {"hcaObjects": 1}}});
        let expected = ["rdma.max mlx4_0 hca_object=1", "rdma.max mlx5_1 hca_handle=3 hca_object=10000"];
        assert_eq!(lines(writes(&resources(config), &files(&[]))), expected);
    }
}
