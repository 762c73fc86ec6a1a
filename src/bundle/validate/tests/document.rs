//! docs/spec.md: its tables have a row for every field of the specification, and what they say of this repository is so.

use std::collections::BTreeSet;
use std::path::Path;

use super::schema::everything;
use super::*;
use crate::bundle::oracle;

const DOCUMENT: &str = include_str!("../../../../docs/spec.md");

/// The cells of each row of the tables, without heads and rules.
fn rows() -> Vec<Vec<&'static str>> {
    let lines: Vec<&str> = DOCUMENT.lines().collect();
    let is_row = |index: &usize| {
        let next = lines.get(index + 1).copied().unwrap_or_default();
        lines[*index].starts_with('|') && !lines[*index].starts_with("| ---") && !next.starts_with("| ---")
    };
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect();
    (0..lines.len()).filter(is_row).map(|index| cells(lines[index])).collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// `linux.devices.path` of all that a config can say, elements of lists without their numbers, and without what only holds
/// others.
fn fields(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    match value {
        // Names of the caller's own.
        _ if ["annotations", "linux.sysctl", "linux.resources.unified"].contains(&at) => {
            all.insert(at.to_owned());
        }
        Value::Object(members)
            if ["linux.timeOffsets", "linux.netDevices", "linux.resources.rdma"].contains(&at) =>
        {
            members.values().for_each(|value| fields(value, at, all));
        }
        Value::Object(members) => {
            for (name, value) in members {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                fields(value, &path, all);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|value| fields(value, at, all)),
        _ => {
            all.insert(at.to_owned());
        }
    }
}

/// A row is about a field if it names it whole (`process.cwd`), or what is above it, or a neighbour of that, and then each
/// name on the way to it (`process.user`, `uid`; `process.env`, `args`).
fn is_about(row: &[&str], field: &str) -> bool {
    let words: Vec<String> =
        quoted(row[0]).iter().map(|word| word.replace("[]", "").replace(".*", "")).collect();
    let parents = words.iter().filter_map(|word| word.rsplit_once('.').map(|(parent, _)| parent.to_owned()));
    let above: BTreeSet<String> = words.iter().cloned().chain(parents).collect();
    let parts: Vec<&str> = field.split('.').collect();
    words.iter().any(|word| word == field)
        || (1..parts.len()).any(|length| {
            let named = |part: &&str| words.iter().any(|word| word == part);
            above.contains(&parts[..length].join(".")) && parts[length..].iter().all(named)
        })
}

#[test]
fn every_field_has_a_row_of_its_own() {
    let mut all = BTreeSet::new();
    fields(&everything(), "", &mut all);
    let rows = rows();
    let missing: Vec<_> = all.iter().filter(|field| !rows.iter().any(|row| is_about(row, field))).collect();
    assert!(missing.is_empty(), "docs/spec.md has no row about {missing:#?}");
    assert!(all.len() > 120, "{}", all.len());
}

#[test]
fn the_config_that_says_everything_does() {
    let Some(directory) = oracle::documents() else {
        return oracle::skip("no checkout of the specification here (OCI_RUNTIME_SPEC)");
    };
    let (said, mut unsaid) = (everything().to_string(), Vec::new());
    // What is not for Linux, is gone from 1.3, or goes with another scheduling policy.
    let others = [
        "username",
        "commandLine",
        "solaris",
        "windows",
        "vm",
        "zos",
        "freebsd",
        "enableCMT",
        "enableMBM",
        "runtime",
        "deadline",
    ];
    for file in ["config-schema.json", "config-linux.json", "defs-linux.json", "defs.json"] {
        let text = std::fs::read_to_string(directory.join("schema").join(file)).unwrap();
        let mut names = BTreeSet::new();
        properties(&serde_json::from_str(&text).unwrap(), &mut names);
        let is_said =
            |name: &String| others.contains(&name.as_str()) || said.contains(&format!("\"{name}\":"));
        unsaid.extend(names.into_iter().filter(|name| !is_said(name)).map(|name| format!("{file}: {name}")));
    }
    assert!(unsaid.is_empty(), "{unsaid:#?}");
}

/// The names in every `properties` of a schema.
fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                if let (true, Some(listed)) = (name == "properties", value.as_object()) {
                    names.extend(listed.keys().cloned());
                }
                properties(value, names);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|value| properties(value, names)),
        _ => {}
    }
}

#[test]
fn no_cell_is_empty_and_every_file_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for row in rows() {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        for file in row[1..].iter().flat_map(|cell| quoted(cell)).filter(|word| word.ends_with(".rs")) {
            let found = root.join("src").join(file).exists() || root.join(file).exists();
            assert!(found, "there is no {file}: {row:?}");
        }
    }
}
