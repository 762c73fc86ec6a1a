//! T-LINT: the runtime names no path absolutely once it is in the container's mount namespace. That is the one
//! mark that all path bugs of 2026 have in common.

use std::fs;

use serde_json::json;

use super::trace;
use crate::support::{Config, Container, Outcome, is_peer, skip, strace};

fn plain(_: &mut Config) {}

/// Everything that looks a path up: binds of files and directories, tmpfs with copy-up, hooks, masks, a read-only
/// root, devices, sysctl, a cwd that must be made.
fn full(config: &mut Config) {
    config
        .mount("/mnt/tmp", "tmpfs", "tmpfs", &["tmpcopyup"])
        .mount("/mnt/dir/deep", "bind", "/usr", &["rbind", "ro"])
        .mount("/mnt/file", "bind", "/etc/hostname", &["bind", "ro"])
        .mask("/etc/passwd")
        .mask("/mnt")
        .shell_hook("createRuntime", "true")
        .shell_hook("createContainer", "true")
        .shell_hook("poststart", "true")
        .shell_hook("poststop", "true");
    config.hook("startContainer", json!({"path": "/bin/true"}));
    config["root"]["readonly"] = true.into();
    config["process"]["cwd"] = "/var/new/cwd".into();
    config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    config["linux"]["rootfsPropagation"] = "slave".into();
    config["linux"]["devices"] = json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]);
    config["linux"]["seccomp"] = forbidding();
}

/// Another user, a filter that is loaded early, no cgroup mount, a joined namespace.
fn unprivileged(config: &mut Config) {
    config.user(1000, 1000).without_mount("/sys/fs/cgroup").join_namespace("uts", "/proc/self/ns/uts");
    config["process"]["noNewPrivileges"] = false.into();
    if let Some(config) = config.as_object_mut() {
        config.remove("hostname");
    }
    config["linux"]["seccomp"] = forbidding();
}

fn forbidding() -> serde_json::Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW",
           "syscalls": [{"names": ["ptrace", "openat2", "close_range"], "action": "SCMP_ACT_ERRNO"}]})
}

#[test]
fn t_lint_no_absolute_path_in_the_containers_mount_namespace() -> Outcome {
    if is_peer() {
        return skip("known: peers use absolute paths");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    for (name, change) in
        [("plain", plain as fn(&mut Config)), ("full", full), ("unprivileged", unprivileged)]
    {
        let container = Container::with(change)?;
        let exec = ["exec", &container.id, "sleep", "0"];
        let commands: [&[&str]; 5] = [
            &["create", &container.id],
            &["start", &container.id],
            &exec,
            &["kill", &container.id, "KILL"],
            &["delete", "--force", &container.id],
        ];
        let mut traces = Vec::new();
        for words in commands {
            traces.push(traced(&container, words)?);
        }
        container.edit(|config| {
            config.args(&["sleep", "0"]);
        })?;
        traces.push(traced(&container, &["run", &container.id])?);

        // The tracers end when the last process that they follow has ended.
        for process in container.processes()? {
            process.wait_gone()?;
        }
        let mut looked_at = 0;
        for path in traces {
            let text = fs::read_to_string(&path)?;
            looked_at += trace::inside(&text).len();
            let offences = trace::offences(&text, "sleep");
            assert!(offences.is_empty(), "{name}, {path}:\n{}", offences.join("\n"));
        }
        assert!(looked_at > 300, "{name}: only {looked_at} calls were seen inside");
    }
    Ok(())
}

/// Runs a command under a tracer.
fn traced(container: &Container, words: &[&str]) -> anyhow::Result<String> {
    let path = container.path(&format!("{}.trace", words[0])).to_string_lossy().into_owned();
    let tracer = strace::outliving(container, &["-s", "4096", "-o", &path]);
    container.runtime(words.iter().copied()).under(tracer).output()?.ok();
    Ok(path)
}
