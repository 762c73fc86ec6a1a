//! trug: an OCI low-level container runtime. Seal, parse, dispatch, exit status.

mod bundle;
mod cgroup;
mod container;
mod linux;
mod plan;
mod report;

fn main() {}
