//! Where a container is placed, what it may use, and that a freeze is never forgotten.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::container::{Driver, driver};
use crate::support::{Container, Outcome, cgroup, is_peer, skip, strace};

fn with_resources(resources: Value) -> anyhow::Result<Container> {
    Container::with(|config| {
        for (key, value) in resources.as_object().into_iter().flatten() {
            config["linux"]["resources"][key] = value.clone();
        }
    })
}

#[test]
fn init_is_in_its_cgroup_in_every_hierarchy() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let pid = container.init()?.pid;
    for root in cgroup::hierarchies()? {
        let directory = root.join(container.cgroup.trim_start_matches('/'));
        if is_peer() && !directory.exists() {
            continue;
        }
        assert!(cgroup::processes(&directory)?.contains(&pid), "{}", directory.display());
    }
    Ok(())
}

#[test]
fn limits_are_written_before_the_program_runs() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory", "cpu", "pids"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({
        "memory": {"limit": 67108864}, "cpu": {"shares": 512, "quota": 20000, "period": 100000}, "pids": {"limit": 33}
    }))?;
    container.create()?.ok();
    let value = |controller: &str, file: &str| cgroup::value(controller, &container.cgroup, file);
    assert_eq!(value("memory", "memory.limit_in_bytes")?, "67108864");
    assert_eq!(value("cpu", "cpu.shares")?, "512");
    assert_eq!(value("cpu", "cpu.cfs_quota_us")?, "20000");
    assert_eq!(value("cpu", "cpu.cfs_period_us")?, "100000");
    assert_eq!(value("pids", "pids.max")?, "33");
    Ok(())
}

#[test]
fn a_limit_whose_name_is_in_another_letter_case_is_no_limit_less() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory", "pids"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({"Memory": {"Limit": 67108864}, "PIDS": {"limit": 33}}))?;
    container.create()?.ok();
    assert_eq!(cgroup::value("memory", &container.cgroup, "memory.limit_in_bytes")?, "67108864");
    assert_eq!(cgroup::value("pids", &container.cgroup, "pids.max")?, "33");
    Ok(())
}

#[test]
fn more_of_memory_is_written() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({
        "memory": {"limit": 67108864, "reservation": 33554432, "swap": 134217728, "swappiness": 10}
    }))?;
    let output = container.create()?;
    let value = |file: &str| cgroup::value("memory", &container.cgroup, file);
    output.ok();
    assert_eq!(value("memory.soft_limit_in_bytes")?, "33554432");
    assert_eq!(value("memory.memsw.limit_in_bytes")?, "134217728");
    assert_eq!(value("memory.swappiness")?, "10");
    Ok(())
}

#[test]
fn a_limit_of_minus_one_is_none() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory", "pids"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({"memory": {"limit": -1}, "pids": {"limit": -1}}))?;
    container.create()?.ok();
    assert_eq!(cgroup::value("pids", &container.cgroup, "pids.max")?, "max");
    assert!(cgroup::value("memory", &container.cgroup, "memory.limit_in_bytes")?.len() > 15);
    Ok(())
}

#[test]
fn a_cpu_set_is_kept() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["cpuset"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({"cpu": {"cpus": "0", "mems": "0"}}))?;
    container.detach()?;
    assert_eq!(cgroup::value("cpuset", &container.cgroup, "cpuset.cpus")?, "0");
    container.exec(&["grep", "Cpus_allowed_list", "/proc/1/status"])?.prints("Cpus_allowed_list:\t0");
    container.exec(&["grep", "Cpus_allowed_list", "/proc/self/status"])?.prints("Cpus_allowed_list:\t0");
    Ok(())
}

#[test]
fn a_cpu_set_that_is_not_given_is_the_parents() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["cpuset"]) {
        return skip(&reason);
    }
    let container = Container::new()?;
    container.detach()?;
    let whole = fs::read_to_string("/sys/fs/cgroup/cpuset/cpuset.cpus")?;
    assert_eq!(cgroup::value("cpuset", &container.cgroup, "cpuset.cpus")?, whole.trim());
    Ok(())
}

#[test]
fn a_process_too_many_is_refused_to_the_container() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({"pids": {"limit": 8}}))?;
    container.edit(|config| {
        config.shell("i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done");
    })?;
    let output = container.run()?;
    assert!(output.stderr().contains("can't fork"), "{output}");
    Ok(())
}

