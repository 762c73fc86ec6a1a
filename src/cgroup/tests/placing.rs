//! Making cgroups and putting processes in.

use serde_json::json;

use crate::cgroup::testing::{Box, Shell, cloned, v1_tree};
use crate::cgroup::write::testing::resources;
use crate::cgroup::{Driver, Entrance, Manager};

#[test]
fn a_process_is_put_into_every_hierarchy() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    assert_eq!(made.directories().len(), tree.hierarchies.len());
    assert!(made.manager.exists());

    let shell = Shell::sleeping();
    made.manager.add(shell.pid()).unwrap();
    let name = made.path("pids").file_name().unwrap().to_str().unwrap();
    let elsewhere: Vec<String> = shell
        .cgroups()
        .lines()
        .filter(|line| !line.ends_with(&format!(":/{name}")))
        .map(str::to_owned)
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert_eq!(made.manager.pids().unwrap(), [shell.pid()]);
}

#[test]
fn a_process_can_enter_every_hierarchy_by_itself() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let Entrance { unified, tasks } = made.manager.entrance().unwrap().expect("a way in");
    assert_eq!(tasks.len() + usize::from(unified.is_some()), tree.hierarchies.len());
    let pid =
        cloned(unified, || tasks.iter().try_for_each(|(_, tasks)| nix::unistd::write(tasks, b"0").map(drop)));
    for directory in made.directories() {
        assert_eq!(std::fs::read_to_string(directory.join("cgroup.procs")).unwrap(), format!("{pid}\n"));
    }
    made.manager.signal_all(9).unwrap();
}

#[test]
fn processes_of_sub_cgroups_are_the_containers() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let (one, two) = (Shell::sleeping(), Shell::sleeping());
    let sub = made.path("devices").join("a/b");
    std::fs::create_dir_all(&sub).unwrap();
    made.manager.add(one.pid()).unwrap();
    std::fs::write(sub.join("cgroup.procs"), two.pid().to_string()).unwrap();
    let mut expected = [one.pid(), two.pid()];
    expected.sort();
    assert_eq!(made.manager.pids().unwrap(), expected);
}

#[test]
fn a_cgroup_with_processes_is_refused_and_left_alone() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let shell = Shell::sleeping();
    made.manager.add(shell.pid()).unwrap();
    let error = made.manager.create(&resources(json!({}))).unwrap_err();
    assert!(error.text().starts_with("container's cgroup is not empty: 1 process(es) found"), "{error}");
    assert_eq!(made.directories().len(), tree.hierarchies.len());
}

#[test]
fn a_process_in_one_hierarchy_alone_is_enough_to_refuse() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let shell = Shell::sleeping();
    std::fs::write(made.path("pids").join("cgroup.procs"), shell.pid().to_string()).unwrap();
    assert!(made.manager.check_unused().unwrap_err().text().contains("1 process(es) found"));
}

#[test]
fn a_frozen_cgroup_is_refused() {
    let Some(tree) = v1_tree() else { return };
    let frozen = Box::new(&tree, "");
    std::fs::create_dir(frozen.path("freezer")).unwrap();
    std::fs::write(frozen.path("freezer").join("freezer.state"), "FROZEN").unwrap();
    let error = frozen.manager.create(&resources(json!({}))).unwrap_err();
    assert!(error.text().contains("container's cgroup unexpectedly frozen"), "{error}");
    assert_eq!(frozen.directories(), [frozen.path("freezer")]);
}

#[test]
fn an_empty_cgroup_that_is_there_already_is_taken() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    made.manager.create(&resources(json!({}))).unwrap();
    assert_eq!(made.directories().len(), tree.hierarchies.len());
}

#[test]
fn what_a_failed_creation_made_is_gone_again_and_what_was_there_is_not() {
    let Some(tree) = v1_tree() else { return };
    let failed = Box::new(&tree, "a/b");
    let there = failed.path("memory").parent().unwrap();
    std::fs::create_dir_all(there).unwrap();
    let error = failed.manager.create(&resources(json!({"cpu": {"cpus": "4095"}}))).unwrap_err();
    assert_eq!(error.pointer(), Some("/linux/resources/cpu/cpus"), "{error}");
    assert!(failed.directories().is_empty(), "{:?}", failed.directories());
    let above: Vec<bool> =
        failed.manager.location().paths.values().map(|path| path.parent().unwrap().exists()).collect();
    assert_eq!(above.iter().filter(|exists| **exists).count(), 1);
    assert!(there.exists());
}

