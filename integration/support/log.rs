//! A runtime's log file as its callers read it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The objects of a JSON log, one a line.
pub fn entries(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read log {path:?}"))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("log line {line:?}")))
        .collect()
}

/// Those that are errors.
pub fn errors(path: &Path) -> Result<Vec<Value>> {
    Ok(entries(path)?.into_iter().filter(|entry| entry["level"] == "error").collect())
}
