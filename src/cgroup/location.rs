//! Where a container's cgroup goes: the meaning of `linux.cgroupsPath` (runtime-spec
//! config-linux.md#cgroups-path).
//!
//! Only decides, makes nothing. A path is cleaned component by component first, so that `..` can never name
//! anything above the hierarchy's top; `directory.rs` holds to that once more with the kernel's help.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::systemd::{self, Instance, Unit};
use crate::fail;
use crate::linux::cgroup_tree::{CgroupTree, Hierarchy, Layout};
use crate::report::{Code, Context, Error, Result};

const POINTER: &str = "/linux/cgroupsPath";

/// Longer paths can be made step by step, but never again be named in one call; the last byte is a NUL.
const PATH_MAX: usize = nix::libc::PATH_MAX as usize;

/// Who makes the cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Cgroupfs,
    Systemd,
    Disabled,
}

/// Where a container's cgroup is: what state.json keeps, enough to find, kill and remove it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    pub driver: Driver,
    /// systemd unit, with the driver `Systemd`.
    pub unit: Option<Unit>,
    /// One absolute directory a hierarchy; the key is the hierarchy's controllers joined by `,`
    /// (`cpu,cpuacct`, `name=systemd`), "" for the unified tree.
    pub paths: BTreeMap<String, PathBuf>,
    /// An ordinary user's: device rules are set if they can be.
    #[serde(default)]
    pub rootless: bool,
}

/// Where the cgroup of container `id` goes.
///
/// As runc: an absolute path is below each hierarchy's mount; a relative one below the caller's own cgroup,
/// but in the pure unified layout beside it, since a cgroup with processes in it can hand no controllers to
/// its children; no path is `id`, relative. With the systemd driver the path is `slice:prefix:name`, of the
/// user's systemd where `rootless`.
///
/// # Errors
/// A path that names the top of a hierarchy itself, a hierarchy in which the caller's own cgroup cannot be
/// seen, and a systemd that cannot be had.
pub fn locate(
    tree: &CgroupTree,
    driver: Driver,
    cgroups_path: Option<&Path>,
    id: &str,
    rootless: bool,
) -> Result<Location> {
    match driver {
        Driver::Disabled => return Ok(Location { driver, unit: None, paths: BTreeMap::new(), rootless }),
        Driver::Systemd => {
            let instance = if rootless { Instance::User } else { Instance::System };
            let (unit, paths) = systemd::locate(tree, cgroups_path, id, instance)?;
            return Ok(Location { driver, unit: Some(unit), paths, rootless });
        }
        Driver::Cgroupfs => {}
    }
    if tree.hierarchies.is_empty() {
        fail!(Code::Unsupported, "no cgroup hierarchy is mounted");
    }
    let wanted = cgroups_path.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(id));
    // A line feed is refused by the kernel, since /proc/PID/cgroup has a line a path; a NUL by every call.
    if wanted.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, 0 | b'\n')) {
        let text = format!("cgroupsPath {wanted:?} has a NUL or a line feed in it");
        return Err(Error::new(Code::InvalidConfig, text).at(POINTER));
    }
    let below = clean(wanted);
    if below.as_os_str().is_empty() {
        let text = format!("cgroupsPath {wanted:?} names the top of every hierarchy");
        return Err(Error::new(Code::InvalidConfig, text).at(POINTER));
    }
    let mut paths = BTreeMap::new();
    for hierarchy in &tree.hierarchies {
        let start = match wanted.is_absolute() {
            true => PathBuf::new(),
            false => own_cgroup(hierarchy, &tree.layout).at(POINTER)?,
        };
        let key = if hierarchy.unified { String::new() } else { hierarchy.controllers.join(",") };
        let path = hierarchy.mount_point.join(start).join(&below);
        if path.as_os_str().len() >= PATH_MAX {
            return Err(Error::new(Code::InvalidConfig, "cgroupsPath is too long").at(POINTER));
        }
        paths.insert(key, path);
    }
    Ok(Location { driver, unit: None, paths, rootless })
}

/// Where relative paths start, below the mount. The mount may show only a part of the hierarchy (its root
/// field), as in a container without a cgroup namespace, while /proc/self/cgroup counts from the hierarchy's
/// top.
fn own_cgroup(hierarchy: &Hierarchy, layout: &Layout) -> Result<PathBuf> {
    let Ok(own) = hierarchy.own.strip_prefix(&hierarchy.root) else {
        let (own, root, mount) = (&hierarchy.own, &hierarchy.root, &hierarchy.mount_point);
        let text =
            format!("own cgroup {own:?} is not within {root:?}, all that the mount at {mount:?} shows");
        return Err(Error::new(Code::Cgroup, text).hint("use an absolute cgroupsPath"));
    };
    let own = clean(own);
    Ok(match layout {
        Layout::Unified => own.parent().map(Path::to_owned).unwrap_or_default(),
        Layout::Legacy | Layout::Hybrid => own,
    })
}

