//! Pure v2, in a mount namespace where a part of the host's unified tree is all there is. Its controllers are
//! the host's v1 hierarchies' mostly, so limits are tested on files that only look like a cgroup's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::SIGKILL;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use super::setting::{PROBE, check_devices};
use crate::cgroup::testing::{Box, Fake, Shell, cloned};
use crate::cgroup::v2;
use crate::cgroup::write::carry_out;
use crate::cgroup::write::testing::resources;
use crate::linux::cgroup_tree::{CgroupTree, Hierarchy, Layout};
use crate::linux::testing::{Scratch, in_child};

const SOON: Duration = Duration::from_secs(5);

/// Removed at the end, sub-cgroups and all.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir(&self.0) {
            eprintln!("{:?} is left behind: {error}", self.0);
        }
    }
}

/// Runs `body` where a new cgroup of the host's unified tree is mounted as a whole v2 hierarchy.
fn with_v2(name: &str, body: impl FnOnce(&CgroupTree)) {
    let host = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .find(|path| Path::new(path).join("cgroup.procs").exists());
    let (true, Some(host)) = (nix::unistd::geteuid().is_root(), host) else {
        eprintln!("skipped: needs root and a unified tree");
        return;
    };
    let part = Part(Path::new(host).join(format!("trug-test-{}-{name}", std::process::id())));
    std::fs::create_dir(&part.0).unwrap();
    let scratch = Scratch::new();
    in_child(|| {
        let none: Option<&str> = None;
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some(&part.0), scratch.path(), none, MsFlags::MS_BIND, none).unwrap();
        let hierarchy = Hierarchy {
            directory: String::new(),
            mount_point: scratch.path().to_owned(),
            root: PathBuf::from("/"),
            controllers: Vec::new(),
            unified: true,
            own: PathBuf::from("/"),
        };
        body(&CgroupTree { layout: Layout::Unified, hierarchies: vec![hierarchy] });
    });
}

#[test]
fn a_process_is_cloned_into_its_cgroup() {
    with_v2("clone", |tree| {
        let made = Box::new(tree, "pod/box");
        made.manager.create(&resources(json!({}))).unwrap();
        let entrance = made.manager.entrance().unwrap().expect("a way in");
        assert!(entrance.tasks.is_empty());
        let pid = cloned(entrance.unified, || Ok(()));
        assert_eq!(made.manager.pids().unwrap(), [pid]);
        let again = made.manager.create(&resources(json!({}))).unwrap_err();
        assert!(again.text().contains("container's cgroup is not empty: 1 process(es) found"), "{again}");
        made.manager.signal_all(SIGKILL).unwrap();
        // Dead is enough; it need not be reaped.
        made.manager.remove(SOON).unwrap();
        assert!(!made.manager.exists());
    });
}

#[test]
fn the_cgroup_that_init_has_moved_to_is_found() {
    use std::os::unix::fs::MetadataExt;

    with_v2("moved", |tree| {
        let made = Box::new(tree, "box");
        made.manager.create(&resources(json!({}))).unwrap();
        let init = Shell::sleeping();
        let below = made.path("").join("init.scope");
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("cgroup.procs"), init.pid().to_string()).unwrap();

        let proc = crate::linux::procfs::Proc::open().unwrap();
        let mut seen = tree.clone();
        // The mount shows a part of the tree, and /proc tells of the whole.
        seen.hierarchies[0].root = format!("/trug-test-{}-moved", nix::unistd::getppid()).into();
        let target = made.manager.init_target(&seen, &proc, init.pid()).unwrap().expect("a directory");
        let found = nix::sys::stat::fstat(&target).unwrap();
        assert_eq!(found.st_ino, std::fs::metadata(&below).unwrap().ino());

        seen.hierarchies[0].root = "/elsewhere".into();
        let error = made.manager.init_target(&seen, &proc, init.pid()).unwrap_err();
        assert!(error.text().contains("is out of sight"), "{error}");
    });
}

