//! The table: each field of `linux.resources`, and what the kernel then says.

use serde_json::{Value, json};

use super::disk::Disk;
use crate::support::container::{Driver, driver};

/// What comes of a field.
#[derive(Clone)]
pub enum Seen {
    /// Each of these files of the cgroup has this line.
    Reads(Vec<(&'static str, String)>),
    /// The value is refused, with these words beside the field's pointer.
    Refused(&'static [&'static str]),
    /// The layout has nothing like it, which is said so.
    Lacking(&'static [&'static str]),
}

pub struct Field {
    /// As config-linux.md has it, below `linux.resources`.
    pub name: &'static str,
    pub resources: Value,
    pub v1: Seen,
    pub v2: Seen,
}

impl Field {
    /// Of version 1.
    pub fn controller(&self) -> &'static str {
        match self.name.split('/').next() {
            Some("cpu") if matches!(self.name, "cpu/cpus" | "cpu/mems") => "cpuset",
            Some("blockIO") => "blkio",
            Some("hugepageLimits") => "hugetlb",
            Some("network") if self.name == "network/classID" => "net_cls",
            Some("network") => "net_prio",
            Some("unified") => "",
            Some(other) => other,
            None => self.name,
        }
    }
}

fn field(name: &'static str, resources: Value, v1: Seen, v2: Seen) -> Field {
    Field { name, resources, v1, v2 }
}

fn reads(file: &'static str, line: impl ToString) -> Seen {
    Seen::Reads(vec![(file, line.to_string())])
}

fn both(one: Seen, other: Seen) -> Seen {
    match (one, other) {
        (Seen::Reads(one), Seen::Reads(other)) => Seen::Reads([one, other].concat()),
        (one, _) => one,
    }
}

const MIB: u64 = 1 << 20;
/// What v1 shows of memory without a limit, in pages of 4 KiB.
const UNLIMITED: u64 = (i64::MAX as u64) & !4095;
const NO_V1: Seen = Seen::Refused(&["cannot use unified on cgroup v1"]);

pub fn memory() -> Vec<Field> {
    let limited = |more: Value| {
        let mut memory = json!({"limit": 64 * MIB});
        memory
            .as_object_mut()
            .into_iter()
            .for_each(|fields| fields.extend(more.as_object().cloned().into_iter().flatten()));
        json!({ "memory": memory })
    };
    let (v1_limit, v2_limit) = (reads("memory.limit_in_bytes", 64 * MIB), reads("memory.max", 64 * MIB));
    vec![
        field("memory/limit", limited(json!({})), v1_limit.clone(), v2_limit.clone()),
        field(
            "memory/limit",
            json!({"memory": {"limit": -1}}),
            both(reads("memory.limit_in_bytes", UNLIMITED), reads("memory.memsw.limit_in_bytes", UNLIMITED)),
            both(reads("memory.max", "max"), reads("memory.swap.max", "max")),
        ),
        field("memory/limit", json!({"Memory": {"LIMIT": 64 * MIB}}), v1_limit.clone(), v2_limit.clone()),
        field(
            "memory/reservation",
            json!({"memory": {"reservation": 32 * MIB}}),
            reads("memory.soft_limit_in_bytes", 32 * MIB),
            reads("memory.low", 32 * MIB),
        ),
        field(
            "memory/swap",
            limited(json!({"swap": 96 * MIB})),
            both(v1_limit.clone(), reads("memory.memsw.limit_in_bytes", 96 * MIB)),
            both(v2_limit.clone(), reads("memory.swap.max", 32 * MIB)),
        ),
        field(
            "memory/swap",
            limited(json!({"swap": 64 * MIB})),
            reads("memory.memsw.limit_in_bytes", 64 * MIB),
            reads("memory.swap.max", 0),
        ),
        field(
            "memory/swap",
            limited(json!({"swap": -1})),
            reads("memory.memsw.limit_in_bytes", UNLIMITED),
            reads("memory.swap.max", "max"),
        ),
        // The kernel has no such limits any more, and runc sets them no more either.
        field(
            "memory/kernel",
            limited(json!({"kernel": 32 * MIB})),
            both(v1_limit.clone(), reads("memory.kmem.limit_in_bytes", UNLIMITED)),
            v2_limit.clone(),
        ),
        field(
            "memory/kernelTCP",
            limited(json!({"kernelTCP": 32 * MIB})),
            both(v1_limit.clone(), reads("memory.kmem.tcp.limit_in_bytes", UNLIMITED)),
            v2_limit.clone(),
        ),
        field(
            "memory/swappiness",
            limited(json!({"swappiness": 10})),
            reads("memory.swappiness", 10),
            Seen::Lacking(&["memory.swappiness"]),
        ),
        field(
            "memory/swappiness",
            limited(json!({"swappiness": 101})),
            Seen::Refused(&["0-100"]),
            Seen::Lacking(&[]),
        ),
        field(
            "memory/disableOOMKiller",
            limited(json!({"disableOOMKiller": true})),
            reads("memory.oom_control", "oom_kill_disable 1"),
            Seen::Lacking(&["memory.oom_control"]),
        ),
        field(
            "memory/disableOOMKiller",
            limited(json!({"disableOOMKiller": false})),
            reads("memory.oom_control", "oom_kill_disable 0"),
            v2_limit.clone(),
        ),
        field(
            "memory/useHierarchy",
            limited(json!({"useHierarchy": true})),
            reads("memory.use_hierarchy", 1),
            v2_limit.clone(),
        ),
        field(
            "memory/useHierarchy",
            limited(json!({"useHierarchy": false})),
            Seen::Refused(&["memory.use_hierarchy"]),
            Seen::Lacking(&["always hierarchical"]),
        ),
        field("memory/checkBeforeUpdate", limited(json!({"checkBeforeUpdate": true})), v1_limit, v2_limit),
    ]
}

