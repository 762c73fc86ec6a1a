//! From create to delete: who wins, what each state allows, and that an end leaves nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::support::container::{Driver, driver};
use crate::support::{Container, Outcome, Process, cgroup, is_peer, skip};

#[test]
fn a_container_runs_and_is_gone() -> Outcome {
    let container = Container::with(|config| {
        config.shell("echo hello from pid $$");
    })?;
    container.run()?.prints("hello from pid 1");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_created_container_waits_for_its_start() -> Outcome {
    let container = Container::with(|config| {
        config.shell("touch /started; echo run > /bell; exec sleep 1000");
    })?;
    let mut bell = container.fifo("bell")?;
    container.create()?.ok();
    assert_eq!(container.status()?, "created");
    assert!(container.init()?.is_alive()?);
    assert!(!container.rootfs().join("started").exists());
    container.start()?.ok();
    assert_eq!(bell.line()?, "run");
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn start_keeps_the_first_process_of_create() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    let created = container.init()?.pid;
    container.start()?.ok();
    assert_eq!(container.init()?.pid, created);
    Ok(())
}

#[test]
fn a_second_start_is_refused() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    container.start()?.ok();
    container.start()?.fails(1, "cannot start an already running container");
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn of_parallel_starts_exactly_one_wins() -> Outcome {
    if is_peer() {
        return skip("known: runc can hang");
    }
    let container = Container::new()?;
    container.create()?.ok();
    let statuses = in_parallel(4, || container.start().map(|output| output.status()))?;
    assert_eq!(statuses.iter().filter(|status| **status == 0).count(), 1, "{statuses:?}");
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn a_container_that_has_ended_cannot_be_started() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    container.start()?.ok();
    container.stop()?;
    container.start()?.fails(1, "cannot start a container that has stopped");
    Ok(())
}

#[test]
fn start_says_at_once_that_init_died_before_it() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    let init = container.init()?;
    init.kill(Signal::KILL)?;
    init.wait_gone()?;
    let output = container.start()?;
    output.exits(1);
    let said = output.stderr();
    assert!(said.contains("stopped") || said.contains("already dead"), "{output}");
    Ok(())
}

#[test]
fn starting_what_does_not_exist_is_an_error() -> Outcome {
    Container::new()?.start()?.fails(1, "container does not exist");
    Ok(())
}

#[test]
fn an_id_in_use_is_refused_and_its_owner_unharmed() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    let init = container.init()?.pid;
    container.create()?.fails(1, "container with given ID already exists");
    container.run()?.fails(1, "container with given ID already exists");
    assert_eq!(container.init()?.pid, init);
    assert_eq!(container.status()?, "created");
    container.start()?.ok();
    Ok(())
}

#[test]
fn of_parallel_creates_exactly_one_wins() -> Outcome {
    let container = Container::new()?;
    let statuses = in_parallel(8, || container.create().map(|output| output.status()))?;
    assert_eq!(statuses.iter().filter(|status| **status == 0).count(), 1, "{statuses:?}");
    assert_eq!(container.status()?, "created");
    container.start()?.ok();
    Ok(())
}

#[test]
fn an_id_is_free_again_after_delete() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    for _ in 0..3 {
        container.create()?.ok();
        container.start()?.ok();
        container.delete_by_force()?.ok();
    }
    Ok(())
}

#[test]
fn a_running_container_is_not_deleted_without_force() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let expected = format!("cannot delete container {} that is not stopped: running", container.id);
    container.delete()?.fails(1, &expected);
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn a_created_container_can_be_deleted() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    let init = container.init()?;
    container.delete()?.ok();
    init.wait_gone()?;
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_stopped_container_is_deleted_with_all_that_was_its_own() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    assert!(!cgroup::directories(&container.cgroup)?.is_empty());
    container.stop()?;
    container.delete()?.ok();
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn delete_by_force_ends_a_running_container() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let init = container.init()?;
    container.delete_by_force()?.ok();
    init.wait_gone()?;
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn deleting_nothing_is_an_error_but_not_by_force() -> Outcome {
    let container = Container::new()?;
    container.delete()?.fails(1, "container does not exist");
    container.delete_by_force()?.ok();
    Ok(())
}