#[test]
fn a_frozen_container_stands_still_and_a_kill_reaches_it() {
    with_v2("freeze", |tree| {
        let made = Box::made(tree, json!({}));
        let mut shell = Shell::run("while read line; do echo $line; done");
        made.manager.add_exec(shell.pid(), &[]).unwrap();
        made.manager.freeze(SOON).unwrap();
        assert!(made.manager.is_frozen().unwrap());
        assert!(made.read("", "cgroup.events").contains("frozen 1"));
        shell.tell("hello");
        made.manager.thaw(SOON).unwrap();
        assert!(!made.manager.is_frozen().unwrap());
        assert_eq!(shell.line(), "hello");
        made.manager.freeze(SOON).unwrap();
        let again = made.manager.check_unused().unwrap_err();
        assert!(again.text().contains("not empty"), "{again}");
        made.manager.signal_all(SIGKILL).unwrap();
        assert_eq!(shell.ended_by(), Some(SIGKILL));
        assert!(
            made.manager
                .check_unused()
                .unwrap_err()
                .text()
                .contains("container's cgroup unexpectedly frozen")
        );
    });
}

#[test]
fn removal_waits_for_the_event_and_names_who_is_in_the_way() {
    with_v2("remove", |tree| {
        let made = Box::made(tree, json!({}));
        let mut shell = Shell::run("read go; exec sleep 0.1");
        std::fs::create_dir(made.path("").join("sub")).unwrap();
        made.manager.add_exec(shell.pid(), &["sub".to_owned()]).unwrap();
        let error = made.manager.remove(Duration::from_millis(20)).unwrap_err().text();
        assert!(error.contains(&format!("pid {}", shell.pid())), "{error}");
        shell.tell("go");
        made.manager.remove(Duration::from_secs(60)).unwrap();
        assert!(!made.manager.exists());
    });
}

#[test]
fn an_execed_process_goes_where_it_is_told_or_where_init_is() {
    with_v2("exec", |tree| {
        let made = Box::made(tree, json!({}));
        let shell = Shell::sleeping();
        let exec = |sub: &str| made.manager.exec_entrance(&[sub.to_owned()]);
        assert!(exec("..").unwrap_err().text().contains("bad sub cgroup path: .."));
        assert!(exec("cpu:x").unwrap_err().text().contains("unknown controller cpu"));
        let error = exec("nonexistent").unwrap_err().text();
        assert!(error.contains(" cgroup") && error.contains("no such file or directory"), "{error}");
        let error = made.manager.add_exec(shell.pid(), &["nonexistent".to_owned()]).unwrap_err().text();
        assert!(error.contains(" adding pid ") && error.contains("no such file or directory"), "{error}");
        std::fs::create_dir(made.path("").join("sub")).unwrap();
        assert!(exec("/sub").unwrap().is_some());
        made.manager.add_exec(shell.pid(), &["sub".to_owned()]).unwrap();
        assert_eq!(made.read("", "sub/cgroup.procs"), shell.pid().to_string());
        assert_eq!(made.manager.pids().unwrap(), [shell.pid()]);
    });
}

#[test]
fn devices_open_as_the_rules_say() {
    with_v2("devices", |tree| {
        let made = Box::made(tree, json!({}));
        let mut shell = Shell::run(PROBE);
        made.manager.add_exec(shell.pid(), &[]).unwrap();
        check_devices(&made, &mut shell);
        made.apply(json!({"devices": []})).unwrap();
        shell.tell("go");
        assert_eq!(shell.line(), "<>");
        // No rules given: those in force stay.
        made.apply(json!({})).unwrap();
        shell.tell("go");
        assert_eq!(shell.line(), "<>");
    });
}

