//! Huge pages by size: those reserved (Linux 5.7) where the kernel counts them, else those in use.

use std::collections::BTreeMap;

use super::layout::Hugetlb;
use super::parse::{number, number_or_zero, pairs};
use crate::cgroup::write::Current;
use crate::report::Result;

/// One directory a page size that this host has.
const SIZES: &str = "/sys/kernel/mm/hugepages";

/// By the names in the files, `2MB`; a host without huge pages has none.
pub fn sizes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(SIZES) else { return Vec::new() };
    entries.flatten().filter_map(|entry| size(entry.file_name().to_str()?)).collect()
}

/// `hugepages-2048kB` is `2MB` (mm/hugetlb_cgroup.c: mem_fmt).
fn size(name: &str) -> Option<String> {
    let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kilobytes {
        1_048_576.. => format!("{}GB", kilobytes >> 20),
        1024.. => format!("{}MB", kilobytes >> 10),
        _ => format!("{kilobytes}KB"),
    })
}

pub fn v1(now: &dyn Current, sizes: &[String]) -> Result<BTreeMap<String, Hugetlb>> {
    by_size(sizes, |size| {
        let Some((prefix, usage)) = usage(now, size, "usage_in_bytes")? else { return Ok(None) };
        let max = number_or_zero(now, &format!("{prefix}.max_usage_in_bytes"))?;
        let failcnt = number_or_zero(now, &format!("{prefix}.failcnt"))?;
        Ok(Some(Hugetlb { usage, max, failcnt }))
    })
}

pub fn v2(now: &dyn Current, sizes: &[String]) -> Result<BTreeMap<String, Hugetlb>> {
    by_size(sizes, |size| {
        let Some((_, usage)) = usage(now, size, "current")? else { return Ok(None) };
        let events = pairs(now, &format!("hugetlb.{size}.events"))?;
        let failcnt = events.iter().find(|(key, _)| key == "max").map_or(0, |(_, value)| *value);
        Ok(Some(Hugetlb { usage, max: 0, failcnt }))
    })
}

fn by_size(
    sizes: &[String],
    read: impl Fn(&str) -> Result<Option<Hugetlb>>,
) -> Result<BTreeMap<String, Hugetlb>> {
    let mut found = BTreeMap::new();
    for size in sizes {
        if let Some(entry) = read(size)? {
            found.insert(size.clone(), entry);
        }
    }
    Ok(found)
}

/// The usage, and the beginning of the name of the file that has it.
fn usage(now: &dyn Current, size: &str, suffix: &str) -> Result<Option<(String, u64)>> {
    for prefix in [format!("hugetlb.{size}.rsvd"), format!("hugetlb.{size}")] {
        if let Some(usage) = number(now, &format!("{prefix}.{suffix}"))? {
            return Ok(Some((prefix, usage)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    #[test]
    fn sizes_are_named_as_in_the_files() {
        for (name, expected) in [
            ("hugepages-64kB", Some("64KB")),
            ("hugepages-2048kB", Some("2MB")),
            ("hugepages-1048576kB", Some("1GB")),
            ("hugepages-16777216kB", Some("16GB")),
            ("hugepages-2048", None),
            ("pages-2048kB", None),
            ("hugepages-kB", None),
        ] {
            assert_eq!(size(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn reserved_pages_go_before_used_ones_size_by_size() {
        let sizes = ["1GB", "2MB", "64KB"].map(str::to_owned);
        let now = files(&[
            ("hugetlb.2MB.rsvd.usage_in_bytes", "4194304\n"),
            ("hugetlb.2MB.rsvd.max_usage_in_bytes", "8388608\n"),
            ("hugetlb.2MB.rsvd.failcnt", "1\n"),
            ("hugetlb.2MB.usage_in_bytes", "7\n"),
            ("hugetlb.64KB.usage_in_bytes", "65536\n"),
            ("hugetlb.64KB.failcnt", "2\n"),
        ]);
        let found = v1(&now, &sizes).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found["2MB"], Hugetlb { usage: 4_194_304, max: 8_388_608, failcnt: 1 });
        assert_eq!(found["64KB"], Hugetlb { usage: 65536, max: 0, failcnt: 2 });
    }

    #[test]
    fn v2_counts_failures_in_its_events() {
        let now = files(&[
            ("hugetlb.2MB.rsvd.current", "4194304\n"),
            ("hugetlb.2MB.events", "max 5\n"),
            ("hugetlb.1GB.current", "0\n"),
        ]);
        let found = v2(&now, &["2MB", "1GB"].map(str::to_owned)).unwrap();
        assert_eq!(found["2MB"], Hugetlb { usage: 4_194_304, max: 0, failcnt: 5 });
        assert_eq!(found["1GB"], Hugetlb::default());
    }
}
