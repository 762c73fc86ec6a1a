//! trug: an OCI low-level container runtime. Seal, parse, dispatch, exit status.
#![allow(dead_code)] // until the command line is wired

mod bundle;
mod cgroup;
mod container;
mod linux;
mod plan;
mod report;
mod stage;

fn main() {}
