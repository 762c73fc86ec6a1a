//! What a container may leave on the machine when it is gone: nothing.

use std::path::Path;

use anyhow::Result;

use super::container::{Driver, driver};
use super::{Invocation, Process, cgroup};

/// Whatever is left of a container, in words: processes, mounts, cgroups, state directories.
pub fn of(directory: &Path, state_root: &Path, cgroup: &str, marker: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for process in Process::with_marker(marker)? {
        left.push(format!("process {}", process.pid));
    }
    left.extend(mounts_below(directory)?.into_iter().map(|line| format!("mount {line}")));
    left.extend(cgroup::directories(cgroup)?.into_iter().map(|path| format!("cgroup {}", path.display())));
    left.extend(unit_of(cgroup)?.map(|unit| format!("unit {unit}")));
    if state_root.exists() {
        for entry in std::fs::read_dir(state_root)? {
            let path = entry?.path();
            // The cache of compiled filters is no container's.
            if !path.ends_with("@seccomp") {
                left.push(format!("state directory {}", path.display()));
            }
        }
    }
    Ok(left)
}

/// The unit that a cgroup was that of, if systemd still knows it.
fn unit_of(cgroup: &str) -> Result<Option<&str>> {
    let name = cgroup.rsplit('/').next().unwrap_or(cgroup);
    // systemd keeps what a unit was started with in a file for as long as it has the unit.
    let file = Path::new("/run/systemd/transient").join(name);
    let may_be_a_unit =
        driver() == Driver::Systemd && [".scope", ".slice"].iter().any(|end| name.ends_with(end));
    if !may_be_a_unit || !file.exists() {
        return Ok(None);
    }
    // A unit goes with the last message about it that is waited for: this one is behind it.
    Invocation::new(["systemctl", "show", "--property", "LoadState", name]).output()?.ok();
    Ok(file.exists().then_some(name))
}

/// Mounts of this mount namespace at or below a directory, or of files from below it.
pub fn mounts_below(directory: &Path) -> Result<Vec<String>> {
    let needle = directory.to_string_lossy().into_owned();
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(table.lines().filter(|line| line.contains(&needle)).map(str::to_string).collect())
}
