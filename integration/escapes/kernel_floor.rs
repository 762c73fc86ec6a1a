//! The kernel floor: where a call of Linux 5.14 is missing, one line says so before anything is made; where a newer
//! one is, nothing is different.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Container, Outcome, invocation, is_peer, program, skip};

/// A container whose program is the runtime itself, in which `hidden` answers `errno`: as a runtime that is nested
/// in a container with an old profile sees the kernel.
fn nested(hidden: &[&str], errno: u32) -> anyhow::Result<Container> {
    let container = Container::new()?;
    fs::create_dir_all(container.rootfs().join("inner/rootfs/bin"))?;
    program::copy(Path::new("/bin/busybox"), &container.rootfs().join("inner/rootfs/bin/true"))?;
    for directory in ["proc", "sys", "dev"] {
        fs::create_dir(container.rootfs().join("inner/rootfs").join(directory))?;
    }
    let inner = json!({
        "ociVersion": "1.2.0", "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/"},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "uts"}, {"type": "ipc"}]}});
    fs::write(container.rootfs().join("inner/config.json"), inner.to_string())?;
    fs::write(container.rootfs().join("runtime"), "")?;
    container.edit(|config| {
        config.mount("/runtime", "bind", &invocation::runtime().to_string_lossy(), &["bind", "ro"]);
        config.mount("/run", "tmpfs", "tmpfs", &[]).without_mount("/sys/fs/cgroup");
        let inner = "/runtime --root /run/state run --bundle /inner inner; status=$?";
        config.args(&["sh", "-c", &format!("{inner}; find /run/state 2>/dev/null; exit $status")]);
        // All that a runtime needs, so that the filter alone stands in its way.
        config.capabilities(&[
            "CAP_SYS_ADMIN",
            "CAP_SYS_CHROOT",
            "CAP_SETUID",
            "CAP_SETGID",
            "CAP_SETPCAP",
            "CAP_DAC_OVERRIDE",
            "CAP_MKNOD",
            "CAP_CHOWN",
            "CAP_FOWNER",
            "CAP_KILL",
            "CAP_NET_ADMIN",
            "CAP_SYS_PTRACE",
        ]);
        config["process"]["noNewPrivileges"] = false.into();
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
        config["linux"]["resources"] = json!({"devices": [{"allow": true, "access": "rwm"}]});
        if !hidden.is_empty() {
            config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": hidden, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]});
        }
    })?;
    Ok(container)
}

const REQUIRED: [&str; 8] =
    ["openat2", "close_range", "mount_setattr", "open_tree", "fsopen", "move_mount", "clone3", "pidfd_open"];

#[test]
fn a_missing_required_call_is_named_in_one_line_before_anything_is_made() -> Outcome {
    if is_peer() {
        return skip("peers have other floors");
    }
    for call in REQUIRED {
        for errno in [38, 1] {
            let container = nested(&[call], errno)?;
            let output = container.run()?;
            assert_ne!(output.status(), 0, "{call} {errno}: {output}");
            let text = output.stderr();
            let told: Vec<&str> = text.lines().filter(|line| line.contains("lacks:")).collect();
            assert!(told.len() == 1 && told[0].contains(call), "{call} {errno}: {output}");
            assert_eq!(output.stdout(), "", "{call} {errno}: something was made");
            for other in REQUIRED.iter().filter(|other| **other != call && !call.starts_with(**other)) {
                assert!(!told[0].contains(&format!(" {other}")), "{call} {errno}: {output}");
            }
        }
    }
    Ok(())
}

#[test]
fn without_the_newer_calls_all_is_the_same() -> Outcome {
    let newer =
        ["statmount", "listmount", "fchmodat2", "mseal", "futex_waitv", "cachestat", "map_shadow_stack"];
    let output = nested(&newer, 38)?.run()?;
    let plain = nested(&[], 0)?.run()?;
    assert_eq!(output.status(), plain.status(), "with: {plain}\nwithout: {output}");
    Ok(())
}
