//! The v1 cpuset's files. v2 has other ones, and runc's layout no place for them.

use super::layout::CpuSet;
use super::parse::{malformed, number_or_zero, parsing};
use crate::cgroup::write::Current;
use crate::report::{Code, Context, Result};

pub fn v1(now: &dyn Current) -> Result<CpuSet> {
    let flag = |file: &str| number_or_zero(now, &format!("cpuset.{file}"));
    let list = |file: &str| list(&now.read(file)?.unwrap_or_default()).with_context(|| parsing(file));
    Ok(CpuSet {
        cpus: list("cpuset.cpus")?,
        cpu_exclusive: flag("cpu_exclusive")?,
        mems: list("cpuset.mems")?,
        mem_hardwall: flag("mem_hardwall")?,
        mem_exclusive: flag("mem_exclusive")?,
        memory_migrate: flag("memory_migrate")?,
        memory_spread_page: flag("memory_spread_page")?,
        memory_spread_slab: flag("memory_spread_slab")?,
        memory_pressure: flag("memory_pressure")?,
        sched_load_balance: flag("sched_load_balance")?,
        sched_relax_domain_level: level(now)?,
    })
}

pub fn v2(_now: &dyn Current) -> Result<CpuSet> {
    Ok(CpuSet::default())
}

/// The one that can be -1.
fn level(now: &dyn Current) -> Result<i64> {
    const FILE: &str = "cpuset.sched_relax_domain_level";
    match now.read(FILE)? {
        Some(text) => text.trim().parse().with_context(|| parsing(FILE)).code(Code::Cgroup),
        None => Ok(0),
    }
}

/// `0-2,7` as numbers.
fn list(text: &str) -> Result<Vec<u16>> {
    let mut numbers = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) if first <= last => numbers.extend(first..=last),
            _ => return Err(malformed(part, "first-last")),
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    #[test]
    fn lists_are_spelt_out() {
        for (text, expected) in [
            ("\n", vec![]),
            ("0\n", vec![0]),
            ("0-1\n", vec![0, 1]),
            ("0-2,7,9-10\n", vec![0, 1, 2, 7, 9, 10]),
            ("65535\n", vec![65535]),
        ] {
            assert_eq!(list(text).unwrap(), expected, "{text:?}");
        }
        for text in ["1-", "-1", "3-1", "a", "0-65536", "1-2-3"] {
            let error = v1(&files(&[("cpuset.cpus", text)])).unwrap_err().to_string();
            assert!(error.starts_with("parse cpuset.cpus: "), "{text}: {error}");
        }
    }

    #[test]
    fn every_file_has_its_field() {
        let now = files(&[
            ("cpuset.cpus", "0-1\n"),
            ("cpuset.cpu_exclusive", "1\n"),
            ("cpuset.mems", "0\n"),
            ("cpuset.mem_hardwall", "2\n"),
            ("cpuset.mem_exclusive", "3\n"),
            ("cpuset.memory_migrate", "4\n"),
            ("cpuset.memory_spread_page", "5\n"),
            ("cpuset.memory_spread_slab", "6\n"),
            ("cpuset.memory_pressure", "7\n"),
            ("cpuset.sched_load_balance", "8\n"),
            ("cpuset.sched_relax_domain_level", "-1\n"),
        ]);
        let expected = CpuSet {
            cpus: vec![0, 1],
            cpu_exclusive: 1,
            mems: vec![0],
            mem_hardwall: 2,
            mem_exclusive: 3,
            memory_migrate: 4,
            memory_spread_page: 5,
            memory_spread_slab: 6,
            memory_pressure: 7,
            sched_load_balance: 8,
            sched_relax_domain_level: -1,
        };
        assert_eq!(v1(&now).unwrap(), expected);
    }
}
