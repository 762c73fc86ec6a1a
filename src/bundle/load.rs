//! Reads config.json and process files.
//!
//! The common path parses once, straight into types. Only a config that the types refuse, in which they cannot tell
//! absent from zero, or in which a name has another case than the specification's, is parsed a second time: mended where runc would accept it (`mend`), or reported with
//! the place that is wrong.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;
use oci_spec::runtime::{Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::path::clean;
use super::{glance, locate, mend, shape};
use crate::fail;
use crate::linux;
use crate::report::{Code, Context, Error, Result, log};

/// The largest file that is read, in bytes. The largest configs known have a few megabytes.
const LIMIT: u64 = 64 << 20;

const CONFIG: &str = "config.json";

/// A bundle as it was found.
pub struct Bundle {
    /// Absolute, clean.
    pub directory: PathBuf,
    pub spec: Spec,
    /// The bytes of config.json, to be frozen beside the state.
    pub raw: Vec<u8>,
    /// Where in them the text of linux.seccomp is, if that is known.
    pub profile: Option<Range<usize>>,
    /// Absolute path of the root filesystem, symlinks followed once.
    pub rootfs: PathBuf,
}

/// Reads `directory`/config.json (at most 64 MiB) and finds the root filesystem.
///
/// # Errors
/// No such directory or file (`JSON specification file config.json not found`), a config that does not parse, or
/// without a root filesystem that is a directory.
pub fn bundle(directory: &Path) -> Result<Bundle> {
    let directory =
        canonicalize(directory).with_context(|| format!("open bundle {directory:?}")).code(Code::Bundle)?;
    let raw = read_config(&directory)?;
    let (spec, profile) = parse_with_profile(&raw)?;
    let rootfs = rootfs(&spec, &directory)?;
    Ok(Bundle { directory, spec, raw, profile, rootfs })
}

/// A fifo or a device in the place of config.json must not make us wait.
fn read_config(directory: &Path) -> Result<Vec<u8>> {
    let path = directory.join(CONFIG);
    let file = match OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fail!(Code::Bundle, "JSON specification file {CONFIG} not found")
        }
        Err(error) => return Err(error).with_context(|| format!("open {path:?}")).code(Code::Bundle),
    };
    if !file.metadata().with_context(|| format!("stat {path:?}"))?.is_file() {
        fail!(Code::Bundle, "{path:?} is not a regular file");
    }
    read(file, &path)
}

fn read(file: File, path: &Path) -> Result<Vec<u8>> {
    // In one piece, as a rule.
    let mut content = Vec::with_capacity(16 << 10);
    file.take(LIMIT + 1)
        .read_to_end(&mut content)
        .with_context(|| format!("read {path:?}"))
        .code(Code::Bundle)?;
    if content.len() as u64 > LIMIT {
        fail!(Code::Bundle, "{path:?} is larger than {} MiB", LIMIT >> 20);
    }
    Ok(content)
}

/// root.path counts from the bundle. Symlinks are followed once, here, by the caller's own right; from here on
/// the path is what the answer says, and then a descriptor.
fn rootfs(spec: &Spec, bundle: &Path) -> Result<PathBuf> {
    let Some(root) = spec.root() else {
        return Err(Error::new(Code::InvalidConfig, "root must be specified").at("/root"));
    };
    if root.path().as_os_str().is_empty() {
        return Err(Error::new(Code::InvalidConfig, "root path must not be empty").at("/root/path"));
    }
    let invalid = || format!("invalid rootfs {:?}", root.path());
    let rootfs =
        canonicalize(&bundle.join(root.path())).with_context(invalid).code(Code::Bundle).at("/root/path")?;
    if !rootfs.is_dir() {
        let error = Error::new(Code::Bundle, "not a directory").context(invalid());
        return Err(error.at("/root/path"));
    }
    Ok(rootfs)
}

/// With one slash at the beginning: POSIX lets two mean something else, and musl's realpath keeps them.
fn canonicalize(path: &Path) -> linux::Result<PathBuf> {
    Ok(clean(&linux::host::real_path(path)?))
}

