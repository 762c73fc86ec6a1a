//! Schemata: lines like `L3:0=7f0;1=1f`, a value for each domain (a cache, by its id) of a resource.

use oci_spec::runtime::LinuxIntelRdt;

/// What is written, a line a resource; later lines take precedence (config-linux.md#intelrdt). Empty for nothing.
pub fn text(config: &LinuxIntelRdt) -> String {
    let first = [config.l3_cache_schema(), config.mem_bw_schema()].into_iter().flatten();
    let lines = first.chain(config.schemata().iter().flatten()).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// The first line of `found` that says something else of a domain than `wanted` does; an empty text for a domain that
/// is not there. `step`: to multiples of what the hardware rounds bandwidths up.
pub fn first_difference(wanted: &str, found: &str, step: Option<u64>) -> Option<String> {
    for line in wanted.lines().filter(|line| !line.trim().is_empty()) {
        let (resource, wanted) = split(line)?;
        let lines: Vec<&str> =
            found.lines().filter(|line| split(line).is_some_and(|(name, _)| name == resource)).collect();
        let Some(line) = lines.first() else { return Some(String::new()) };
        let (_, present) = split(line)?;
        let same = wanted.iter().all(|(domain, value)| {
            let value = rounded(resource, value, step);
            present.iter().any(|(other, found)| other == domain && number(resource, found) == value)
        });
        if !same {
            return Some(line.trim().to_owned());
        }
    }
    None
}

/// The resource, and each domain with its value.
fn split(line: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (resource, domains) = line.split_once(':')?;
    let domains = domains.split(';').filter_map(|domain| domain.split_once('='));
    Some((resource.trim(), domains.map(|(domain, value)| (domain.trim(), value.trim())).collect()))
}

/// Bandwidth is decimal, a mask of a cache hexadecimal.
fn number(resource: &str, text: &str) -> Option<u64> {
    u64::from_str_radix(text, if resource == "MB" { 10 } else { 16 }).ok()
}

fn rounded(resource: &str, text: &str, step: Option<u64>) -> Option<u64> {
    let number = number(resource, text)?;
    match step.filter(|step| resource == "MB" && *step > 0) {
        Some(step) => number.checked_next_multiple_of(step),
        None => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_the_specs_order() {
        let config: LinuxIntelRdt = serde_json::from_value(serde_json::json!({
            "schemata": ["L2:0=f", "MB:0=50"], "memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=f"
        }))
        .unwrap();
        assert_eq!(text(&config), "L3:0=f\nMB:0=20\nL2:0=f\nMB:0=50\n");
        assert_eq!(text(&LinuxIntelRdt::default()), "");
    }

    #[test]
    fn schemata_are_compared_by_what_they_mean() {
        let found = "    MB:0= 30;1=100\n    L3:0=0007f0;1=00001f";
        for (wanted, difference) in [
            ("L3:0=7f0;1=1f", None),
            ("L3:1=1f", None),
            ("L3:1=1F", None),
            ("L3:1=f", Some("L3:0=0007f0;1=00001f")),
            ("L3:2=1f", Some("L3:0=0007f0;1=00001f")),
            ("MB:0=25;1=100", None),
            ("MB:0=30", None),
            ("MB:0=31", Some("MB:0= 30;1=100")),
            ("L2:0=f", Some("")),
        ] {
            assert_eq!(first_difference(wanted, found, Some(10)).as_deref(), difference, "{wanted}");
        }
    }
}
