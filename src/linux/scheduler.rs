//! CPU scheduling, I/O priority, CPU affinity, memory policy.

use nix::unistd::Pid;

use super::syscall::done;
use super::{Errno, Result};

/// The highest number of a CPU or node that is taken, as runc has it, to bound the masks. Linux ends far below it.
const HIGHEST: u32 = 64 * 1024;
/// CONFIG_NR_CPUS is at most this.
const ALL_CPUS: usize = 8192;

/// The fields of struct sched_attr (`man 2 sched_setattr`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedulerAttributes {
    pub policy: u32,
    pub flags: u64,
    /// -20 to 19, for the non-real-time policies.
    pub nice: i32,
    /// 1 to 99, for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Nanoseconds, for SCHED_DEADLINE; so are the next two.
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// linux/sched/types.h, the first version, which every kernel takes.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// sched_setattr(2) on this process.
pub fn set_scheduler(attributes: &SchedulerAttributes) -> Result<()> {
    let raw = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: attributes.policy,
        flags: attributes.flags,
        nice: attributes.nice,
        priority: attributes.priority,
        runtime: attributes.runtime,
        deadline: attributes.deadline,
        period: attributes.period,
    };
    // SAFETY: the kernel reads `size` bytes of the structure, which outlives the call.
    done(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw, 0) })
}

/// ioprio_set(2) on our process group: class 1 real-time, 2 best-effort, 3 idle; level 0 to 7.
pub fn set_io_priority(class: u8, level: u8) -> Result<()> {
    /// linux/ioprio.h
    const IOPRIO_WHO_PGRP: libc::c_int = 2;
    const IOPRIO_CLASS_SHIFT: u32 = 13;
    let value = (u32::from(class) << IOPRIO_CLASS_SHIFT) | u32::from(level);
    // SAFETY: numbers.
    done(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PGRP, 0, value) })
}

/// sched_setaffinity(2) of `pid` (0: this process). An empty list means every CPU: the cpuset narrows it.
pub fn set_cpu_affinity(pid: Pid, cpus: &[u32]) -> Result<()> {
    let mask = match cpus.is_empty() {
        true => vec![u64::MAX; ALL_CPUS / 64],
        false => bits(cpus)?,
    };
    // SAFETY: the kernel reads the given number of bytes of the mask.
    done(unsafe {
        libc::syscall(libc::SYS_sched_setaffinity, pid.as_raw(), size_of_val(mask.as_slice()), mask.as_ptr())
    })
}

/// Our own affinity as one hexadecimal number, `0x3` for the first two CPUs.
pub fn cpu_affinity_mask() -> Result<String> {
    let mut mask = vec![0u64; HIGHEST as usize / 64 + 1];
    // SAFETY: the kernel writes at most the given number of bytes.
    done(unsafe {
        libc::syscall(libc::SYS_sched_getaffinity, 0, size_of_val(mask.as_slice()), mask.as_mut_ptr())
    })?;
    let digits: String = mask.iter().rev().map(|word| format!("{word:016x}")).collect();
    Ok(format!("0x{}", digits.trim_start_matches('0')))
}

/// The list format of `man 7 cpuset`, `0-3,7`, with spaces around and empty elements allowed as runc does.
/// None if malformed, backwards, too high, or if there is no number in it at all.
pub fn parse_cpu_list(list: &str) -> Option<Vec<u32>> {
    let mut ranges = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        ranges.push((first, last));
    }
    // What two ranges share is counted out once: a long list of wide ranges costs no more than its text.
    ranges.sort_unstable();
    let mut numbers = Vec::new();
    let mut next = 0;
    for (first, last) in ranges {
        numbers.extend(next.max(first)..=last);
        next = next.max(last + 1);
    }
    (!numbers.is_empty()).then_some(numbers)
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= HIGHEST)
}

/// set_mempolicy(2). Mode and flags by linux/mempolicy.h; an empty list is the empty set of nodes.
pub fn set_memory_policy(mode: u32, flags: u32, nodes: &[u32]) -> Result<()> {
    let mask = bits(nodes)?;
    let (pointer, length) = match nodes.is_empty() {
        true => (std::ptr::null(), 0),
        // The kernel takes one bit less than it is told.
        false => (mask.as_ptr(), mask.len() * 64 + 1),
    };
    // SAFETY: the kernel reads `length` bits, rounded up to words, less one: all within the mask.
    done(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode | flags, pointer, length) })
}