#[test]
fn a_program_that_uses_too_much_memory_is_killed() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({"memory": {"limit": 33554432, "swap": 33554432}}))?;
    container.edit(|config| {
        // tail keeps what it has read, since a line may never end.
        config.args(&["sh", "-c", "head -c 104857600 /dev/zero | tail -n 1 > /dev/null; echo $?"]);
    })?;
    let output = container.run()?;
    assert!(output.stdout() == "137" || output.status() == 137, "{output}");
    Ok(())
}

#[test]
fn a_limit_that_is_senseless_is_an_error_that_leaves_nothing() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["cpu", "memory"]) {
        return skip(&reason);
    }
    let cases = [
        json!({"cpu": {"quota": 5}}),
        json!({"cpu": {"cpus": "4096"}}),
        json!({"memory": {"limit": 67108864, "swap": 1048576}}),
    ];
    for resources in cases {
        let container = with_resources(resources.clone())?;
        let output = container.create()?;
        assert_eq!(output.status(), 1, "{resources}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{resources}");
    }
    Ok(())
}

#[test]
fn a_memory_limit_too_low_to_start_is_said_to_be() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory"]) {
        return skip(&reason);
    }
    let container = with_resources(json!({"memory": {"limit": 16384}}))?;
    let output = container.run()?;
    assert!(matches!(output.status(), 0 | 1 | 137), "{output}");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_process_goes_into_its_cgroups_by_itself() -> Outcome {
    // To be moved there by another, it waits for the kernel's RCU on v1: some 12 ms.
    if is_peer() {
        return skip("a peer moves its processes");
    }
    if driver() == Driver::Systemd {
        return skip("systemd moves the process into its unit");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = Container::new()?;
    container.detach()?;
    let other = Container::with(|config| {
        config.args(&["/bin/true"]);
    })?;
    let run = other.runtime(["run", &other.id]);
    for command in [run, container.exec_invocation(&[], &["true"])] {
        let trace = other.path("trace");
        let path = trace.to_string_lossy().into_owned();
        command.under(["strace", "-f", "-e", "trace=openat2,clone3", "-o", &path]).output()?.ok();
        let text = fs::read_to_string(&trace)?;
        let opened = |file: &str| {
            let name = format!("\"{file}\"");
            text.lines().filter(|line| line.contains(&name) && line.contains("O_WRONLY")).count()
        };
        assert_eq!(opened("cgroup.procs"), 0, "{text}");
        let unified = usize::from(cgroup::layout() != cgroup::Layout::Legacy);
        assert_eq!(opened("tasks"), cgroup::hierarchies()?.len() - unified, "{text}");
        assert_eq!(text.matches("CLONE_INTO_CGROUP").count(), unified, "{text}");
    }
    Ok(())
}

#[test]
fn a_path_below_others_is_made_and_the_others_are_left() -> Outcome {
    if driver() == Driver::Systemd {
        return skip("systemd has units, not paths: guest::units is about those");
    }
    let container = Container::new()?;
    let parent = format!("{}-parent", container.cgroup);
    container.edit(|config| config["linux"]["cgroupsPath"] = format!("{parent}/deep/below").into())?;
    container.detach()?;
    let group = fs::read_to_string(format!("/proc/{}/cgroup", container.init()?.pid))?;
    assert!(group.contains(&format!("{parent}/deep/below")), "{group}");
    container.delete_by_force()?.ok();
    for directory in cgroup::directories(&format!("{parent}/deep"))? {
        assert!(!directory.join("below").exists());
        fs::remove_dir(directory)?;
    }
    for directory in cgroup::directories(&parent)? {
        fs::remove_dir(directory)?;
    }
    Ok(())
}

#[test]
fn a_path_with_dots_stays_in_the_hierarchy() -> Outcome {
    let container = Container::new()?;
    let name = container.cgroup.trim_start_matches('/').to_string();
    container.edit(|config| config["linux"]["cgroupsPath"] = format!("/../../{name}").into())?;
    let output = container.command(&["run", "-d"])?;
    assert!(matches!(output.status(), 0 | 1), "{output}");
    for stray in [
        PathBuf::from("/sys/fs").join(&name),
        PathBuf::from("/sys").join(&name),
        PathBuf::from("/").join(&name),
    ] {
        assert!(!stray.exists());
    }
    Ok(())
}

#[test]
fn a_cgroup_that_is_not_empty_is_refused() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["freezer"]) {
        return skip(&reason);
    }
    let first = Container::new()?;
    first.detach()?;
    let second = Container::with(|config| config["linux"]["cgroupsPath"] = first.cgroup.clone().into())?;
    second.run()?.fails(1, "container's cgroup is not empty: 1 process(es) found");
    assert_eq!(first.status()?, "running");
    assert!(!cgroup::directories(&first.cgroup)?.is_empty());
    Ok(())
}

