//! config.json -> Plan: all deciding, no side effects.

pub mod compile;
pub mod exec;
pub mod seccomp;
pub mod types;

mod cgroup_mount;
mod delegation;
mod devices;
mod hooks;
pub mod memory_policy;
mod namespaces;
mod net_devices;
mod options;
mod process;
mod resources;
mod rootfs;
mod rootfs_order;
mod steps;
mod sysctl;
pub mod words;

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod golden;

pub use rootfs::NOTIFY;
pub use types::*;
