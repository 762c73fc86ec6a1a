//! Freezing, signals and removal, on v1 and hybrid.

use std::time::{Duration, Instant};

use nix::libc::{SIGKILL, SIGTERM};
use nix::sys::resource::{Resource, setrlimit};
use serde_json::json;

use crate::cgroup::directory::{Directory, Version};
use crate::cgroup::testing::{Box, Shell, v1_tree};
use crate::cgroup::tree;
use crate::linux::cgroup_tree::{CgroupTree, Layout};
use crate::linux::testing::in_child;

const SOON: Duration = Duration::from_secs(5);

/// v1 alone, as on a host without a unified tree.
fn pure_v1() -> Option<CgroupTree> {
    let mut tree = v1_tree()?;
    tree.hierarchies.retain(|hierarchy| !hierarchy.unified);
    tree.layout = Layout::Legacy;
    Some(tree)
}

fn trees() -> Vec<CgroupTree> {
    v1_tree().into_iter().chain(pure_v1()).collect()
}

#[test]
fn a_frozen_container_stands_still_until_it_is_thawed() {
    for tree in trees() {
        let made = Box::made(&tree, json!({}));
        let mut shell = Shell::run("while read line; do echo $line; done");
        made.manager.add(shell.pid()).unwrap();
        assert!(!made.manager.is_frozen().unwrap());
        made.manager.freeze(SOON).unwrap();
        assert!(made.manager.is_frozen().unwrap());
        assert_eq!((made.read("freezer", "freezer.state").as_str(), shell.state()), ("FROZEN", 'D'));
        made.manager.freeze(SOON).unwrap();
        shell.tell("hello");
        made.manager.thaw(SOON).unwrap();
        assert!(!made.manager.is_frozen().unwrap());
        assert_eq!(shell.line(), "hello");
    }
}

#[test]
fn a_container_below_a_frozen_one_is_not_itself_frozen() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::new(&tree, "pod/box");
    made.manager.create(&crate::cgroup::write::testing::resources(json!({}))).unwrap();
    let above = made.path("freezer").parent().unwrap().join("freezer.state");
    std::fs::write(&above, "FROZEN").unwrap();
    assert_eq!(made.read("freezer", "freezer.state"), "FROZEN");
    assert!(!made.manager.is_frozen().unwrap());
    std::fs::write(&above, "THAWED").unwrap();
}

#[test]
fn freezing_while_processes_come_and_go_works() {
    let Some(tree) = pure_v1() else { return };
    let made = Box::made(&tree, json!({"pids": {"limit": 100}}));
    let mut shell = Shell::run("read go; while :; do /bin/true & /bin/true; wait; done");
    made.manager.add(shell.pid()).unwrap();
    shell.tell("go");
    for _ in 0..20 {
        made.manager.freeze(SOON).unwrap();
        made.manager.thaw(SOON).unwrap();
    }
    made.manager.signal_all(SIGKILL).unwrap();
    assert_eq!(shell.ended_by(), Some(SIGKILL));
}

#[test]
fn a_kill_reaches_frozen_processes_and_those_of_sub_cgroups() {
    for tree in trees() {
        let made = Box::made(&tree, json!({}));
        let (mut one, mut two) = (Shell::sleeping(), Shell::sleeping());
        made.manager.add(one.pid()).unwrap();
        made.manager.add(two.pid()).unwrap();
        for path in made.manager.location().paths.values() {
            std::fs::create_dir(path.join("sub")).unwrap();
        }
        for controller in ["devices", "freezer"] {
            std::fs::write(made.path(controller).join("sub/cgroup.procs"), two.pid().to_string()).unwrap();
        }
        made.manager.freeze(SOON).unwrap();
        made.manager.signal_all(SIGKILL).unwrap();
        assert_eq!((one.ended_by(), two.ended_by()), (Some(SIGKILL), Some(SIGKILL)));
        assert!(!made.manager.is_frozen().unwrap());
        made.manager.remove(SOON).unwrap();
        assert!(made.directories().is_empty() && !made.manager.exists());
    }
}

#[test]
fn a_kill_reaches_what_the_container_has_frozen_itself() {
    for tree in trees() {
        let made = Box::made(&tree, json!({}));
        let mut shell = Shell::sleeping();
        made.manager.add(shell.pid()).unwrap();
        let sub = made.path("freezer").join("sub");
        std::fs::create_dir(&sub).unwrap();
        std::fs::write(sub.join("cgroup.procs"), shell.pid().to_string()).unwrap();
        std::fs::write(sub.join("freezer.state"), "FROZEN").unwrap();
        made.manager.signal_all(SIGKILL).unwrap();
        assert_eq!(shell.ended_by(), Some(SIGKILL));
        made.manager.remove(SOON).unwrap();
    }
}

#[test]
fn a_process_that_is_only_in_a_v1_hierarchy_is_killed_too() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let mut shell = Shell::sleeping();
    std::fs::write(made.path("pids").join("cgroup.procs"), shell.pid().to_string()).unwrap();
    made.manager.signal_all(SIGKILL).unwrap();
    assert_eq!(shell.ended_by(), Some(SIGKILL));
}

#[test]
fn a_container_that_keeps_forking_is_killed_whole() {
    for tree in trees() {
        let made = Box::made(&tree, json!({"pids": {"limit": 200}}));
        made.apply(json!({"pids": {"limit": 200}})).unwrap();
        // A shell that may not fork ends: not the one that is looked at.
        let mut shell = Shell::run(
            "read go; i=0; while [ $i -lt 50 ]; do sleep 1000 & i=$((i+1)); done; \
             f() { while :; do (sleep 1000) & done; }; (f & f & f) & echo many; read forever",
        );
        made.manager.add(shell.pid()).unwrap();
        shell.tell("go");
        assert_eq!(shell.line(), "many");
        made.manager.signal_all(SIGKILL).unwrap();
        assert_eq!(shell.ended_by(), Some(SIGKILL));
        made.manager.remove(SOON).unwrap();
        assert!(made.directories().is_empty());
    }
}

