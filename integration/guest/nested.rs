//! A runtime in a container: the cgroup that it stands in has processes, and hands no controller on until they make
//! room (`man 7 cgroups`, "no internal processes").

use serde_json::{Value, json};

use super::lacks_v2;
use crate::support::invocation::runtime;
use crate::support::{Container, Outcome, skip};

const CAPABILITIES: [&str; 14] = [
    "CAP_BPF",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_SYS_RESOURCE",
];

/// A container that may do what a runtime does, with a bundle at /inner.
fn outer(inner: &Container) -> anyhow::Result<Container> {
    let outer = Container::with(|config| {
        config.namespace("cgroup").capabilities(&CAPABILITIES);
        config.mount_options("/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "rw"]);
        config.mount("/trug", "bind", &runtime().to_string_lossy(), &["bind", "ro"]);
        config.mount("/inner", "bind", &inner.bundle().to_string_lossy(), &["bind"]);
        config["linux"]["resources"] = json!({"devices": [{"allow": true, "access": "rwm"}]});
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
        config["process"]["noNewPrivileges"] = json!(false);
    })?;
    outer.detach()?;
    Ok(outer)
}

fn inner() -> anyhow::Result<Container> {
    Container::with(|config| {
        config["linux"]["cgroupsPath"] = Value::Null;
        config["linux"]["resources"]["pids"] = json!({"limit": 7});
    })
}

#[test]
fn a_limit_in_a_nested_container_is_set_or_said_to_be_missing() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let inner = inner()?;
    let outer = outer(&inner)?;
    let run = "/trug --root /state run --bundle /inner --detach inner";
    let refused = outer.exec_shell(run)?;
    refused.fails(1, "controller \\\"pids\\\" is not available in this cgroup");
    refused.fails(1, "one with processes hands nothing on");
    outer
        .exec_shell("ls -d /sys/fs/cgroup/inner /state/inner 2>/dev/null || echo nothing is left")?
        .prints("nothing is left");

    let make_room = "cd /sys/fs/cgroup; mkdir init; for pid in $(cat cgroup.procs); do echo $pid > init/cgroup.procs || true; done 2> /dev/null";
    outer
        .exec_shell(&format!("{make_room}; {run} > /dev/null 2>&1; cat /sys/fs/cgroup/inner/pids.max"))?
        .prints("7");
    outer
        .exec_shell("/trug --root /state delete --force inner; ls -d /sys/fs/cgroup/inner || echo gone")?
        .says("gone");
    Ok(())
}
