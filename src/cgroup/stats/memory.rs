//! Memory: what is used, the most that was, and the limit. v1 counts swap together with memory and v2 apart;
//! callers get them together.

use super::layout::{Memory, MemoryEntry};
use super::parse::{number, number_or_zero, pairs};
use crate::cgroup::write::Current;
use crate::report::Result;

pub fn v1(now: &dyn Current) -> Result<Memory> {
    let raw = pairs(now, "memory.stat")?.into_iter().collect();
    Ok(Memory {
        cache: value(&raw, "cache"),
        usage: v1_entry(now, "memory")?,
        swap: v1_entry(now, "memory.memsw")?,
        kernel: v1_entry(now, "memory.kmem")?,
        kernel_tcp: v1_entry(now, "memory.kmem.tcp")?,
        raw,
        psi: None,
    })
}

pub fn v2(now: &dyn Current) -> Result<Memory> {
    let raw = pairs(now, "memory.stat")?.into_iter().collect();
    let usage = v2_entry(now, "memory")?;
    Ok(Memory {
        cache: value(&raw, "file"),
        usage,
        swap: together(usage, v2_entry(now, "memory.swap")?),
        raw,
        ..Memory::default()
    })
}

fn v1_entry(now: &dyn Current, counter: &str) -> Result<MemoryEntry> {
    // Without swap accounting, and on kernels that dropped a counter, there are no such files.
    let Some(usage) = number(now, &format!("{counter}.usage_in_bytes"))? else {
        return Ok(MemoryEntry::default());
    };
    Ok(MemoryEntry {
        limit: number_or_zero(now, &format!("{counter}.limit_in_bytes"))?,
        usage,
        max: number_or_zero(now, &format!("{counter}.max_usage_in_bytes"))?,
        failcnt: number_or_zero(now, &format!("{counter}.failcnt"))?,
    })
}

fn v2_entry(now: &dyn Current, counter: &str) -> Result<MemoryEntry> {
    let Some(usage) = number(now, &format!("{counter}.current"))? else { return Ok(MemoryEntry::default()) };
    Ok(MemoryEntry {
        limit: number_or_zero(now, &format!("{counter}.max"))?,
        usage,
        // Linux 5.19 for memory, 6.5 for swap.
        max: number_or_zero(now, &format!("{counter}.peak"))?,
        failcnt: 0,
    })
}

/// The two most are not of one moment, so there is no most of the sum.
fn together(memory: MemoryEntry, swap: MemoryEntry) -> MemoryEntry {
    MemoryEntry {
        limit: swap.limit.saturating_add(memory.limit),
        usage: swap.usage.saturating_add(memory.usage),
        max: 0,
        failcnt: 0,
    }
}

fn value(raw: &std::collections::BTreeMap<String, u64>, key: &str) -> u64 {
    raw.get(key).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    #[test]
    fn v1_has_four_counters_and_the_raw_table() {
        let now = files(&[
            ("memory.stat", "cache 4096\nrss 8192\ninactive_anon 0\nhierarchical_memory_limit 33554432\n"),
            ("memory.usage_in_bytes", "12288\n"),
            ("memory.max_usage_in_bytes", "20480\n"),
            ("memory.failcnt", "3\n"),
            ("memory.limit_in_bytes", "33554432\n"),
            ("memory.memsw.usage_in_bytes", "12289\n"),
            ("memory.memsw.max_usage_in_bytes", "20481\n"),
            ("memory.memsw.failcnt", "4\n"),
            ("memory.memsw.limit_in_bytes", "9223372036854771712\n"),
            ("memory.kmem.usage_in_bytes", "100\n"),
            ("memory.kmem.max_usage_in_bytes", "101\n"),
            ("memory.kmem.failcnt", "0\n"),
            ("memory.kmem.tcp.usage_in_bytes", "0\n"),
            ("memory.kmem.tcp.limit_in_bytes", "7\n"),
        ]);
        let found = v1(&now).unwrap();
        assert_eq!(found.cache, 4096);
        assert_eq!(found.usage, MemoryEntry { limit: 33_554_432, usage: 12288, max: 20480, failcnt: 3 });
        let unlimited = 9_223_372_036_854_771_712;
        assert_eq!(found.swap, MemoryEntry { limit: unlimited, usage: 12289, max: 20481, failcnt: 4 });
        // A kernel without memory.kmem.limit_in_bytes.
        assert_eq!(found.kernel, MemoryEntry { limit: 0, usage: 100, max: 101, failcnt: 0 });
        assert_eq!(found.kernel_tcp, MemoryEntry { limit: 7, usage: 0, max: 0, failcnt: 0 });
        assert_eq!((found.raw.len(), found.raw["rss"]), (4, 8192));
    }

    #[test]
    fn v2_swap_is_told_together_with_memory() {
        let with = |swap: &[(&str, &str)]| {
            let memory = [
                ("memory.stat", "anon 8192\nfile 4096\nkernel 100\n"),
                ("memory.current", "12288\n"),
                ("memory.max", "33554432\n"),
                ("memory.peak", "20480\n"),
            ];
            v2(&files(&[&memory, swap].concat())).unwrap()
        };
        let found = with(&[
            ("memory.swap.current", "100\n"),
            ("memory.swap.max", "1000\n"),
            ("memory.swap.peak", "9\n"),
        ]);
        assert_eq!(found.cache, 4096);
        assert_eq!(found.usage, MemoryEntry { limit: 33_554_432, usage: 12288, max: 20480, failcnt: 0 });
        assert_eq!(found.swap, MemoryEntry { limit: 33_555_432, usage: 12388, max: 0, failcnt: 0 });
        let found = with(&[("memory.swap.current", "0\n"), ("memory.swap.max", "max\n")]);
        assert_eq!(found.swap.limit, u64::MAX);
        // Without swap accounting memory is all there is.
        assert_eq!(with(&[]).swap, MemoryEntry { limit: 33_554_432, usage: 12288, max: 0, failcnt: 0 });
    }

    #[test]
    fn a_cgroup_without_the_controller_has_no_memory() {
        assert_eq!(v1(&files(&[])).unwrap(), Memory::default());
        assert_eq!(v2(&files(&[])).unwrap(), Memory::default());
    }
}
