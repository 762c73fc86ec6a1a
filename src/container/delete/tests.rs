use std::fs;

use oci_spec::runtime::LinuxResources;

use super::*;
use crate::cgroup::{Driver, Location};
use crate::container::testing::{self, Place, Sleeper, id, state};
use crate::linux::cgroup_tree::CgroupTree;

/// A real cgroup with a process in it; both go at the end, whatever the test does.
struct Group {
    manager: Manager,
    sleeper: Sleeper,
}

impl Group {
    fn new(name: &str) -> Self {
        let tree = CgroupTree::detect(&Proc::open().unwrap()).unwrap();
        let path = format!("/trug-test-{}-{name}", std::process::id());
        let location = Manager::locate(&tree, Driver::Cgroupfs, Some(path.as_ref()), name, false).unwrap();
        let (manager, sleeper) = (Manager::new(location), Sleeper::new());
        manager.create(&LinuxResources::default()).unwrap();
        manager.add(sleeper.pid()).unwrap();
        Self { manager, sleeper }
    }

    fn location(&self) -> Location {
        self.manager.location().clone()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.manager.signal_all(SIGKILL);
        let _ = self.manager.remove(PATIENCE);
    }
}

fn delete_it(place: &Place, force: bool) -> Result<()> {
    delete(&place.globals(), &id("a"), force)
}

fn is_gone(place: &Place) -> bool {
    !place.root().join("a").exists()
}

#[test]
fn what_is_not_there_is_an_error_that_force_bears() {
    let place = Place::new();
    assert_eq!(delete_it(&place, false).unwrap_err().to_string(), "container does not exist");
    delete_it(&place, true).unwrap();
    let globals = Globals { root: place.root().join("none"), ..place.globals() };
    delete(&globals, &id("a"), true).unwrap();
}

#[test]
fn a_stopped_container_is_deleted_and_then_is_not_there() {
    let place = Place::new();
    place.container(&state("a"));
    delete_it(&place, false).unwrap();
    assert!(is_gone(&place));
    assert_eq!(delete_it(&place, false).unwrap_err().kind(), Code::NotFound);
}

#[test]
fn a_running_container_is_deleted_by_force_only() {
    let (place, sleeper) = (Place::new(), Sleeper::new());
    place.container(&State { init: Some(sleeper.identity()), ..state("a") });
    let error = delete_it(&place, false).unwrap_err();
    assert_eq!(error.to_string(), "cannot delete container a that is not stopped: running");
    assert!(sleeper.is_alive() && !is_gone(&place));
    delete_it(&place, true).unwrap();
    sleeper.wait_for_end();
    assert!(is_gone(&place));
}

#[test]
fn a_container_that_was_never_started_is_ended_and_deleted() {
    let (place, sleeper) = (Place::new(), Sleeper::new());
    let container = place.container(&State { init: Some(sleeper.identity()), ..state("a") });
    container.make_fifo(super::super::store::START_FIFO).unwrap();
    delete_it(&place, false).unwrap();
    sleeper.wait_for_end();
    assert!(is_gone(&place));
}

#[test]
fn a_container_that_is_being_made_is_deleted_by_force_only_and_its_maker_ends() {
    let (place, maker) = (Place::new(), Sleeper::new());
    let creating = State { phase: Phase::Creating, runtime: maker.identity(), ..state("a") };
    place.container(&creating);
    let error = delete_it(&place, false).unwrap_err();
    assert_eq!(error.to_string(), "cannot delete container a that is not stopped: creating");
    delete_it(&place, true).unwrap();
    maker.wait_for_end();
    assert!(is_gone(&place));
}

#[test]
fn what_a_dead_maker_left_is_deleted() {
    for force in [false, true] {
        let place = Place::new();
        let runtime = testing::dead_process();
        place.container(&State { phase: Phase::Creating, runtime, ..state("a") });
        delete_it(&place, force).unwrap();
        assert!(is_gone(&place));
    }
}

