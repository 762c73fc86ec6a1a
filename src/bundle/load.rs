//! Reads config.json and process files.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Process, Spec};

use crate::report::{Code, Context, Result};

/// A bundle as it was found.
pub struct Bundle {
    /// Absolute, clean.
    pub directory: PathBuf,
    pub spec: Spec,
    /// The bytes of config.json, to be frozen beside the state.
    pub raw: Vec<u8>,
    /// Absolute path of the root filesystem, symlinks followed once.
    pub rootfs: PathBuf,
}

/// Reads `directory`/config.json (at most 64 MiB). Missing: `JSON specification file config.json not found`.
pub fn bundle(directory: &Path) -> Result<Bundle> {
    todo!()
}
/// Parses the bytes of a config.json; errors carry the JSON pointer. Warns about and drops unknown capabilities, as runc.
pub fn parse(raw: &[u8]) -> Result<Spec> {
    serde_json::from_slice(raw).context("parse config.json").code(Code::InvalidConfig)
}
/// A `--process` file of exec.
pub fn process(path: &Path) -> Result<Process> {
    todo!()
}