#[test]
fn delete_by_force_can_be_repeated() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.delete_by_force()?.ok();
    container.delete_by_force()?.ok();
    Ok(())
}

#[test]
fn delete_by_force_ends_a_paused_container() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.command(&["pause"])?.ok();
    container.delete_by_force()?.ok();
    Ok(())
}

#[test]
fn delete_ends_the_processes_that_outlive_init_in_the_hosts_pid_namespace() -> Outcome {
    for force in [false, true] {
        let container = Container::with(|config| {
            config.without_namespace("pid");
        })?;
        container.detach()?;
        container.exec_with(&["--detach"], &["sleep", "1000"])?.ok();
        let init = container.init()?;
        init.kill(Signal::KILL)?;
        init.wait_gone()?;
        let others = container.members()?;
        assert!(!others.is_empty(), "an exec outlives init");
        let deleted = if force { container.delete_by_force()? } else { container.delete()? };
        deleted.ok();
        for process in others {
            process.wait_gone()?;
        }
    }
    Ok(())
}

#[test]
fn delete_removes_cgroups_made_below_the_containers() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    for directory in cgroup::directories(&container.cgroup)? {
        fs::create_dir_all(directory.join("below/deeper"))?;
    }
    container.delete_by_force()?.ok();
    assert_eq!(cgroup::directories(&container.cgroup)?, Vec::<std::path::PathBuf>::new());
    Ok(())
}

#[test]
fn the_pid_file_is_the_pid_and_nothing_else() -> Outcome {
    let container = Container::new()?;
    container.command(&["create", "--pid-file", "pid.txt"])?.ok();
    let text = fs::read_to_string(container.bundle().join("pid.txt"))?;
    assert_eq!(text, container.init()?.pid.to_string());
    Ok(())
}

#[test]
fn the_pid_file_is_relative_to_where_the_caller_stands() -> Outcome {
    let container = Container::new()?;
    let elsewhere = container.path("elsewhere");
    fs::create_dir(&elsewhere)?;
    let bundle = container.bundle().to_string_lossy().into_owned();
    let words = ["create", "--pid-file", "pid.txt", "--bundle", &bundle, &container.id];
    container.runtime(words).from(&elsewhere).output()?.ok();
    assert_eq!(fs::read_to_string(elsewhere.join("pid.txt"))?, container.init()?.pid.to_string());
    Ok(())
}

#[test]
fn a_pid_file_that_cannot_be_written_undoes_the_create() -> Outcome {
    let container = Container::new()?;
    container.command(&["create", "--pid-file", "/none/such/pid"])?.fails(1, "no such file or directory");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn the_bundle_is_the_current_directory_or_the_one_named() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    container.run()?.ok();
    for bundle in ["bundle", "./bundle/", "state/../bundle"] {
        let words = ["run", "--bundle", bundle, &container.id];
        container.runtime(words).from(container.path("")).output()?.ok();
    }
    Ok(())
}

#[test]
fn a_change_of_config_json_after_create_has_no_effect() -> Outcome {
    let container = Container::with(|config| {
        config.shell("echo first");
        config.env("WORD=first");
    })?;
    let created = container.create()?;
    created.ok();
    container.edit(|config| {
        config.shell("echo second");
    })?;
    let init = container.init()?;
    container.start()?.ok();
    init.wait_gone()?;
    created.prints("first");
    Ok(())
}

