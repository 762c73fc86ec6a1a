//! hugetlb: huge pages by size, both those in use and those reserved (`.rsvd`, Linux 5.7), so that a
//! reservation cannot be larger than what may be touched later (a SIGBUS).

use oci_spec::runtime::LinuxResources;

use crate::cgroup::write::{Current, List, Write, invalid};
use crate::report::Result;

/// `suffix` is the last part of the files' names, which is all that differs between v1 and v2.
pub fn writes(resources: &LinuxResources, suffix: &str) -> Result<Vec<Write>> {
    let mut list = List::of("hugetlb");
    for (index, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        let (size, bytes, field) = (limit.page_size(), limit.limit(), format!("hugepageLimits/{index}"));
        if !is_page_size(size) {
            let text =
                format!("invalid huge page size {size:?}: a number and KB, MB or GB, such as 2MB, is needed");
            return Err(invalid(&format!("{field}/pageSize"), text));
        }
        if bytes < 0 {
            return Err(invalid(&format!("{field}/limit"), format!("invalid huge page limit: {bytes}")));
        }
        list.push(format!("hugetlb.{size}.{suffix}"), bytes, &format!("{field}/limit"));
        list.push(format!("hugetlb.{size}.rsvd.{suffix}"), bytes, &format!("{field}/limit"));
    }
    list.done()
}

pub fn v1_writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    writes(resources, "limit_in_bytes")
}

pub fn v2_writes(resources: &LinuxResources, _now: &dyn Current) -> Result<Vec<Write>> {
    writes(resources, "max")
}

fn is_page_size(size: &str) -> bool {
    let unit = ["KB", "MB", "GB"].iter().find_map(|unit| size.strip_suffix(unit));
    unit.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    #[test]
    fn pages_in_use_and_pages_reserved_are_limited() {
        let config = resources(json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]}));
        let v1 = ["hugetlb.2MB.limit_in_bytes 4194304", "hugetlb.2MB.rsvd.limit_in_bytes 4194304"];
        assert_eq!(lines(v1_writes(&config, &files(&[]))), v1);
        assert_eq!(
            lines(v2_writes(&config, &files(&[]))),
            ["hugetlb.2MB.max 4194304", "hugetlb.2MB.rsvd.max 4194304"]
        );
    }

    #[test]
    fn a_page_size_that_is_none_never_becomes_a_file_name() {
        for size in ["", "MB", "2", "2M", "../x/2MB", "2 MB", "64kB"] {
            let config = resources(json!({"hugepageLimits": [{"pageSize": size, "limit": 1}]}));
            let error = lines(v2_writes(&config, &files(&[])));
            assert!(error[0].contains("/linux/resources/hugepageLimits/0/pageSize"), "{size}: {error:?}");
        }
    }
}