fn bits(numbers: &[u32]) -> Result<Vec<u64>> {
    let highest = numbers.iter().copied().max().unwrap_or(0);
    if highest > HIGHEST {
        return Err(Errno::EINVAL);
    }
    let mut mask = vec![0u64; highest as usize / 64 + 1];
    for number in numbers {
        mask[*number as usize / 64] |= 1 << (number % 64);
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use nix::sched::{CpuSet, sched_getaffinity};

    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn a_cpu_list_is_numbers_and_ranges() {
        assert_eq!(parse_cpu_list("0-3,7"), Some(vec![0, 1, 2, 3, 7]));
        assert_eq!(parse_cpu_list("5, 1-2 ,,2,"), Some(vec![1, 2, 5]));
        assert_eq!(parse_cpu_list("65536"), Some(vec![65536]));
        for list in ["", ",", " ", "1-", "-1", "3-1", "a", "+1", "1 - 2", "1-2-3", "65537", "0-4294967295"] {
            assert_eq!(parse_cpu_list(list), None, "{list:?}");
        }
    }

    #[test]
    fn a_long_list_of_wide_ranges_costs_no_more_than_its_text() {
        let numbers = parse_cpu_list(&"0-65536,".repeat(100_000)).unwrap();
        assert_eq!((numbers.len(), numbers.last()), (65_537, Some(&65_536)));
    }

    #[test]
    fn affinity_becomes_what_is_asked_and_everything_when_nothing_is() {
        in_child(|| {
            let cpus = |set: CpuSet| (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap()).count();
            let all = cpus(sched_getaffinity(Pid::from_raw(0)).unwrap());
            set_cpu_affinity(Pid::from_raw(0), &[0]).unwrap();
            assert_eq!(cpus(sched_getaffinity(Pid::from_raw(0)).unwrap()), 1);
            set_cpu_affinity(Pid::from_raw(0), &[0, 5000, HIGHEST])
                .expect("what this machine lacks is passed over");
            assert_eq!(cpu_affinity_mask().unwrap(), "0x1");
            set_cpu_affinity(Pid::from_raw(0), &[]).unwrap();
            assert_eq!(cpus(sched_getaffinity(Pid::from_raw(0)).unwrap()), all);
            assert_eq!(set_cpu_affinity(Pid::from_raw(0), &[HIGHEST]), Err(Errno::EINVAL));
            assert_eq!(set_cpu_affinity(Pid::from_raw(0), &[HIGHEST + 1]), Err(Errno::EINVAL));
        });
    }

    #[test]
    fn a_scheduler_policy_is_set() {
        in_child(|| {
            set_scheduler(&SchedulerAttributes { policy: 3, nice: 5, ..Default::default() }).unwrap();
            // SAFETY: a number. (musl's function of that name only says ENOSYS.)
            let policy: libc::c_long = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
            assert_eq!(policy, libc::c_long::from(libc::SCHED_BATCH));
            let wrong = SchedulerAttributes { policy: 1, priority: 0, ..Default::default() };
            assert_eq!(set_scheduler(&wrong), Err(Errno::EINVAL));
        });
    }

    #[test]
    fn an_io_priority_is_set() {
        in_child(|| {
            set_io_priority(2, 4).unwrap();
            // SAFETY: numbers; IOPRIO_WHO_PROCESS is 1.
            let got = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) };
            assert_eq!(got, (2 << 13) | 4);
        });
    }

    #[test]
    fn a_memory_policy_is_set_for_nodes_that_exist() {
        in_child(|| {
            set_memory_policy(2, 0, &[0]).unwrap();
            let mut mode: libc::c_int = -1;
            let none = std::ptr::null_mut::<u64>();
            // SAFETY: the kernel writes one int.
            let got = unsafe { libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, none, 0, none, 0) };
            assert_eq!((got, mode), (0, 2));
        });
    }

    #[test]
    fn a_memory_policy_of_an_unknown_node_is_refused() {
        in_child(|| {
            // MPOL_DEFAULT takes no nodes; MPOL_BIND (2) needs some that exist.
            set_memory_policy(0, 0, &[]).unwrap();
            for nodes in [&[][..], &[63], &[64], &[8000], &[HIGHEST], &[HIGHEST + 1]] {
                assert_eq!(set_memory_policy(2, 0, nodes), Err(Errno::EINVAL), "{nodes:?}");
            }
        });
    }
}