#[test]
fn a_created_container_can_be_entered() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    container.exec(&["echo", "inside"])?.prints("inside");
    assert_eq!(container.status()?, "created");
    container.start()?.ok();
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn a_create_that_fails_leaves_nothing() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["/no/such/program"]);
    })?;
    container.create()?.refused();
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_create_that_fails_half_way_through_its_mounts_leaves_nothing() -> Outcome {
    let container = Container::with(|config| {
        config.mount("/a", "tmpfs", "tmpfs", &[]).mount("/b", "bind", "/no/such/source", &["bind"]);
    })?;
    container.create()?.fails(1, "/no/such/source");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn the_same_id_can_live_under_two_roots() -> Outcome {
    let (first, second) = (Container::new()?, Container::new()?);
    first.detach()?;
    let words = ["run", "--detach", &first.id];
    second.runtime(words).output()?.ok();
    let of_second = |word: &str| second.runtime([word, &first.id]).output();
    assert_ne!(of_second("state")?.json()["pid"], first.state()?["pid"]);
    second.runtime(["delete", "--force", &first.id]).output()?.ok();
    of_second("state")?.fails(1, "container does not exist");
    assert_eq!(first.status()?, "running");
    Ok(())
}

#[test]
fn a_missing_root_is_made_for_root_alone() -> Outcome {
    let container = Container::new()?;
    fs::remove_dir(container.state_root())?;
    container.detach()?;
    let mode = |path: &Path| fs::metadata(path).map(|data| data.permissions().mode() & 0o7777);
    assert_eq!(mode(&container.state_root())? & 0o077, 0);
    assert_eq!(mode(&container.state_directory())? & 0o066, 0, "nobody else reads or changes a state");
    Ok(())
}

#[test]
fn the_root_may_not_be_the_root_of_the_machine() -> Outcome {
    let container = Container::new()?;
    container.runtime(["--root", "/", "list"]).output()?.exits(1);
    Ok(())
}

#[test]
fn the_containers_processes_are_all_ended_with_its_init() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.exec_with(&["--detach"], &["sleep", "1001"])?.ok();
    let processes = container.members()?;
    assert!(processes.len() >= 2);
    container.stop()?;
    for process in processes {
        process.wait_gone()?;
    }
    Ok(())
}

#[test]
fn thirty_containers_live_side_by_side() -> Outcome {
    let container = Container::new()?;
    let (name, group) = (container.id.clone(), container.cgroup.clone());
    for number in 0..30 {
        let path = match driver() {
            Driver::Cgroupfs => format!("{group}/{number}"),
            Driver::Systemd => format!("{}.{number}", container.cgroups_path),
        };
        container.edit(|config| config["linux"]["cgroupsPath"] = path.into())?;
        container.runtime(["run", "--detach", &format!("{name}.{number}")]).output()?.ok();
    }
    assert_eq!(container.runtime(["list", "--quiet"]).output()?.ok().lines().len(), 30);
    for number in 0..30 {
        container.runtime(["delete", "--force", &format!("{name}.{number}")]).output()?.ok();
    }
    remove_empty(&group)
}

/// A cgroup that was only a parent is left by every runtime: it may be the caller's.
fn remove_empty(group: &str) -> Outcome {
    for directory in cgroup::directories(group)? {
        fs::remove_dir(directory)?;
    }
    Ok(())
}

#[test]
fn a_container_without_a_cgroups_path_gets_a_cgroup_and_loses_it() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids"]) {
        return skip(&reason);
    }
    let container = Container::with(|config| {
        config["linux"]["cgroupsPath"] = serde_json::Value::Null;
    })?;
    container.detach()?;
    let pid = container.init()?.pid;
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let line = groups.lines().find_map(|line| line.split_once(":pids:")).expect("a line for pids");
    assert!(line.1.ends_with(&container.id), "{groups}");
    let directory = cgroup::v1("pids", line.1);
    assert!(directory.exists());
    container.delete_by_force()?.ok();
    assert!(!directory.exists());
    Ok(())
}

#[test]
fn an_orphan_of_the_container_is_reaped_with_it() -> Outcome {
    let container = Container::with(|config| {
        config.shell("(sleep 1002 &); echo up > /bell; exec sleep 1000");
    })?;
    let mut bell = container.fifo("bell")?;
    container.detach()?;
    bell.line()?;
    let before: Vec<Process> = container.members()?;
    container.delete_by_force()?.ok();
    for process in before {
        process.wait_gone()?;
    }
    Ok(())
}

/// Runs the same on several threads, which all begin together.
fn in_parallel<T: Send>(count: usize, act: impl Fn() -> anyhow::Result<T> + Sync) -> anyhow::Result<Vec<T>> {
    let barrier = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let one = || {
            barrier.wait();
            act()
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
