//! Many containers, one after the other, leave the machine as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{lacks_v2, systemctl};
use crate::support::container::{Driver, driver};
use crate::support::{Container, Outcome, rounds, skip};

/// Every cgroup, mount and unit that has to do with a container of this test.
fn traces(id: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut traces = BTreeSet::new();
    let mut left = vec![Path::new("/sys/fs/cgroup").to_path_buf()];
    while let Some(directory) = left.pop() {
        // Others' may go while we look.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(entry.path());
                traces.insert(entry.path().display().to_string());
            }
        }
    }
    traces.extend(fs::read_to_string("/proc/self/mountinfo")?.lines().map(str::to_string));
    if driver() == Driver::Systemd {
        let units = systemctl(&["list-units", "--all", "--plain", "--no-legend"])?.ok().stdout().to_string();
        traces.extend(units.lines().map(str::to_string));
    }
    traces.retain(|trace| trace.contains(id));
    Ok(traces)
}

#[test]
fn two_hundred_containers_leave_nothing() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let container = Container::new()?;
    container.create()?.ok();
    assert!(!traces(&container.id)?.is_empty(), "a container is not seen at all");
    container.delete_by_force()?.ok();
    for _ in 0..rounds(200) {
        container.create()?.ok();
        container.delete_by_force()?.ok();
    }
    assert_eq!(traces(&container.id)?, BTreeSet::new());
    Ok(())
}