#[test]
fn cpus_and_memory_nodes_come_down_the_path() {
    let Some(tree) = v1_tree() else { return };
    let whole = std::fs::read_to_string("/sys/fs/cgroup/cpuset/cpuset.cpus").unwrap();
    let made = Box::new(&tree, "pod/box");
    made.manager.create(&resources(json!({"cpu": {"cpus": "0"}}))).unwrap();
    assert_eq!(made.read("cpuset", "cpuset.cpus"), "0");
    assert_eq!(made.read("cpuset", "../cpuset.cpus"), whole.trim());
    assert_eq!(made.read("cpuset", "../../cpuset.cpus"), whole.trim());
    assert_eq!(made.read("cpuset", "cpuset.mems"), made.read("cpuset", "../../cpuset.mems"));
    let shell = Shell::sleeping();
    made.manager.add(shell.pid()).unwrap();
}

#[test]
fn an_execed_process_goes_where_it_is_told() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    for controller in ["memory", "cpu"] {
        std::fs::create_dir(made.path(controller).join("sub")).unwrap();
    }
    let name = made.path("pids").file_name().unwrap().to_str().unwrap().to_owned();
    let exec = |sub: &[&str]| {
        let shell = Shell::sleeping();
        let sub: Vec<String> = sub.iter().map(|argument| argument.to_string()).collect();
        made.manager.add_exec(shell.pid(), &sub).map(|()| shell.cgroups())
    };
    for everywhere in [&[][..], &["/"]] {
        let cgroups = exec(everywhere).unwrap();
        assert!(cgroups.lines().all(|line| line.ends_with(&format!(":/{name}"))), "{cgroups}");
    }
    let cgroups = exec(&["memory:sub", "cpu:/sub"]).unwrap();
    assert!(cgroups.contains(&format!(":memory:/{name}/sub\n")), "{cgroups}");
    assert!(
        cgroups.contains(&format!(":/{name}/sub\n")) && cgroups.contains(&format!(":pids:/{name}\n")),
        "{cgroups}"
    );
}

#[test]
fn exec_errors_are_in_runcs_words() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let shell = Shell::sleeping();
    let before = shell.cgroups();
    for (sub, expected) in [
        ("..", "bad sub cgroup path: .."),
        ("../other", "bad sub cgroup path: ../other"),
        ("whaaat:/", "unknown controller whaaat"),
    ] {
        for error in [
            made.manager.add_exec(shell.pid(), &[sub.to_owned()]).unwrap_err(),
            made.manager.exec_entrance(&[sub.to_owned()]).unwrap_err(),
        ] {
            assert!(error.text().contains(expected), "{error}");
        }
        assert_eq!(shell.cgroups(), before, "{sub} moved the process");
    }
    for sub in ["nonexistent", "cpu:nonexistent"] {
        let error = made.manager.add_exec(shell.pid(), &[sub.to_owned()]).unwrap_err().text();
        let expected = format!("error adding pid {} to cgroups: ", shell.pid());
        assert!(error.contains(&expected) && error.contains("no such file or directory"), "{error}");
        let error = made.manager.exec_entrance(&[sub.to_owned()]).unwrap_err().text();
        assert!(error.contains(" adding pid ") && error.contains("no such file or directory"), "{error}");
    }
}

#[test]
fn without_cgroups_everything_is_fine_and_nothing_is_done() {
    let Some(tree) = v1_tree() else { return };
    let location = Manager::locate(&tree, Driver::Disabled, None, "box", false).unwrap();
    let manager = Manager::new(location);
    manager.create(&resources(json!({"memory": {"limit": 1}}))).unwrap();
    manager.apply(&resources(json!({"memory": {"limit": 1}}))).unwrap();
    let shell = Shell::sleeping();
    let before = shell.cgroups();
    manager.add(shell.pid()).unwrap();
    manager.add_exec(shell.pid(), &[]).unwrap();
    assert_eq!(shell.cgroups(), before);
    assert!(!manager.exists() && manager.pids().unwrap().is_empty() && !manager.is_frozen().unwrap());
    manager.signal_all(9).unwrap();
    manager.remove(std::time::Duration::ZERO).unwrap();
    assert!(manager.freeze(std::time::Duration::ZERO).unwrap_err().text().contains("cannot toggle freezer"));
}

#[test]
fn a_recorded_path_that_is_no_place_for_a_container_is_refused() {
    let Some(tree) = v1_tree() else { return };
    let mut location = Manager::locate(&tree, Driver::Cgroupfs, Some("/x".as_ref()), "box", false).unwrap();
    let memory = location.paths["memory"].clone();
    for (path, expected) in [
        ("/sys/fs/cgroup/memory", "is the top of a cgroup hierarchy"),
        ("memory/x", "find the cgroup mount"),
        ("/proc/self/root/sys/fs/cgroup/memory/x", "ELOOP"),
    ] {
        location.paths.insert("memory".to_owned(), path.into());
        let error = Manager::new(location.clone()).remove(std::time::Duration::ZERO).unwrap_err();
        assert!(error.text().contains(expected), "{error}");
    }
    location.paths.insert("memory".to_owned(), memory.clone());
    location.paths.insert(String::new(), memory);
    let error = Manager::new(location).pids().unwrap_err();
    assert!(error.text().contains("is recorded as V2"), "{error}");
}
