//! CPU scheduling, I/O priority, CPU affinity, memory policy.
use super::Result;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedulerAttributes {
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// sched_setattr(2) on this process.
pub fn set_scheduler(attributes: &SchedulerAttributes) -> Result<()> {
    todo!()
}
/// ioprio_set(IOPRIO_WHO_PGRP, 0, class << 13 | level), class 1 real-time, 2 best-effort, 3 idle.
pub fn set_io_priority(class: u8, level: u8) -> Result<()> {
    todo!()
}
/// sched_setaffinity of `pid` (0 = self); an empty list means every CPU number that the mask can hold (the cpuset narrows it).
pub fn set_cpu_affinity(pid: nix::unistd::Pid, cpus: &[u32]) -> Result<()> {
    todo!()
}
/// `0-3,7` -> numbers; None if malformed.
pub fn parse_cpu_list(list: &str) -> Option<Vec<u32>> {
    todo!()
}
/// set_mempolicy(2).
pub fn set_memory_policy(mode: u32, flags: u32, nodes: &[u32]) -> Result<()> {
    todo!()
}
