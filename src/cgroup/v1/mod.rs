//! cgroup v1: one file a controller, from `linux.resources` to the writes it takes.

pub mod blkio;
pub mod cpu;
pub mod devices;
pub mod memory;
pub mod network;

use super::shared::{cpuset, hugetlb, pids, rdma};
use super::write::Rules;

/// Every controller that can be limited, in the order in which they are set. `devices` is first of those that
/// protect the host.
pub const CONTROLLERS: &[(&str, Rules)] = &[
    ("cpuset", cpuset::writes),
    ("devices", devices::writes),
    ("memory", memory::writes),
    ("cpu", cpu::writes),
    ("pids", pids::writes),
    ("blkio", blkio::writes),
    ("hugetlb", hugetlb::v1_writes),
    ("net_cls", network::class_writes),
    ("net_prio", network::priority_writes),
    ("rdma", rdma::writes),
];
