//! How the texts of flags become values.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::container::store::ContainerId;
use crate::fail;
use crate::report::{Code, Result};

/// A path as it was given: an empty one too, which means that none was given.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// `--flag=` is no value.
pub fn given(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// The same for text.
pub fn given_text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The container that a command names.
pub fn container_id(text: &OsString) -> Result<ContainerId> {
    match text.to_str() {
        Some("") => fail!(Code::Usage, "container id cannot be empty"),
        Some(text) => ContainerId::new(text),
        None => fail!(Code::Usage, "invalid container ID format"),
    }
}

/// A truth value as callers written in Go print and read it.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
