//! A file of limits for `update`: `linux.resources` of a config.json, alone.

use std::io::Read;

use oci_spec::runtime::LinuxResources;

use super::{load, mend};
use crate::fail;
use crate::report::{Code, Context, Result};

/// Far above any set of limits.
const LIMIT: u64 = 16 << 20;

/// Reads them from a file or a pipe.
///
/// # Errors
/// As `parse`, and more than any set of limits takes.
pub fn read(source: impl Read) -> Result<LinuxResources> {
    let mut raw = Vec::new();
    source.take(LIMIT + 1).read_to_end(&mut raw).context("read the limits").code(Code::Bundle)?;
    if raw.len() as u64 > LIMIT {
        fail!(Code::Bundle, "the limits are more than {} MiB", LIMIT >> 20);
    }
    parse(&raw)
}

/// Parses them; unknown names are passed over, and case does not matter where it does not to runc.
///
/// # Errors
/// What is no JSON, and a value of the wrong type: the place is in the text.
fn parse(raw: &[u8]) -> Result<LinuxResources> {
    load::parse_loosely(raw, |tree| {
        mend::resources(tree);
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn json(text: &str) -> Value {
        serde_json::to_value(parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}")))
            .unwrap()
    }

    #[test]
    fn names_are_read_in_any_case_but_those_that_are_data() {
        let text = r#"{"CPU": {"Cpus": "1", "REALTIMEPERIOD": 5}, "blockio": {"throttlereadiopsdevice":
            [{"Major": 8, "minor": 0, "RATE": 7}]}, "Unified": {"Memory.max": "1"}, "rdma": {"Name": {}}}"#;
        let expected = serde_json::json!({
            "cpu": {"cpus": "1", "realtimePeriod": 5},
            "blockIO": {"throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 7}]},
            "unified": {"Memory.max": "1"}, "rdma": {"Name": {}}
        });
        assert_eq!(json(text), expected);
    }

    #[test]
    fn null_and_what_is_unknown_are_absent() {
        let found = json(r#"{"memory": null, "pids": {}, "cpu": {"shares": null}, "else": 1}"#);
        assert_eq!(found, serde_json::json!({"cpu": {}}));
        assert_eq!(json(r#"{"pids": {"limit": 0}}"#), serde_json::json!({"pids": {"limit": 0}}));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("", "EOF while parsing"),
            ("null", "cannot be null"),
            ("{", "EOF while parsing"),
            (r#"{"memory": {"limit": "5"}}"#, "[/memory/limit]"),
            (r#"{"cpu": {"shares": -1}}"#, "[/cpu/shares]"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