/// Parses the bytes of a config.json; errors carry the JSON pointer. Warns about and drops unknown capabilities, as
/// runc does.
pub fn parse(raw: &[u8]) -> Result<Spec> {
    parse_with_profile(raw).map(|(spec, _)| spec)
}

/// The same, and where the text of linux.seccomp is, if there is one and it is beyond doubt which: no other object has
/// that name, a list in its place is refused, and anything else there is no profile.
pub fn parse_with_profile(raw: &[u8]) -> Result<(Spec, Option<Range<usize>>)> {
    let glance = glance::at(raw);
    let parsed = match serde_json::from_slice(raw) {
        Ok(spec) if !mend::is_in_doubt(&spec) && !glance.odd_names => Ok(spec),
        _ => parse_slowly(raw, mend::config),
    };
    let misplaced = || glance.odd_lists.then(|| shape::misplaced_list(raw)).flatten();
    let spec = parsed
        .and_then(|spec| objects_alone(spec, misplaced()))
        .with_context(|| format!("parse {CONFIG}"))?;
    Ok((spec, glance.seccomp))
}

/// What was parsed, if no list was taken for an object.
fn objects_alone<T>(parsed: T, misplaced: Option<String>) -> Result<T> {
    match misplaced {
        None => Ok(parsed),
        Some(place) => {
            Err(Error::new(Code::InvalidConfig, "invalid type: a list, expected an object").at(place))
        }
    }
}

/// A `--process` file of exec; it may be a pipe.
pub fn process(path: &Path) -> Result<Process> {
    let file = File::open(path).with_context(|| format!("open process file {path:?}")).code(Code::Bundle)?;
    parse_process(&read(file, path)?).with_context(|| format!("parse process file {path:?}"))
}

/// The content of a process file.
fn parse_process(raw: &[u8]) -> Result<Process> {
    let glance = glance::at(raw);
    let parsed = match serde_json::from_slice(raw) {
        Ok(process) if !mend::is_process_in_doubt(&process) && !glance.odd_names => Ok(process),
        _ => parse_slowly(raw, mend::process),
    };
    let misplaced = || glance.odd_lists.then(|| shape::misplaced_list_in_process(raw)).flatten();
    let parsed = parsed.and_then(|process| objects_alone(process, misplaced()));
    parsed.map_err(Error::with_place_in_text)
}

/// Limits for `update`, in a file of their own.
pub(super) fn parse_loosely<T: DeserializeOwned>(
    raw: &[u8],
    mend: fn(&mut Value) -> Vec<String>,
) -> Result<T> {
    parse_slowly(raw, mend).map_err(Error::with_place_in_text).context("parse the limits")
}

/// What runc says of places whose words our types check.
const SPOKEN: [(&str, &str); 2] = [
    ("/linux/memoryPolicy/mode", "invalid memory policy mode"),
    ("/linux/memoryPolicy/flags", "invalid memory policy flag"),
];

/// Parses to a tree, mends it, and types it with an eye on the place. Says what was mended.
fn parse_slowly<T: DeserializeOwned>(raw: &[u8], mend: fn(&mut Value) -> Vec<String>) -> Result<T> {
    let mut tree: Value = serde_json::from_slice(raw).code(Code::InvalidConfig)?;
    if tree.is_null() {
        fail!(Code::InvalidConfig, "config cannot be null");
    }
    let warnings = mend(&mut tree);
    // As text again, so that the same code types it as in the common path, and tells where it stopped.
    let text = serde_json::to_vec(&tree).context("write the mended config")?;
    let typed = serde_json::from_slice(&text).map_err(|error| {
        let place = locate::value_before(&text, error.column());
        let what = SPOKEN.iter().find(|(start, _)| place.starts_with(start)).map(|(_, what)| *what);
        let error = Error::new(Code::InvalidConfig, words(&error));
        match what {
            Some(what) => error.context(what).at(place),
            None => error.at(place),
        }
    })?;
    warnings.into_iter().for_each(log::warn);
    Ok(typed)
}

/// What it says, without the line and column of a text that nobody has seen.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).map(str::to_string).unwrap_or(text)
}

#[cfg(test)]
mod tests;
