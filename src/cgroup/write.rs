//! A limit as data: which value goes into which file, and which field of config.json asked for it.
//!
//! The files under `v1/`, `v2/` and `shared/` turn `linux.resources` into lists of these, in the order in
//! which the kernel accepts them; they only look. `carry_out` is the one place that writes.

use std::fmt::Display;

use nix::errno::Errno;
use oci_spec::runtime::LinuxResources;

use super::directory::{Directory, is_gone};
use crate::report::{Code, Context, Error, Result};

/// One value for one file of a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub controller: &'static str,
    pub file: String,
    pub value: String,
    /// JSON pointer of the field it comes from.
    pub pointer: String,
}

/// What a controller makes of the resources, given what its cgroup says now.
pub type Rules = fn(&LinuxResources, &dyn Current) -> Result<Vec<Write>>;

/// The present content of a cgroup's files: some orders depend on it.
pub trait Current {
    /// None where there is no such file.
    fn read(&self, file: &str) -> Result<Option<String>>;
}

impl Current for Directory {
    fn read(&self, file: &str) -> Result<Option<String>> {
        match Directory::read(self, file) {
            Err(errno) if is_gone(errno) => Ok(None),
            read => read
                .map(Some)
                .with_context(|| format!("read {:?}", self.path().join(file)))
                .code(Code::Cgroup),
        }
    }
}

/// The files of a hierarchy that is not mounted: none.
pub struct Nothing;