pub fn cpu() -> Vec<Field> {
    let bandwidth =
        |quota: i64, period: u64| both(reads("cpu.cfs_quota_us", quota), reads("cpu.cfs_period_us", period));
    // systemd counts in whole percents, and must not be told another value than the kernel.
    let rounded = match driver() {
        Driver::Cgroupfs => 20_100,
        Driver::Systemd => 21_000,
    };
    vec![
        field(
            "cpu/shares",
            json!({"cpu": {"shares": 512}}),
            reads("cpu.shares", 512),
            reads("cpu.weight", 59),
        ),
        field(
            "cpu/shares",
            json!({"cpu": {"shares": 1}}),
            Seen::Refused(&["minimum allowed"]),
            reads("cpu.weight", 1),
        ),
        field(
            "cpu/quota",
            json!({"cpu": {"quota": 20_000, "period": 100_000}}),
            bandwidth(20_000, 100_000),
            reads("cpu.max", "20000 100000"),
        ),
        field(
            "cpu/quota",
            json!({"cpu": {"quota": 20_100, "period": 100_000}}),
            bandwidth(rounded, 100_000),
            reads("cpu.max", format!("{rounded} 100000")),
        ),
        field(
            "cpu/quota",
            json!({"cpu": {"quota": -1, "period": 50_000}}),
            bandwidth(-1, 50_000),
            reads("cpu.max", "max 50000"),
        ),
        field(
            "cpu/period",
            json!({"cpu": {"period": 50_000}}),
            bandwidth(-1, 50_000),
            reads("cpu.max", "max 50000"),
        ),
        field(
            "cpu/period",
            json!({"cpu": {"period": 1}}),
            Seen::Refused(&["cpu.cfs_period_us"]),
            Seen::Refused(&["cpu.max"]),
        ),
        field(
            "cpu/burst",
            json!({"cpu": {"quota": 20_000, "period": 100_000, "burst": 10_000}}),
            reads("cpu.cfs_burst_us", 10_000),
            reads("cpu.max.burst", 10_000),
        ),
        field(
            "cpu/burst",
            json!({"cpu": {"quota": 20_000, "burst": 30_000}}),
            Seen::Refused(&["cpu.cfs_burst_us"]),
            Seen::Refused(&["cpu.max.burst"]),
        ),
        field(
            "cpu/realtimeRuntime",
            json!({"cpu": {"realtimeRuntime": 5000}}),
            reads("cpu.rt_runtime_us", 5000),
            Seen::Lacking(&["cpu.rt_runtime_us"]),
        ),
        field(
            "cpu/realtimePeriod",
            json!({"cpu": {"realtimePeriod": 500_000}}),
            reads("cpu.rt_period_us", 500_000),
            Seen::Lacking(&["cpu.rt_period_us"]),
        ),
        field("cpu/idle", json!({"cpu": {"idle": 1}}), reads("cpu.idle", 1), reads("cpu.idle", 1)),
        field("cpu/idle", json!({"cpu": {"idle": 0}}), reads("cpu.idle", 0), reads("cpu.idle", 0)),
        field(
            "cpu/idle",
            json!({"cpu": {"idle": 2}}),
            Seen::Refused(&["cpu.idle"]),
            Seen::Refused(&["cpu.idle"]),
        ),
    ]
}

pub fn cpuset() -> Vec<Field> {
    let (cpus, mems) = (reads("cpuset.cpus", 0), reads("cpuset.mems", 0));
    let none = |text: &str| json!({"cpu": {"cpus": text}});
    vec![
        field("cpu/cpus", json!({"cpu": {"cpus": "0"}}), cpus.clone(), cpus),
        field("cpu/mems", json!({"cpu": {"mems": "0"}}), mems.clone(), mems),
        field("cpu/cpus", none("4096"), Seen::Refused(&["cpuset.cpus"]), Seen::Refused(&[])),
        field(
            "cpu/cpus",
            none("0-4294967295"),
            Seen::Refused(&["cpuset.cpus"]),
            Seen::Refused(&["0-4294967295"]),
        ),
    ]
}

pub fn pids() -> Vec<Field> {
    [(33, "33"), (-1, "max"), (0, "1")]
        .map(|(limit, text)| {
            field(
                "pids/limit",
                json!({"pids": {"limit": limit}}),
                reads("pids.max", text),
                reads("pids.max", text),
            )
        })
        .into()
}

