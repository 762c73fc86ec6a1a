//! A config.json in the making: a plain one that works, and the changes that tests make to it.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

/// A config as JSON; what has no name here is changed by pointer, `config["linux"]["…"] = …`.
pub struct Config(Value);

impl Config {
    /// A busybox that sleeps in new namespaces. `marker` is in its environment, so that its processes can
    /// be told from all others.
    pub fn plain(cgroup: &str, marker: &str) -> Self {
        let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Self(json!({
            "ociVersion": "1.3.0",
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": ["sleep", "1000"],
                "env": [path, "TERM=xterm", marker],
                "cwd": "/",
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
                "noNewPrivileges": true
            },
            "root": {"path": "rootfs", "readonly": false},
            "hostname": "trug",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                 "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                 "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
                {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
                 "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs",
                 "options": ["nosuid", "noexec", "nodev", "ro"]},
                {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                 "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
            ],
            "linux": {
                "cgroupsPath": cgroup,
                "resources": {"devices": [{"allow": false, "access": "rwm"}]},
                "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                               {"type": "mount"}],
                "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
            }
        }))
    }

    pub fn args(&mut self, args: &[&str]) -> &mut Self {
        self["process"]["args"] = json!(args);
        self
    }

    /// Runs a shell script, which ends at its first failing command.
    pub fn shell(&mut self, script: &str) -> &mut Self {
        self.args(&["sh", "-euc", script])
    }

    /// Adds to the environment.
    pub fn env(&mut self, entry: &str) -> &mut Self {
        self.push("/process/env", json!(entry))
    }

    /// Replaces the whole environment.
    pub fn only_env(&mut self, entries: &[&str]) -> &mut Self {
        self["process"]["env"] = json!(entries);
        self
    }

    pub fn user(&mut self, uid: u32, gid: u32) -> &mut Self {
        self["process"]["user"]["uid"] = json!(uid);
        self["process"]["user"]["gid"] = json!(gid);
        self
    }

    /// The same capabilities in the bounding, effective and permitted sets.
    pub fn capabilities(&mut self, names: &[&str]) -> &mut Self {
        self["process"]["capabilities"] = json!({"bounding": names, "effective": names, "permitted": names});
        self
    }

    pub fn mount(&mut self, destination: &str, kind: &str, source: &str, options: &[&str]) -> &mut Self {
        let mount = json!({"destination": destination, "type": kind, "source": source, "options": options});
        self.push("/mounts", mount)
    }

    pub fn without_mount(&mut self, destination: &str) -> &mut Self {
        self.retain("/mounts", |mount| mount["destination"] != destination)
    }

    /// Adds options to a mount that is there.
    pub fn mount_options(&mut self, destination: &str, options: &[&str]) -> &mut Self {
        for mount in self["mounts"].as_array_mut().into_iter().flatten() {
            if mount["destination"] == destination {
                mount["options"] = json!(options);
            }
        }
        self
    }

    pub fn namespace(&mut self, kind: &str) -> &mut Self {
        self.without_namespace(kind).push("/linux/namespaces", json!({"type": kind}))
    }

    /// A new user namespace, its uids and gids mapped alike.
    pub fn user_namespace(&mut self, map: Value) -> &mut Self {
        self.namespace("user");
        self["linux"]["uidMappings"] = map.clone();
        self["linux"]["gidMappings"] = map;
        self
    }

    pub fn join_namespace(&mut self, kind: &str, path: &str) -> &mut Self {
        self.without_namespace(kind).push("/linux/namespaces", json!({"type": kind, "path": path}))
    }

    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        self.retain("/linux/namespaces", |namespace| namespace["type"] != kind)
    }

    pub fn hook(&mut self, kind: &str, hook: Value) -> &mut Self {
        if self["hooks"][kind].is_null() {
            self["hooks"][kind] = json!([]);
        }
        self.push(&format!("/hooks/{kind}"), hook)
    }

    /// A hook that runs a shell script, with the state on its standard input.
    pub fn shell_hook(&mut self, kind: &str, script: &str) -> &mut Self {
        self.hook(kind, json!({"path": "/bin/sh", "args": ["sh", "-euc", script]}))
    }

    pub fn mask(&mut self, path: &str) -> &mut Self {
        self.push("/linux/maskedPaths", json!(path))
    }

    /// Adds to the list at a JSON pointer.
    pub fn push(&mut self, pointer: &str, value: Value) -> &mut Self {
        let list = self.0.pointer_mut(pointer).and_then(Value::as_array_mut);
        list.unwrap_or_else(|| panic!("{pointer} is not a list")).push(value);
        self
    }

    fn retain(&mut self, pointer: &str, keep: impl Fn(&Value) -> bool) -> &mut Self {
        let list = self.0.pointer_mut(pointer).and_then(Value::as_array_mut);
        list.unwrap_or_else(|| panic!("{pointer} is not a list")).retain(keep);
        self
    }
}

impl From<Value> for Config {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl Deref for Config {
    type Target = Value;
    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for Config {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}