#[test]
fn another_signal_leaves_a_frozen_container_frozen_and_others_running() {
    for tree in trees() {
        let made = Box::made(&tree, json!({}));
        let mut shell = Shell::run("trap 'echo term' TERM; echo ready; while :; do read line; done");
        assert_eq!(shell.line(), "ready");
        made.manager.add(shell.pid()).unwrap();
        made.manager.signal_all(SIGTERM).unwrap();
        assert!(!made.manager.is_frozen().unwrap());
        shell.tell("");
        assert_eq!(shell.line(), "term");
        made.manager.freeze(SOON).unwrap();
        made.manager.signal_all(SIGTERM).unwrap();
        assert!(made.manager.is_frozen().unwrap());
        made.manager.thaw(SOON).unwrap();
        shell.tell("");
        assert_eq!(shell.line(), "term");
    }
}

#[test]
fn only_what_is_empty_is_removed_at_once() {
    for tree in trees() {
        let made = Box::made(&tree, json!({}));
        let shell = Shell::run("read line");
        made.manager.add(shell.pid()).unwrap();
        assert!(!made.manager.remove_empty().unwrap());
        assert_eq!(made.manager.pids().unwrap(), [shell.pid()]);

        let empty = Box::made(&tree, json!({}));
        assert!(empty.manager.remove_empty().unwrap());
        assert!(!empty.manager.exists());
        assert!(empty.manager.remove_empty().unwrap(), "what is not there is no obstacle");
    }
}

#[test]
fn removal_waits_for_the_last_process_and_not_longer() {
    for tree in trees() {
        let made = Box::made(&tree, json!({}));
        let mut shell = Shell::run("read go; exec sleep 0.1");
        made.manager.add(shell.pid()).unwrap();
        let start = Instant::now();
        shell.tell("go");
        made.manager.remove(Duration::from_secs(60)).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(100) && start.elapsed() < SOON);
        assert!(made.directories().is_empty());
    }
}

#[test]
fn removal_in_vain_names_who_is_in_the_way() {
    for tree in trees() {
        let made = Box::made(&tree, json!({}));
        let shell = Shell::sleeping();
        made.manager.add(shell.pid()).unwrap();
        let error = made.manager.remove(Duration::from_millis(20)).unwrap_err().text();
        let path = &made.manager.location().paths.values().next().unwrap().display().to_string();
        let who = format!("pid {} (sleep, state S)", shell.pid());
        assert!(error.contains(&who) && error.contains(path.as_str()), "{error}");
        assert_eq!(made.directories().len(), tree.hierarchies.len());
    }
}

#[test]
fn what_is_stuck_in_one_hierarchy_does_not_keep_the_others() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let shell = Shell::sleeping();
    std::fs::write(made.path("memory").join("cgroup.procs"), shell.pid().to_string()).unwrap();
    let error = made.manager.remove(Duration::from_millis(20)).unwrap_err();
    assert!(error.text().contains(&made.path("memory").display().to_string()), "{error}");
    assert_eq!(made.directories(), [made.path("memory")]);
}

#[test]
fn sub_cgroups_go_however_deep_and_many_and_an_absent_cgroup_is_fine() {
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    for path in [made.path("devices"), made.path("")] {
        let deep = (0..50).fold(path.to_owned(), |path, level| path.join(level.to_string()));
        std::fs::create_dir_all(deep).unwrap();
        (0..50).for_each(|number| std::fs::create_dir(path.join(format!("wide-{number}"))).unwrap());
    }
    std::fs::remove_dir(made.path("pids")).unwrap();
    made.manager.remove(SOON).unwrap();
    assert!(made.directories().is_empty());
    made.manager.remove(SOON).unwrap();
    made.manager.signal_all(SIGKILL).unwrap();
    assert!(made.manager.pids().unwrap().is_empty());
}

#[test]
fn a_container_cannot_make_itself_too_deep_to_be_removed() {
    const DEPTH: usize = 400;
    let Some(tree) = v1_tree() else { return };
    let made = Box::made(&tree, json!({}));
    let (mut here, version, below) = Directory::mount_of(made.path("pids")).unwrap().unwrap();
    assert_eq!(version, Version::V1);
    here = here.open(&below).unwrap();
    for level in 0..DEPTH {
        // And one beside each, so that the way goes up and down.
        here.make("beside".as_ref()).unwrap();
        here.make("down".as_ref()).unwrap_or_else(|errno| panic!("level {level}: {errno}"));
        here = here.open("down".as_ref()).unwrap();
    }
    drop(here);
    in_child(|| {
        setrlimit(Resource::RLIMIT_NOFILE, 200, 200).unwrap();
        assert!(made.manager.pids().unwrap().is_empty());
        let (top, _, below) = Directory::mount_of(made.path("pids")).unwrap().unwrap();
        let mut seen = 0;
        let count = |_: &Directory| -> nix::Result<()> {
            seen += 1;
            Ok(())
        };
        tree::visit(&top.open(&below).unwrap(), &mut { count }).unwrap();
        assert_eq!(seen, 1 + 2 * DEPTH);
        made.manager.remove(SOON).unwrap();
        assert!(!made.path("pids").exists());
    });
}
