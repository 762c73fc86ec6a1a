//! `linux.resources.unified`: v2 files by name, whatever they are; set last, so that they override the rest.

use std::collections::BTreeMap;

use nix::errno::Errno;
use oci_spec::runtime::LinuxResources;

use crate::bundle::pointer::token;
use crate::cgroup::directory::Directory;
use crate::cgroup::write::{Current, invalid, pointer};
use crate::report::{Code, Error, Result, log};

/// Writes every key, in the order of names; no weight of a group that is made idle beside it: it would have none.
///
/// # Errors
/// A key that is no file name of a controller, and what the kernel answers; where it is the controller that
/// is missing, the error says so.
pub fn set(directory: &Directory, resources: &LinuxResources) -> Result<()> {
    let Some(files) = resources.unified() else { return Ok(()) };
    let is_idle = files.get("cpu.idle").is_some_and(|idle| idle.trim() == "1");
    for (file, value) in files.iter().collect::<BTreeMap<_, _>>() {
        let field = format!("unified/{}", token(file));
        check(file, &field)?;
        if is_idle && matches!(file.as_str(), "cpu.weight" | "cpu.weight.nice") {
            log::debug(format!("{file} is not set, since cpu.idle is"));
            continue;
        }
        if let Err(errno) = directory.write(file, value) {
            return Err(refused(directory, file, value, errno)?.at(pointer(&field)).code(Code::Cgroup));
        }
    }
    Ok(())
}

fn check(file: &str, field: &str) -> Result<()> {
    if file.contains('/') {
        return Err(invalid(field, format!("unified resource {file:?} must be a file name (no slashes)")));
    }
    match file.split_once('.') {
        Some((controller, parameter)) if !controller.is_empty() && !parameter.is_empty() => Ok(()),
        _ => {
            Err(invalid(field, format!("unified resource {file:?} must be in the form CONTROLLER.PARAMETER")))
        }
    }
}

fn refused(directory: &Directory, file: &str, value: &str, errno: Errno) -> Result<Error> {
    let error = Error::from(errno).context(format!("write {value:?} to {:?}", directory.path().join(file)));
    let controller = file.split('.').next().unwrap_or(file);
    let available = Current::read(directory, "cgroup.controllers")?.unwrap_or_default();
    let missing = matches!(errno, Errno::ENOENT | Errno::EPERM | Errno::EACCES)
        && controller != "cgroup"
        && !available.split_whitespace().any(|name| name == controller);
    Ok(match missing {
        true => error.context(format!(
            "unified resource {file:?} can't be set: controller {controller:?} not available"
        )),
        false => error.context(format!("unable to set unified resource {file:?}")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::testing::Fake;
    use crate::cgroup::write::testing::resources;

    fn set_in(fake: &Fake, unified: serde_json::Value) -> Result<()> {
        set(&fake.directory(), &resources(json!({"unified": unified})))
    }

    #[test]
    fn values_go_to_their_files_line_by_line() {
        let fake = Fake::new(&[("memory.min", ""), ("io.max", "")]);
        set_in(&fake, json!({"memory.min": "131072", "io.max": "8:0 riops=3\n8:16 riops=4\n"})).unwrap();
        assert_eq!(fake.read("memory.min"), "131072");
        // A real file takes two writes; a plain one shows them joined.
        assert_eq!(fake.read("io.max"), "8:0 riops=38:16 riops=4");
    }

    #[test]
    fn an_idle_group_is_given_no_weight() {
        let fake = Fake::new(&[("cpu.idle", ""), ("cpu.weight", "")]);
        set_in(&fake, json!({"cpu.idle": "1", "cpu.weight": "8"})).unwrap();
        assert_eq!((fake.read("cpu.idle"), fake.read("cpu.weight")), ("1".into(), "".into()));
        set_in(&fake, json!({"cpu.idle": "0", "cpu.weight": "8"})).unwrap();
        assert_eq!(fake.read("cpu.weight"), "8");
    }

    #[test]
    fn keys_that_are_no_file_of_a_controller_are_refused() {
        let fake = Fake::new(&[]);
        for (key, expected) in [
            ("../memory.max", "no slashes"),
            ("memory.max/x", "no slashes"),
            ("memory", "CONTROLLER.PARAMETER"),
            ("", "CONTROLLER.PARAMETER"),
            ("..", "CONTROLLER.PARAMETER"),
            (".x", "CONTROLLER.PARAMETER"),
        ] {
            let error = set_in(&fake, json!({ key: "1" })).unwrap_err();
            assert!(error.text().contains(expected), "{key:?}: {error}");
        }
    }

    #[test]
    fn a_missing_controller_is_named_and_a_missing_file_is_another_matter() {
        let fake = Fake::new(&[("cgroup.controllers", "cpu memory\n")]);
        let error = set_in(&fake, json!({"hugetlb.2MB.max": "1"})).unwrap_err();
        assert!(error.text().contains("can't be set: controller \"hugetlb\" not available"), "{error}");
        assert_eq!(error.pointer(), Some("/linux/resources/unified/hugetlb.2MB.max"));
        let error = set_in(&fake, json!({"memory.none": "1"})).unwrap_err();
        assert!(error.text().contains("unable to set unified resource \"memory.none\""), "{error}");
    }
}
