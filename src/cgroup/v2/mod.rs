//! cgroup v2: one file a controller, from `linux.resources` to the writes it takes. Values made for v1 are
//! converted.

pub mod cpu;
pub mod devices;
pub mod io;
pub mod memory;
pub mod network;
pub mod unified;

use super::shared::{cpuset, hugetlb, pids, rdma};
use super::write::Rules;

/// Every controller that is set by files, in the order in which they are set; devices and `unified` come
/// after.
pub const CONTROLLERS: &[(&str, Rules)] = &[
    ("pids", pids::writes),
    ("memory", memory::writes),
    ("io", io::writes),
    ("cpu", cpu::writes),
    ("cpuset", cpuset::writes),
    ("hugetlb", hugetlb::v2_writes),
    ("rdma", rdma::writes),
    ("net_cls", network::writes),
];
