//! Which unit a container gets: `cgroupsPath` as `slice:prefix:name`, and where systemd puts that unit.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::report::{Code, Error, Result};

/// The longest name of a unit, with its suffix (systemd.unit(5)).
const LONGEST: usize = 255;
const SLICE: &str = ".slice";

/// Whose systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instance {
    System,
    User,
}

/// A container's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `PREFIX-NAME.scope`, or a slice's own name.
    pub name: String,
    /// The slice that it is in.
    pub slice: String,
    pub instance: Instance,
    /// What people know the container by: the third part of `cgroupsPath`.
    pub container: String,
}

impl Unit {
    /// The unit that `cgroupsPath` names; the container's id names the default.
    ///
    /// # Errors
    /// A path of other than three parts, and names that no unit can have.
    pub fn of(cgroups_path: Option<&str>, id: &str, instance: Instance) -> Result<Self> {
        let path = cgroups_path.filter(|path| !path.is_empty());
        let parts: Vec<&str> = path.map_or_else(|| vec!["", "runc", id], |path| path.split(':').collect());
        let [slice, prefix, name] = parts[..] else {
            let path = path.unwrap_or_default();
            return Err(invalid(format!(
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {path:?} instead"
            )));
        };
        let slice = match (slice, instance) {
            ("", Instance::System) => "system.slice",
            ("", Instance::User) => "user.slice",
            (slice, _) => slice,
        };
        let container = name.to_owned();
        let name = match name.ends_with(SLICE) {
            true => name.to_owned(),
            false => format!("{prefix}-{name}.scope"),
        };
        expand_slice(slice)?;
        if name.ends_with(SLICE) && expand_slice(&name)?.as_os_str().is_empty() {
            return Err(invalid(format!(
                "{name:?} is the root slice, which holds every unit, and no container's own"
            )));
        }
        check_characters(&name)?;
        check_characters(slice)?;
        Ok(Self { name, slice: slice.to_owned(), instance, container })
    }

    pub fn is_slice(&self) -> bool {
        self.name.ends_with(SLICE)
    }

    /// Its cgroup below the one of the systemd that manages it. Where a slice is, its own name says.
    pub fn path(&self) -> Result<PathBuf> {
        match self.is_slice() {
            true => expand_slice(&self.name),
            false => Ok(expand_slice(&self.slice)?.join(directory(&self.name))),
        }
    }
}

/// `a-b.slice` is within `a.slice`: `a.slice/a-b.slice` (systemd.slice(5)). The root slice is the empty path.
pub fn expand_slice(slice: &str) -> Result<PathBuf> {
    let refuse = || invalid(format!("invalid slice name: {slice}"));
    let name = slice.strip_suffix(SLICE).filter(|name| !name.is_empty()).ok_or_else(refuse)?;
    if name == "-" {
        return Ok(PathBuf::new());
    }
    if name.contains('/') || name.split('-').any(str::is_empty) {
        return Err(refuse());
    }
    let ends = name.match_indices('-').map(|(at, _)| at).chain([name.len()]);
    Ok(ends.map(|end| directory(&format!("{}{SLICE}", &name[..end]))).collect())
}

/// A unit's directory: `cpu.slice` could be taken for a file of a controller, so systemd calls it `_cpu.slice`
/// (cg_needs_escape in its src/basic/cgroup-util.c).
fn directory(unit: &str) -> String {
    const CONTROLLERS: [&str; 9] =
        ["blkio", "cgroup", "cpu", "cpuacct", "cpuset", "devices", "io", "memory", "pids"];
    let is_taken = unit.split_once('.').is_some_and(|(before, _)| CONTROLLERS.contains(&before));
    match is_taken || unit.starts_with(['_', '.']) {
        true => format!("_{unit}"),
        false => unit.to_owned(),
    }
}

/// systemd.unit(5): letters, digits and `:-_.\`, and `@` for an instance of a template.
fn check_characters(name: &str) -> Result<()> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter);
    if name.len() > LONGEST || !name.chars().all(fits) {
        return Err(invalid(format!("{name:?} cannot be the name of a systemd unit")));
    }
    Ok(())
}

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidConfig, text).at("/linux/cgroupsPath")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_path_of_three_parts_is_a_unit_in_a_slice() {
        let table = [
            (Some("machine.slice:libpod:12ab"), "machine.slice", "libpod-12ab.scope"),
            (Some(":cri:x"), "system.slice", "cri-x.scope"),
            (None, "system.slice", "runc-box.scope"),
            (Some(""), "system.slice", "runc-box.scope"),
            (Some("a-b.slice:p:a-b-c.slice"), "a-b.slice", "a-b-c.slice"),
        ];
        for (path, slice, name) in table {
            let unit = Unit::of(path, "box", Instance::System).unwrap();
            assert_eq!((unit.slice.as_str(), unit.name.as_str()), (slice, name), "{path:?}");
        }
        assert_eq!(Unit::of(None, "box", Instance::User).unwrap().slice, "user.slice");
    }

    #[test]
    fn what_cannot_be_a_unit_is_refused_with_its_place_in_the_config() {
        for path in [
            "/a/b",
            "a.slice:b",
            "a.slice:b:c:d",
            "a:b:c",
            "a--b.slice:p:n",
            "-a.slice:p:n",
            ".slice:p:n",
            "a/b.slice:p:n",
            "a.slice:p:../../x",
            "a.slice:p:n n",
            "a.slice:p:a--b.slice",
            "a.slice:p:-.slice",
            "a.slice:p:n\n",
            "../a.slice:p:n",
            &format!("a.slice:p:{}", "n".repeat(250)),
        ] {
            let error = Unit::of(Some(path), "box", Instance::System).unwrap_err();
            assert_eq!(error.pointer(), Some("/linux/cgroupsPath"), "{path}");
        }
        let error = Unit::of(Some("/a"), "box", Instance::System).unwrap_err().text();
        let expected = "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/a\" instead";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_slice_is_below_the_slices_that_its_name_names() {
        for (slice, path) in [
            ("system.slice", "system.slice"),
            ("a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice"),
            ("-.slice", ""),
        ] {
            assert_eq!(expand_slice(slice).unwrap(), Path::new(path), "{slice}");
        }
        let unit = Unit::of(Some("a-b.slice:p:n"), "box", Instance::System).unwrap();
        assert_eq!(unit.path().unwrap(), Path::new("a.slice/a-b.slice/p-n.scope"));
        for slice in ["a-b.slice", "system.slice"] {
            let unit = Unit::of(Some(&format!("{slice}:p:a-b-c.slice")), "box", Instance::System).unwrap();
            assert_eq!(unit.path().unwrap(), Path::new("a.slice/a-b.slice/a-b-c.slice"));
        }
        for (path, expected) in [
            ("cpu-a.slice:p:n", "_cpu.slice/cpu-a.slice/p-n.scope"),
            ("a.slice:io.x:n", "a.slice/_io.x-n.scope"),
            ("a.slice:_p:n", "a.slice/__p-n.scope"),
            ("a.slice:cpux.y:n", "a.slice/cpux.y-n.scope"),
        ] {
            let unit = Unit::of(Some(path), "box", Instance::System).unwrap();
            assert_eq!(unit.path().unwrap(), Path::new(expected), "{path}");
        }
        let unit = Unit::of(Some("-.slice:p:n"), "box", Instance::System).unwrap();
        assert_eq!(unit.path().unwrap(), Path::new("p-n.scope"));
    }
}
