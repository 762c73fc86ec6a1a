//! What the tests of this folder share: stores that vanish, states, processes, and damage.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::json;

use super::Globals;
use super::state::{FORMAT, Phase, ProcessId, State};
use super::store::{Container, ContainerId, STATE_FILE, Store};
use crate::cgroup::{Driver, Location};
use crate::linux::procfs::Proc;
use crate::linux::{host, pidfd};

/// A directory that is removed at the end.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("trug-test-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn root(&self) -> PathBuf {
        self.0.clone()
    }

    pub fn globals(&self) -> Globals {
        Globals {
            root: self.root(),
            root_is_default: false,
            driver: Driver::Disabled,
            rootless: false,
            debug: false,
        }
    }

    /// A container that has this state and no lock.
    pub fn container(&self, state: &State) -> Container {
        let store = Store::open(&self.root()).unwrap();
        store.reserve(&id(&state.id)).unwrap().save(state).unwrap();
        store.find(&id(&state.id)).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn id(text: &str) -> ContainerId {
    ContainerId::new(text).unwrap()
}

/// Of a created container without a process or a cgroup, of this boot.
pub fn state(id: &str) -> State {
    State {
        format: FORMAT,
        oci_version: "1.3.0".to_owned(),
        id: id.to_owned(),
        bundle: PathBuf::from("/bundle"),
        rootfs: PathBuf::from("/bundle/rootfs"),
        annotations: BTreeMap::new(),
        created: "2026-11-22T05:00:00.123456789Z".to_owned(),
        owner: 0,
        phase: Phase::Created,
        boot_id: host::boot_id().unwrap(),
        runtime: ProcessId { pid: 0, start_time: 0, inode: None },
        init: None,
        cgroup: Location { driver: Driver::Disabled, unit: None, paths: BTreeMap::new(), rootless: false },
        systemd_cgroup: false,
        rootless: false,
        own_pid_namespace: true,
        no_new_keyring: false,
        ungated: false,
        descriptors: Vec::new(),
        resources: Default::default(),
    }
}

pub fn this_process() -> ProcessId {
    ProcessId::look_up(&Proc::open().unwrap(), Pid::this()).unwrap()
}

/// A process that did live.
pub fn dead_process() -> ProcessId {
    Sleeper::new().identity()
}

/// A process that sleeps until it is killed, at the latest at the end of the test.
pub struct Sleeper(Child);

impl Sleeper {
    pub fn new() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }

    pub fn identity(&self) -> ProcessId {
        ProcessId::look_up(&Proc::open().unwrap(), self.pid()).unwrap()
    }

    pub fn is_alive(&self) -> bool {
        self.identity().is_alive(&Proc::open().unwrap()).unwrap()
    }

    /// Fails the test if it does not end.
    pub fn wait_for_end(&self) {
        let held = pidfd::open(self.pid()).unwrap();
        assert!(pidfd::wait_exit(held.as_fd(), Some(Duration::from_secs(10))).unwrap(), "it still runs");
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Replaces a file of the container.
pub fn write(container: &Container, name: &str, bytes: &[u8]) {
    fs::write(container.path().join(name), bytes).unwrap();
}

type Damage = fn(&Container);

/// What crashes, full disks, other programs and people can make of state.json.
pub fn damages() -> Vec<(&'static str, Damage)> {
    fn text(container: &Container, text: &str) {
        write(container, STATE_FILE, text.as_bytes());
    }
    fn field(container: &Container, name: &str, value: serde_json::Value) {
        let mut json = serde_json::to_value(state(container.id())).unwrap();
        json[name] = value;
        text(container, &json.to_string());
    }
    fn without(container: &Container, name: &str) {
        let mut json = serde_json::to_value(state(container.id())).unwrap();
        json.as_object_mut().unwrap().remove(name).unwrap();
        text(container, &json.to_string());
    }
    fn path(container: &Container) -> PathBuf {
        let path = container.path().join(STATE_FILE);
        fs::remove_file(&path).unwrap();
        path
    }
    vec![
        ("empty", |c| text(c, "")),
        ("null", |c| text(c, "null")),
        ("an empty object", |c| text(c, "{}")),
        ("an array", |c| text(c, "[]")),
        ("a string", |c| text(c, "\"state\"")),
        ("zeros", |c| write(c, STATE_FILE, &[0; 4096])),
        ("cut short", |c| {
            let whole = serde_json::to_vec(&state(c.id())).unwrap();
            write(c, STATE_FILE, &whole[..64]);
        }),
        ("junk behind it", |c| text(c, &format!("{}}}", serde_json::to_string(&state(c.id())).unwrap()))),
        ("a pid that is a string", |c| field(c, "init", json!({"pid": "1", "start_time": 1}))),
        ("a pid that is a fraction", |c| field(c, "init", json!({"pid": 1.5, "start_time": 1}))),
        ("a pid beyond all pids", |c| field(c, "init", json!({"pid": 1e300, "start_time": 1}))),
        ("a start time below zero", |c| field(c, "init", json!({"pid": 1, "start_time": -1}))),
        ("an unknown phase", |c| field(c, "phase", json!("running"))),
        ("a cgroup of another shape", |c| field(c, "cgroup", json!([]))),
        ("no boot id", |c| without(c, "boot_id")),
        ("a format of the future", |c| field(c, "format", json!(FORMAT + 1))),
        ("no format", |c| without(c, "format")),
        ("another container's", |c| field(c, "id", json!("b"))),
        ("invalid UTF-8", |c| {
            let whole = serde_json::to_string(&state(c.id())).unwrap();
            let (before, after) = whole.split_at(whole.find("/bundle").unwrap());
            write(c, STATE_FILE, &[before.as_bytes(), b"\xff\xfe", after.as_bytes()].concat());
        }),
        ("deep nesting", |c| text(c, &"[".repeat(100_000))),
        ("100 MB", |c| {
            let file = fs::OpenOptions::new().write(true).open(c.path().join(STATE_FILE)).unwrap();
            file.set_len(100 << 20).unwrap();
        }),
        ("a symlink", |c| symlink("/proc/self/status", path(c)).unwrap()),
        ("a symlink to a good one", |c| {
            let path = path(c);
            let other = path.with_file_name("other.json");
            fs::write(&other, serde_json::to_vec(&state(c.id())).unwrap()).unwrap();
            symlink(other, path).unwrap();
        }),
        ("a fifo", |c| mkfifo(&path(c), Mode::S_IRWXU).unwrap()),
        ("a directory", |c| fs::create_dir(path(c)).unwrap()),
    ]
}