#[test]
fn a_claim_without_a_state_is_removed_though_it_is_no_container() {
    for force in [false, true] {
        let place = Place::new();
        fs::create_dir(place.root().join("a")).unwrap();
        let deleted = delete_it(&place, force);
        assert_eq!(
            deleted.map_err(|error| error.to_string()).err(),
            match force {
                true => None,
                false => Some("container does not exist".to_owned()),
            }
        );
        assert!(is_gone(&place));
    }
}

#[test]
fn a_claim_whose_maker_is_at_work_is_left_alone() {
    let place = Place::new();
    let store = super::super::store::Store::open(&place.root()).unwrap();
    let claim = store.reserve(&id("a")).unwrap();
    assert_eq!(delete_it(&place, false).unwrap_err().kind(), Code::NotFound);
    assert!(!is_gone(&place));
    drop(claim);
}

#[test]
fn processes_that_outlive_init_end_with_a_container_of_a_shared_pid_namespace() {
    let (place, others) = (Place::new(), Group::new("shared"));
    place.container(&State { own_pid_namespace: false, cgroup: others.location(), ..state("a") });
    delete_it(&place, false).unwrap();
    others.sleeper.wait_for_end();
    assert!(is_gone(&place) && !others.manager.exists());
}

#[test]
fn damage_is_an_error_that_force_cleans_up_by_the_record_of_the_cgroup() {
    for (index, (name, damage)) in testing::damages().into_iter().enumerate() {
        let (place, others) = (Place::new(), Group::new(&format!("damage-{index}")));
        let container = place.container(&State { cgroup: others.location(), ..state("a") });
        container.record_cgroup(&others.location()).unwrap();
        damage(&container);
        assert_eq!(delete_it(&place, false).expect_err(name).kind(), Code::InvalidConfig, "{name}");
        assert!(others.sleeper.is_alive() && !is_gone(&place), "{name}");
        delete_it(&place, true).expect(name);
        others.sleeper.wait_for_end();
        assert!(is_gone(&place) && !others.manager.exists(), "{name}");
        delete_it(&place, true).expect(name);
    }
}

#[test]
fn a_container_whose_state_is_missing_keeps_its_processes_until_force() {
    let (place, others) = (Place::new(), Group::new("missing"));
    let container = place.container(&State { cgroup: others.location(), ..state("a") });
    container.record_cgroup(&others.location()).unwrap();
    fs::remove_file(container.path().join("state.json")).unwrap();
    assert_eq!(delete_it(&place, false).unwrap_err().kind(), Code::NotFound);
    assert!(others.sleeper.is_alive() && !is_gone(&place));
    delete_it(&place, true).unwrap();
    others.sleeper.wait_for_end();
    assert!(is_gone(&place) && !others.manager.exists());
}

#[test]
fn after_a_reboot_nothing_but_the_directory_is_the_containers() {
    for force in [false, true] {
        let (place, strangers) = (Place::new(), Group::new(&format!("reboot-{force}")));
        place.container(&State {
            boot_id: "another".to_owned(),
            init: Some(strangers.sleeper.identity()),
            own_pid_namespace: false,
            cgroup: strangers.location(),
            ..state("a")
        });
        delete_it(&place, force).unwrap();
        assert!(is_gone(&place) && strangers.sleeper.is_alive() && strangers.manager.exists());
    }
}

#[test]
fn a_frozen_container_is_ended_by_force() {
    let (place, frozen) = (Place::new(), Group::new("frozen"));
    let init = Some(frozen.sleeper.identity());
    place.container(&State { init, cgroup: frozen.location(), ..state("a") });
    frozen.manager.freeze(PATIENCE).unwrap();
    delete_it(&place, true).unwrap();
    frozen.sleeper.wait_for_end();
    assert!(is_gone(&place) && !frozen.manager.exists());
}