#[test]
fn a_threaded_cgroup_is_refused_as_a_place_and_killed_as_a_part() {
    with_v2("threaded", |tree| {
        let made = Box::made(tree, json!({}));
        let sub = made.path("").join("sub");
        std::fs::create_dir(&sub).unwrap();
        std::fs::write(sub.join("cgroup.type"), "threaded").unwrap();
        let mut shell = Shell::sleeping();
        std::fs::write(sub.join("cgroup.procs"), shell.pid().to_string()).unwrap();
        assert_eq!(made.manager.pids().unwrap(), [shell.pid()]);
        made.manager.signal_all(SIGKILL).unwrap();
        assert_eq!(shell.ended_by(), Some(SIGKILL));

        let beside = made.path("").join("beside");
        let mut location = made.manager.location().clone();
        location.paths.insert(String::new(), sub);
        let error = crate::cgroup::Manager::new(location.clone()).create(&resources(json!({}))).unwrap_err();
        assert!(error.text().contains("it is in threaded mode"), "{error}");

        // It is new, and what it is below has threads.
        location.paths.insert(String::new(), beside.clone());
        let manager = crate::cgroup::Manager::new(location);
        manager.create(&resources(json!({}))).unwrap();
        let shell = Shell::sleeping();
        let refused = std::fs::write(beside.join("cgroup.procs"), shell.pid().to_string()).unwrap_err();
        let error = manager.explain_refusal(Errno::from_raw(refused.raw_os_error().unwrap()).into());
        assert!(error.text().contains("it is in an invalid state"), "{error}");
    });
}

#[test]
fn a_failed_creation_leaves_nothing() {
    with_v2("undo", |tree| {
        let failed = Box::new(tree, "a/b/c");
        let top = &tree.hierarchies[0].mount_point;
        std::fs::write(top.join("cgroup.max.depth"), "2").unwrap();
        let error = failed.manager.create(&resources(json!({}))).unwrap_err();
        assert!(error.text().contains("make cgroup"), "{error}");
        let left =
            std::fs::read_dir(top).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(left, 0);
    });
}

#[test]
fn a_limit_without_its_controller_names_field_controller_and_file() {
    with_v2("missing", |tree| {
        let made = Box::made(tree, json!({}));
        let error = made.apply(json!({"memory": {"limit": 33_554_432}})).unwrap_err().to_string();
        for part in [
            "cannot set memory limit",
            "controller \"memory\" is not available",
            "memory.max",
            "/linux/resources/memory/limit",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let error = made.apply(json!({"unified": {"memory.min": "131072"}})).unwrap_err().to_string();
        assert!(error.contains("can't be set: controller \"memory\" not available"), "{error}");
        assert_eq!(made.manager.oom_kills().unwrap(), 0);
    });
}

#[test]
fn every_limit_goes_to_its_v2_file() {
    let fake = Fake::new(&[
        ("memory.max", ""),
        ("memory.low", ""),
        ("memory.swap.max", ""),
        ("cpu.max", ""),
        ("cpu.weight", ""),
        ("cpu.idle", ""),
        ("cpu.max.burst", ""),
        ("cpuset.cpus", ""),
        ("cpuset.mems", ""),
        ("pids.max", ""),
        ("io.weight", ""),
        ("io.max", ""),
        ("hugetlb.2MB.max", ""),
        ("hugetlb.2MB.rsvd.max", ""),
        ("rdma.max", ""),
        ("memory.high", ""),
    ]);
    let config = resources(json!({
        "memory": {"limit": 33_554_432, "reservation": 25_165_824, "swap": 50_331_648},
        "cpu": {"shares": 1024, "quota": 20_000, "period": 100_000, "burst": 1000, "idle": 0,
                "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 20},
        "blockIO": {"weight": 750, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1024}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}],
        "rdma": {"mlx5_1": {"hcaHandles": 3}},
        "unified": {"memory.high": "30000000"},
    }));
    let directory = fake.directory();
    for (_, rules) in v2::CONTROLLERS {
        carry_out(&directory, &rules(&config, &directory).unwrap()).unwrap();
    }
    v2::unified::set(&directory, &config).unwrap();
    for (file, expected) in [
        ("memory.max", "33554432"),
        ("memory.low", "25165824"),
        ("memory.swap.max", "16777216"),
        ("cpu.max", "20000 100000"),
        ("cpu.weight", "100"),
        ("cpu.idle", "0"),
        ("cpu.max.burst", "1000"),
        ("cpuset.cpus", "0-1"),
        ("cpuset.mems", "0"),
        ("pids.max", "20"),
        ("io.weight", "7475"),
        ("io.max", "8:0 rbps=1024"),
        ("hugetlb.2MB.max", "4194304"),
        ("hugetlb.2MB.rsvd.max", "4194304"),
        ("rdma.max", "mlx5_1 hca_handle=3"),
        ("memory.high", "30000000"),
    ] {
        assert_eq!(fake.read(file), expected, "{file}");
    }
}
