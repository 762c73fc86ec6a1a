//! Controllers whose files mean the same in v1 and v2.

pub mod cpuset;
pub mod hugetlb;
pub mod memory;
pub mod pids;
pub mod rdma;