#[test]
fn a_frozen_cgroup_is_refused() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["freezer"]) {
        return skip(&reason);
    }
    let container = Container::new()?;
    let directory = cgroup::v1("freezer", &container.cgroup);
    fs::create_dir(&directory)?;
    fs::write(directory.join("freezer.state"), "FROZEN")?;
    container.command(&["run", "-d"])?.fails(1, "container's cgroup unexpectedly frozen");
    if directory.exists() {
        fs::remove_dir(&directory)?;
    }
    Ok(())
}

#[test]
fn a_paused_container_is_frozen_and_a_resumed_one_is_not() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["freezer"]) {
        return skip(&reason);
    }
    let container = Container::new()?;
    container.detach()?;
    container.command(&["pause"])?.ok();
    assert_eq!(cgroup::value("freezer", &container.cgroup, "freezer.state")?, "FROZEN");
    container.command(&["resume"])?.ok();
    assert_eq!(cgroup::value("freezer", &container.cgroup, "freezer.state")?, "THAWED");
    Ok(())
}

#[test]
fn a_freeze_from_outside_is_seen_as_paused() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["freezer"]) {
        return skip(&reason);
    }
    let container = Container::new()?;
    container.detach()?;
    let state = cgroup::v1("freezer", &container.cgroup).join("freezer.state");
    fs::write(&state, "FROZEN")?;
    assert_eq!(container.status()?, "paused");
    fs::write(&state, "THAWED")?;
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn a_kill_ends_a_paused_container() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.command(&["pause"])?.ok();
    let init = container.init()?;
    container.kill("KILL")?.ok();
    init.wait_gone()?;
    assert_eq!(container.status()?, "stopped");
    Ok(())
}

#[test]
fn a_kill_without_a_pid_namespace_ends_every_process() -> Outcome {
    let container = Container::with(|config| {
        config.without_namespace("pid");
    })?;
    container.detach()?;
    container.exec_with(&["-d"], &["sleep", "1013"])?.ok();
    let processes = container.members()?;
    assert!(processes.len() >= 2);
    container.kill("KILL")?.ok();
    for process in processes {
        process.wait_gone()?;
    }
    Ok(())
}

#[test]
fn on_a_unified_tree_a_container_lives_its_whole_life() -> Outcome {
    if let Some(reason) = Container::lacks_unified() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config["linux"]["resources"] = json!({});
    })?;
    let container = container.on_unified();
    container.create()?.ok();
    container.start()?.ok();
    let pid = container.init()?.pid;
    let group = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    assert!(group.lines().any(|line| line == format!("0::{}", container.cgroup)), "{group}");
    container.exec(&["cat", "/proc/self/cgroup"])?.says("0::");
    container.stop()?;
    container.delete()?.ok();
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn on_a_unified_tree_pause_and_resume_work() -> Outcome {
    if let Some(reason) = Container::lacks_unified() {
        return skip(reason);
    }
    let container = Container::with(|config| config["linux"]["resources"] = json!({}))?.on_unified();
    container.detach()?;
    container.command(&["pause"])?.ok();
    assert_eq!(container.status()?, "paused");
    container.command(&["resume"])?.ok();
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn on_a_unified_tree_the_container_sees_its_own_cgroup_as_the_root() -> Outcome {
    if let Some(reason) = Container::lacks_unified() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config["linux"]["resources"] = json!({});
        config.namespace("cgroup").shell("grep ^0:: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs");
    })?;
    let output = container.on_unified().run()?;
    output.says("0::/\n").says("\n1");
    Ok(())
}

#[test]
fn on_a_unified_tree_delete_by_force_ends_every_process() -> Outcome {
    if let Some(reason) = Container::lacks_unified() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config["linux"]["resources"] = json!({});
        config.without_namespace("pid");
    })?;
    let container = container.on_unified();
    container.detach()?;
    container.exec_with(&["-d"], &["sleep", "1014"])?.ok();
    let processes = container.members()?;
    container.delete_by_force()?.ok();
    for process in processes {
        process.wait_gone()?;
    }
    Ok(())
}
