//! A container with a user namespace divides its cgroup itself, where it may.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;

use super::{directory, lacks_v2};
use crate::support::config::Config;
use crate::support::{Container, Invocation, Outcome, skip};

const UID: u32 = 100_000;
/// What the kernel lets be handed over.
const LIST: &str = "/sys/kernel/cgroup/delegate";

fn mapped(config: &mut Config) {
    let map = json!([{"containerID": 0, "hostID": UID, "size": 1000}]);
    config.user_namespace(map).namespace("cgroup");
}

fn running(change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    let container = Container::with(|config| {
        mapped(config);
        change(config);
    })?;
    Invocation::new(["chown", "-Rh", "100000:100000"]).arg(container.rootfs()).output()?.ok();
    container.detach()?;
    Ok(container)
}

/// The names of those of a container's cgroup files, and `.`, that belong to somebody.
fn files_of(owner: u32, directory: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    if fs::metadata(directory)?.uid() == owner {
        names.push(".".to_string());
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.metadata()?.uid() == owner {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[test]
fn the_containers_root_owns_what_the_kernel_lets_be_handed_over() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let container = running(|config| {
        config.mount_options("/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "rw"]);
    })?;
    let directory = directory(&container);
    let mut expected: Vec<String> = fs::read_to_string(LIST)?.lines().map(str::to_string).collect();
    expected.retain(|name| directory.join(name).exists());
    expected.push(".".into());
    expected.sort();
    assert_eq!(files_of(UID, &directory)?, expected);
    let script = "cd /sys/fs/cgroup; mkdir below; echo 1 > below/cgroup.procs; cat below/cgroup.procs; \
                  echo 5 > below/cgroup.max.descendants; echo 5 2>&1 > pids.max || true";
    container.exec_shell(script)?.says("1\n").says("denied");
    // A process follows it there, since the cgroup itself may by now hold none.
    container.exec(&["cat", "/proc/self/cgroup"])?.ok();
    Ok(())
}

#[test]
fn a_container_that_sees_it_read_only_is_handed_nothing() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let container = running(|_| {})?;
    assert_eq!(files_of(UID, &directory(&container))?, Vec::<String>::new());
    Ok(())
}
