//! The statistics as `events` prints them: names, order and omissions are those that callers of runc decode
//! (its types/events.go).

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// All that the cgroup controllers tell of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    pub cpu: Cpu,
    pub cpuset: CpuSet,
    pub memory: Memory,
    pub pids: Pids,
    pub blkio: Blkio,
    /// By page size, `2MB`.
    pub hugetlb: BTreeMap<String, Hugetlb>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cpu {
    #[serde(skip_serializing_if = "is_default")]
    pub usage: CpuUsage,
    #[serde(skip_serializing_if = "is_default")]
    pub throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// CPU time in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CpuUsage {
    #[serde(skip_serializing_if = "is_default")]
    pub total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    pub kernel: u64,
    pub user: u64,
}

/// How the CPU quota bit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    #[serde(skip_serializing_if = "is_default")]
    pub periods: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_periods: u64,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_time: u64,
}

/// A v1 cpuset; v2 has none of these files, and reports none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CpuSet {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    pub cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// Bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Memory {
    #[serde(skip_serializing_if = "is_default")]
    pub cache: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub usage: MemoryEntry,
    /// Memory and swap together, in v2 too.
    #[serde(skip_serializing_if = "is_default")]
    pub swap: MemoryEntry,
    #[serde(skip_serializing_if = "is_default")]
    pub kernel: MemoryEntry,
    #[serde(rename = "kernelTCP", skip_serializing_if = "is_default")]
    pub kernel_tcp: MemoryEntry,
    /// `memory.stat`, line by line.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One counter of memory, in bytes; no limit is the highest number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MemoryEntry {
    pub limit: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    /// How often the limit was hit; v1 only.
    pub failcnt: u64,
}

/// Tasks; no limit is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    #[serde(skip_serializing_if = "is_default")]
    pub current: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub limit: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_queue_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// A count for one device and one kind of operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlkioEntry {
    #[serde(skip_serializing_if = "is_default")]
    pub major: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub minor: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    #[serde(skip_serializing_if = "is_default")]
    pub value: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hugetlb {
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    pub failcnt: u64,
}

/// Pressure stall information: the share of time in which some, or all, tasks waited for a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pressure {
    #[serde(skip_serializing_if = "is_default")]
    pub some: Stall,
    #[serde(skip_serializing_if = "is_default")]
    pub full: Stall,
}

/// Percent over the last 10, 60 and 300 seconds, and microseconds in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Stall {
    #[serde(serialize_with = "percent")]
    pub avg10: f64,
    #[serde(serialize_with = "percent")]
    pub avg60: f64,
    #[serde(serialize_with = "percent")]
    pub avg300: f64,
    pub total: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Go writes a whole number without a point.
fn percent<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match value.fract() == 0.0 && (0.0..=1e9).contains(value) {
        true => serializer.serialize_u64(*value as u64),
        false => serializer.serialize_f64(*value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_zero_is_left_out_where_runc_leaves_it_out() {
        let expected = concat!(
            r#"{"cpu":{},"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"#,
            r#""memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"#,
            r#""sched_relax_domain_level":0},"memory":{},"pids":{},"blkio":{},"hugetlb":{}}"#
        );
        assert_eq!(serde_json::to_string(&Stats::default()).unwrap(), expected);
    }

    #[test]
    fn fields_have_runcs_names_and_order() {
        let entry = MemoryEntry { limit: 1, usage: 2, max: 3, failcnt: 4 };
        let stall = Stall { avg10: 1.5, avg60: 2.0, avg300: 0.0, total: 9 };
        let stats = Stats {
            cpu: Cpu {
                usage: CpuUsage {
                    total: 1,
                    percpu: vec![1],
                    percpu_kernel: vec![2],
                    percpu_user: vec![3],
                    kernel: 0,
                    user: 5,
                },
                throttling: Throttling { periods: 1, throttled_periods: 2, throttled_time: 3 },
                psi: Some(Pressure { some: stall, full: Stall::default() }),
            },
            memory: Memory {
                cache: 7,
                usage: entry,
                kernel_tcp: MemoryEntry { limit: 5, ..MemoryEntry::default() },
                raw: BTreeMap::from([("b".to_owned(), 2), ("a".to_owned(), 1)]),
                ..Memory::default()
            },
            blkio: Blkio {
                io_queue_recursive: vec![BlkioEntry {
                    major: 8,
                    op: "Read".to_owned(),
                    ..BlkioEntry::default()
                }],
                ..Blkio::default()
            },
            hugetlb: BTreeMap::from([("2MB".to_owned(), Hugetlb::default())]),
            ..Stats::default()
        };
        let text = serde_json::to_string(&stats).unwrap();
        for part in [
            r#""cpu":{"usage":{"total":1,"percpu":[1],"percpu_kernel":[2],"percpu_user":[3],"kernel":0,"user":5},"#,
            r#""throttling":{"periods":1,"throttledPeriods":2,"throttledTime":3},"#,
            r#""psi":{"some":{"avg10":1.5,"avg60":2,"avg300":0,"total":9}}}"#,
            r#""memory":{"cache":7,"usage":{"limit":1,"usage":2,"max":3,"failcnt":4},"#,
            r#""kernelTCP":{"limit":5,"failcnt":0},"raw":{"a":1,"b":2}}"#,
            r#""blkio":{"ioQueueRecursive":[{"major":8,"op":"Read"}]}"#,
            r#""hugetlb":{"2MB":{"failcnt":0}}"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
