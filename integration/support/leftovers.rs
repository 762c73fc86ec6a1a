//! What a container may leave on the machine when it is gone: nothing.

use std::path::Path;

use anyhow::Result;

use super::{Process, cgroup};

/// Whatever is left of a container, in words: processes, mounts, cgroups, state directories.
pub fn of(directory: &Path, state_root: &Path, cgroup: &str, marker: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for process in Process::with_marker(marker)? {
        left.push(format!("process {}", process.pid));
    }
    left.extend(mounts_below(directory)?.into_iter().map(|line| format!("mount {line}")));
    left.extend(cgroup::directories(cgroup)?.into_iter().map(|path| format!("cgroup {}", path.display())));
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

/// Mounts of this mount namespace at or below a directory, or of files from below it.
pub fn mounts_below(directory: &Path) -> Result<Vec<String>> {
    let needle = directory.to_string_lossy().into_owned();
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(table.lines().filter(|line| line.contains(&needle)).map(str::to_string).collect())
}