impl Current for Nothing {
    fn read(&self, _file: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// The first number in a file; None if there is no file, or no number (`max`).
pub fn number(now: &dyn Current, file: &str) -> Result<Option<i128>> {
    let content = now.read(file)?;
    Ok(content.and_then(|text| text.split_whitespace().next().and_then(|word| word.parse().ok())))
}

/// The number after a key in a file of `key number` lines.
pub fn keyed_number(content: &str, key: &str) -> Option<u64> {
    content.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A value that is asked for: 0 is none, as in runc, whose types cannot tell the two apart.
pub fn given<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// The writes of one controller, as they are put together.
pub struct List {
    controller: &'static str,
    writes: Vec<Write>,
}

impl List {
    pub fn of(controller: &'static str) -> Self {
        Self { controller, writes: Vec::new() }
    }

    /// Adds a write; `field` is the pointer below /linux/resources.
    pub fn push(&mut self, file: impl Into<String>, value: impl Display, field: &str) {
        self.writes.push(self.make(file, value, field));
    }

    /// A write of this controller, not added yet.
    pub fn make(&self, file: impl Into<String>, value: impl Display, field: &str) -> Write {
        Write {
            controller: self.controller,
            file: file.into(),
            value: value.to_string(),
            pointer: pointer(field),
        }
    }

    /// Adds one or both of two that the kernel checks against each other: the second comes first where
    /// `second_first`.
    pub fn push_pair(&mut self, first: Option<Write>, second: Option<Write>, second_first: bool) {
        let (one, other) = if second_first { (second, first) } else { (first, second) };
        self.writes.extend(one);
        self.writes.extend(other);
    }

    pub fn done(self) -> Result<Vec<Write>> {
        Ok(self.writes)
    }
}

/// The JSON pointer of a field below /linux/resources.
pub fn pointer(field: &str) -> String {
    format!("/linux/resources/{field}")
}

/// An error about a value of config.json.
pub fn invalid(field: &str, text: impl Display) -> Error {
    Error::new(Code::InvalidConfig, text).at(pointer(field))
}

/// An error about a field that this layout has no file for.
pub fn unsupported(field: &str, text: impl Display) -> Error {
    Error::new(Code::Unsupported, text).at(pointer(field))
}

/// Writes the values, in order; stops at the first that the kernel refuses and names field, controller and
/// file.
pub fn carry_out(directory: &Directory, writes: &[Write]) -> Result<()> {
    for write in writes {
        directory
            .write(&write.file, &write.value)
            .map_err(|errno| refused(directory, write, errno).at(write.pointer.clone()).code(Code::Cgroup))?;
    }
    Ok(())
}

fn refused(directory: &Directory, write: &Write, errno: Errno) -> Error {
    let (controller, path) = (write.controller, directory.path().join(&write.file));
    let error = Error::from(errno).context(format!("write {:?} to {path:?}", write.value));
    let error = match errno {
        Errno::ENOENT if lacks(directory, controller) => error
            .context(format!("controller {controller:?} is not available in this cgroup"))
            .hint("see cgroup.subtree_control of the cgroups above: one with processes hands nothing on"),
        Errno::ENOENT => error.context(format!("this kernel's controller {controller:?} has no such file")),
        Errno::EBUSY if write.file == "memory.limit_in_bytes" => {
            return error.context(too_low(directory, write));
        }
        _ => error,
    };
    error.context(format!("cannot set {controller} limit"))
}

/// Whether this is a v2 cgroup that has not been handed the controller.
fn lacks(directory: &Directory, controller: &str) -> bool {
    let available = directory.read("cgroup.controllers");
    available.is_ok_and(|names| !names.split_whitespace().any(|name| name == controller))
}

/// v1 answers EBUSY where it cannot reclaim enough to get below the new limit.
fn too_low(directory: &Directory, write: &Write) -> String {
    let reading = |file| match number(directory, file) {
        Ok(Some(bytes)) => bytes.to_string(),
        _ => "unknown".to_owned(),
    };
    let (usage, peak) = (reading("memory.usage_in_bytes"), reading("memory.max_usage_in_bytes"));
    format!("unable to set memory limit to {} (current usage: {usage}, peak usage: {peak})", write.value)
}

/// The error for a limit whose controller no hierarchy has.
pub fn not_mounted(write: &Write) -> Error {
    let (controller, file) = (write.controller, &write.file);
    Error::new(
        Code::Cgroup,
        format!("no mounted hierarchy has controller {controller:?} and its file {file}"),
    )
    .context(format!("cannot set {controller} limit: container could not join or create cgroup"))
    .at(write.pointer.clone())
}

#[cfg(test)]
pub mod testing {
    use std::collections::HashMap;

    use super::*;

    /// A cgroup's files as a table.
    pub struct Files(HashMap<String, String>);

    impl Current for Files {
        fn read(&self, file: &str) -> Result<Option<String>> {
            Ok(self.0.get(file).cloned())
        }
    }

    pub fn files(content: &[(&str, &str)]) -> Files {
        Files(content.iter().map(|(file, text)| (file.to_string(), text.to_string())).collect())
    }

    pub fn resources(json: serde_json::Value) -> LinuxResources {
        serde_json::from_value(json).expect("resources")
    }

    /// `file value` of each write, which is what most tables compare.
    pub fn lines(writes: Result<Vec<Write>>) -> Vec<String> {
        match writes {
            Ok(writes) => writes.iter().map(|write| format!("{} {}", write.file, write.value)).collect(),
            Err(error) => vec![format!("error: {error}")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_without_its_controller_names_field_controller_and_file() {
        let mut list = List::of("memory");
        list.push("memory.limit_in_bytes", 5, "memory/limit");
        let error = not_mounted(&list.done().unwrap()[0]).to_string();
        assert!(
            error.starts_with("cannot set memory limit: container could not join or create cgroup"),
            "{error}"
        );
        for part in ["\"memory\"", "memory.limit_in_bytes", "/linux/resources/memory/limit"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_keyed_number_is_not_found_by_a_longer_key() {
        let content = "oom 3\noom_kill 7\noom_group_kill 1\n";
        assert_eq!(keyed_number(content, "oom_kill"), Some(7));
        assert_eq!(keyed_number(content, "oom"), Some(3));
        assert_eq!(keyed_number(content, "kill"), None);
    }
}