pub fn block_io(disk: &Disk) -> Vec<Field> {
    let (major, minor, number) = (disk.major, disk.minor, disk.number());
    let block_io = |key: &str, value: Value| json!({"blockIO": {key: value}});
    let one = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let weight_device =
        |key: &str| block_io("weightDevice", json!([{"major": major, "minor": minor, key: 500}]));
    let throttle = |name: &'static str, file: &'static str, key: &str, rate: u64| {
        let all = ["rbps", "wbps", "riops", "wiops"].map(|known| match known == key {
            true => format!("{key}={rate}"),
            false => format!("{known}=max"),
        });
        let config = block_io(name.trim_start_matches("blockIO/"), one(rate));
        field(
            name,
            config,
            reads(file, format!("{number} {rate}")),
            reads("io.max", format!("{number} {}", all.join(" "))),
        )
    };
    // BFQ, where it is in the kernel, has a file of its own and keeps v1's numbers.
    let v2_weight = match disk.has_bfq_file() {
        true => ("io.bfq.weight", "500"),
        false => ("io.weight", "4950"),
    };
    vec![
        field(
            "blockIO/weight",
            block_io("weight", json!(500)),
            reads("blkio.bfq.weight", 500),
            reads(v2_weight.0, format!("default {}", v2_weight.1)),
        ),
        field(
            "blockIO/weightDevice",
            weight_device("weight"),
            reads("blkio.bfq.weight_device", format!("{number} 500")),
            reads(v2_weight.0, format!("{number} {}", v2_weight.1)),
        ),
        field(
            "blockIO/leafWeight",
            block_io("leafWeight", json!(500)),
            reads("blkio.leaf_weight", 500),
            Seen::Lacking(&["blkio.leaf_weight"]),
        ),
        field(
            "blockIO/weightDevice",
            weight_device("leafWeight"),
            reads("blkio.leaf_weight_device", format!("{number} 500")),
            Seen::Lacking(&["blkio.leaf_weight_device"]),
        ),
        throttle("blockIO/throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps", MIB),
        throttle("blockIO/throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps", 2 * MIB),
        throttle("blockIO/throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops", 100),
        throttle("blockIO/throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops", 200),
    ]
}

pub fn huge_pages() -> Vec<Field> {
    let limit = |size: &str| json!({"hugepageLimits": [{"pageSize": size, "limit": 4 * MIB}]});
    vec![
        field(
            "hugepageLimits",
            limit("2MB"),
            both(
                reads("hugetlb.2MB.limit_in_bytes", 4 * MIB),
                reads("hugetlb.2MB.rsvd.limit_in_bytes", 4 * MIB),
            ),
            both(reads("hugetlb.2MB.max", 4 * MIB), reads("hugetlb.2MB.rsvd.max", 4 * MIB)),
        ),
        // No machine has pages of this size.
        field(
            "hugepageLimits",
            limit("3MB"),
            Seen::Refused(&["hugetlb.3MB.limit_in_bytes"]),
            Seen::Refused(&["hugetlb.3MB.max"]),
        ),
    ]
}

pub fn network() -> Vec<Field> {
    vec![
        field(
            "network/classID",
            json!({"network": {"classID": 1_048_577}}),
            reads("net_cls.classid", 1_048_577),
            Seen::Lacking(&["net_cls.classid"]),
        ),
        field(
            "network/priorities",
            json!({"network": {"priorities": [{"name": "lo", "priority": 7}]}}),
            reads("net_prio.ifpriomap", "lo 7"),
            Seen::Lacking(&["net_prio.ifpriomap"]),
        ),
    ]
}

pub fn rdma() -> Vec<Field> {
    // No machine has this one: the kernel says so, and it is a matter of this field's.
    let refused = Seen::Refused(&["rdma.max", "hca_handle=3 hca_object=10000"]);
    vec![field(
        "rdma",
        json!({"rdma": {"nothing0": {"hcaHandles": 3, "hcaObjects": 10_000}}}),
        refused.clone(),
        refused,
    )]
}

pub fn unified() -> Vec<Field> {
    let over = json!({
        "memory": {"limit": 64 * MIB},
        "pids": {"limit": 5},
        "unified": {
            "memory.max": "50331648", "memory.high": "41943040", "memory.min": "4096", "memory.oom.group": "1", "pids.max": "77",
            "cpu.weight": "42", "cpu.max": "30000 60000"
        }
    });
    let lines = [
        ("memory.max", "50331648"),
        ("memory.high", "41943040"),
        ("memory.min", "4096"),
        ("memory.oom.group", "1"),
        ("pids.max", "77"),
        ("cpu.weight", "42"),
        ("cpu.max", "30000 60000"),
    ];
    let held = Seen::Reads(lines.map(|(file, line)| (file, line.to_string())).into());
    vec![
        field("unified", over, NO_V1, held),
        field("unified", json!({"unified": {"nothing.max": "1"}}), NO_V1, Seen::Refused(&["nothing.max"])),
        field(
            "unified",
            json!({"unified": {"memory/max": "1"}}),
            Seen::Refused(&["memory~1max"]),
            Seen::Refused(&["memory~1max"]),
        ),
    ]
}