/// The path without `.`, empty components and leading `/`, each `..` taking back what was before it, if
/// anything was.
pub fn clean(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut clean, component| {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
        clean
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(directory: &str, controllers: &[&str], own: &str) -> Hierarchy {
        Hierarchy {
            directory: directory.to_owned(),
            mount_point: Path::new("/sys/fs/cgroup").join(directory),
            root: PathBuf::from("/"),
            controllers: controllers.iter().map(|name| name.to_string()).collect(),
            unified: controllers.is_empty(),
            own: PathBuf::from(own),
        }
    }

    fn hybrid() -> CgroupTree {
        let hierarchies = vec![
            hierarchy("cpu,cpuacct", &["cpu", "cpuacct"], "/"),
            hierarchy("memory", &["memory"], "/user/1"),
            hierarchy("systemd", &["name=systemd"], "/user.slice"),
            hierarchy("unified", &[], "/user.slice/session"),
        ];
        CgroupTree { layout: Layout::Hybrid, hierarchies }
    }

    fn unified(own: &str) -> CgroupTree {
        CgroupTree { layout: Layout::Unified, hierarchies: vec![hierarchy("", &[], own)] }
    }

    fn paths(tree: &CgroupTree, path: Option<&str>) -> Vec<(String, String)> {
        let location = locate(tree, Driver::Cgroupfs, path.map(Path::new), "box", false).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        location.paths.into_iter().map(|(key, path)| (key, text(path))).collect()
    }

    #[test]
    fn an_absolute_path_is_below_the_mount_of_every_hierarchy() {
        let expected = [
            ("", "/sys/fs/cgroup/unified/pod/box"),
            ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/pod/box"),
            ("memory", "/sys/fs/cgroup/memory/pod/box"),
            ("name=systemd", "/sys/fs/cgroup/systemd/pod/box"),
        ];
        let expected = expected.map(|(key, path)| (key.to_owned(), path.to_owned()));
        assert_eq!(paths(&hybrid(), Some("/pod//./box/")), expected);
    }

    #[test]
    fn a_relative_path_and_none_are_below_the_own_cgroup_on_v1() {
        for (path, name) in [(Some("a/b"), "a/b"), (None, "box"), (Some(""), "box")] {
            let found = paths(&hybrid(), path);
            assert_eq!(found[1].1, format!("/sys/fs/cgroup/cpu,cpuacct/{name}"));
            assert_eq!(found[2].1, format!("/sys/fs/cgroup/memory/user/1/{name}"));
            assert_eq!(found[0].1, format!("/sys/fs/cgroup/unified/user.slice/session/{name}"));
        }
    }

    #[test]
    fn a_relative_path_and_none_are_beside_the_own_cgroup_on_v2() {
        for (own, path, expected) in [
            ("/user.slice/me", None, "/sys/fs/cgroup/user.slice/box"),
            ("/user.slice/me", Some("x/y"), "/sys/fs/cgroup/user.slice/x/y"),
            ("/", None, "/sys/fs/cgroup/box"),
            ("/me", Some("/x"), "/sys/fs/cgroup/x"),
        ] {
            assert_eq!(paths(&unified(own), path), [(String::new(), expected.to_owned())]);
        }
    }

    #[test]
    fn dots_cannot_leave_the_hierarchy() {
        for (path, expected) in [
            ("/../../etc", "/sys/fs/cgroup/etc"),
            ("/a/../../b", "/sys/fs/cgroup/b"),
            ("../../../x", "/sys/fs/cgroup/slice/x"),
            ("a/../../../x", "/sys/fs/cgroup/slice/x"),
        ] {
            assert_eq!(paths(&unified("/slice/me"), Some(path))[0].1, expected, "{path}");
        }
    }

    #[test]
    fn the_top_of_the_hierarchy_is_refused() {
        for path in ["/", "/..", ".", "a/..", "///"] {
            let error = locate(&hybrid(), Driver::Cgroupfs, Some(Path::new(path)), "box", false).unwrap_err();
            assert_eq!(error.pointer(), Some(POINTER), "{path}");
        }
    }

    #[test]
    fn a_path_that_no_cgroup_can_have_is_refused() {
        for path in ["/a\nb", "a\0b"] {
            let error = locate(&hybrid(), Driver::Cgroupfs, Some(Path::new(path)), "box", false).unwrap_err();
            assert!(
                error.text().contains("NUL or a line feed") && error.pointer() == Some(POINTER),
                "{error}"
            );
        }
    }

    #[test]
    fn a_path_that_could_be_made_but_not_named_again_is_refused() {
        let path = format!("/{}", "a/".repeat(2048));
        let error = locate(&hybrid(), Driver::Cgroupfs, Some(Path::new(&path)), "box", false).unwrap_err();
        assert!(error.text().contains("too long") && error.pointer() == Some(POINTER), "{error}");
    }

    #[test]
    fn the_part_of_the_hierarchy_that_a_mount_hides_is_taken_off() {
        let mut tree = hybrid();
        tree.hierarchies[1].root = PathBuf::from("/user");
        assert_eq!(paths(&tree, Some("x"))[2].1, "/sys/fs/cgroup/memory/1/x");
        tree.hierarchies[1].root = PathBuf::from("/elsewhere");
        let error = locate(&tree, Driver::Cgroupfs, None, "box", false).unwrap_err();
        assert!(error.text().contains("is not within"), "{error}");
        assert_eq!(paths(&tree, Some("/x"))[2].1, "/sys/fs/cgroup/memory/x");
    }

    #[test]
    fn disabled_has_no_directories() {
        assert!(locate(&hybrid(), Driver::Disabled, None, "box", false).unwrap().paths.is_empty());
    }

    #[test]
    fn a_location_survives_json() {
        let location = locate(&hybrid(), Driver::Cgroupfs, None, "box", false).unwrap();
        let json = serde_json::to_string(&location).unwrap();
        assert_eq!(serde_json::from_str::<Location>(&json).unwrap(), location);
    }
}
