use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;
use crate::container::state::{Phase, ProcessId, State, Status};
use crate::container::testing::{self, Place, id, state};
use crate::linux::pidfd;
use crate::linux::procfs::Proc;

fn reserved(store: &Store, name: &str) -> Container {
    store.reserve(&id(name)).unwrap()
}

#[test]
fn an_id_can_be_claimed_once() {
    let place = Place::new();
    let store = Store::open(&place.root()).unwrap();
    let container = reserved(&store, "a");
    container.freeze_config(b"first").unwrap();
    let error = store.reserve(&id("a")).err().expect("a second claim");
    assert_eq!(error.to_string(), "container with given ID already exists");
    assert_eq!(error.kind(), Code::Exists);
    assert_eq!(store.find(&id("a")).unwrap().config().unwrap(), b"first");
    assert_eq!(store.find(&id("b")).err().map(|error| error.kind()), Some(Code::NotFound));
}

#[test]
fn a_store_and_its_containers_are_private() {
    let place = Place::new();
    let store = Store::open(&place.root().join("deep/er")).unwrap();
    let container = reserved(&store, "a");
    container.save(&state("a")).unwrap();
    container.freeze_config(b"{}").unwrap();
    container.make_fifo(START_FIFO).unwrap();
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&place.root().join("deep/er")), 0o700);
    assert_eq!(mode(&container.path()), 0o700);
    for file in [STATE_FILE, CONFIG_FILE, START_FIFO] {
        assert_eq!(mode(&container.path().join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_store_that_was_never_made_is_empty_and_stays_unmade() {
    let place = Place::new();
    let root = place.root().join("none");
    assert!(Store::open_existing(&root).unwrap().is_none());
    assert!(!root.exists());
}

#[test]
fn only_directories_that_can_be_containers_are_listed() {
    let place = Place::new();
    let store = Store::open(&place.root()).unwrap();
    for name in ["b", "a", ".hidden"] {
        drop(reserved(&store, name));
    }
    fs::write(place.root().join("file"), "").unwrap();
    fs::create_dir(place.root().join("no name")).unwrap();
    symlink("a", place.root().join("link")).unwrap();
    assert_eq!(store.ids().unwrap(), [".hidden", "a", "b"]);
    assert_eq!(store.find(&id("link")).err().map(|error| error.kind()), Some(Code::NotFound));
    assert_eq!(store.find(&id("file")).err().map(|error| error.kind()), Some(Code::NotFound));
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    let mut state = state("a");
    state.annotations = BTreeMap::from([("key \"1\"".to_owned(), "value\n".to_owned())]);
    state.own_pid_namespace = true;
    container.save(&state).unwrap();
    assert_eq!(container.load().unwrap(), state);
}

#[test]
fn a_state_of_a_version_before_or_after_is_read() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    let mut json = serde_json::to_value(state("a")).unwrap();
    json["a_field_of_the_future"] = serde_json::json!({"x": [1]});
    for optional in ["rootfs", "annotations", "owner", "init", "rootless", "systemd_cgroup"] {
        json.as_object_mut().unwrap().remove(optional).expect(optional);
    }
    testing::write(&container, STATE_FILE, json.to_string().as_bytes());
    let read = container.load().unwrap();
    assert_eq!((read.owner, read.init, read.rootless), (0, None, false));
}

#[test]
fn what_a_crash_left_of_a_write_does_not_spoil_the_next() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    let left = container.path().join(format!(".{STATE_FILE}.{}", std::process::id()));
    fs::write(&left, "junk ".repeat(10_000)).unwrap();
    container.save(&state("a")).unwrap();
    assert_eq!(container.load().unwrap(), state("a"));
    assert!(!left.exists());
}

#[test]
fn a_write_that_fails_leaves_the_old_state_and_no_rest() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    container.freeze_config(b"first").unwrap();
    assert_eq!(container.freeze_config(b"second").unwrap_err().errno(), Some(Errno::EEXIST));
    assert_eq!(container.config().unwrap(), b"first");
    fs::create_dir(container.path().join(STATE_FILE)).unwrap();
    assert_eq!(container.save(&state("a")).unwrap_err().errno(), Some(Errno::EISDIR));
    let names: Vec<_> = fs::read_dir(container.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn every_damage_to_a_state_is_an_error_that_names_the_file() {
    for (name, damage) in testing::damages() {
        let place = Place::new();
        let container = reserved(&Store::open(&place.root()).unwrap(), "a");
        container.save(&state("a")).unwrap();
        damage(&container);
        let error = container.load().expect_err(name);
        assert_eq!(error.kind(), Code::InvalidConfig, "{name}: {error}");
        assert!(error.to_string().contains("/a/state.json"), "{name}: {error}");
    }
}

#[test]
fn a_state_cut_short_anywhere_is_damaged() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    let whole = serde_json::to_vec(&state("a")).unwrap();
    for length in 0..whole.len() {
        testing::write(&container, STATE_FILE, &whole[..length]);
        assert_eq!(
            container.load().map_err(|error| error.kind()),
            Err(Code::InvalidConfig),
            "{length} bytes"
        );
    }
}

#[test]
fn a_container_without_a_state_is_none() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    let error = container.load().unwrap_err();
    assert_eq!(error.to_string(), "container does not exist");
    assert_eq!(error.kind(), Code::NotFound);
}

#[test]
fn a_lock_holds_others_off_until_it_is_given_up() {
    let place = Place::new();
    let store = Store::open(&place.root()).unwrap();
    let first = reserved(&store, "a");
    let mut second = store.find(&id("a")).unwrap();
    assert!(!second.try_lock().unwrap());
    // A child has a copy of the descriptor, and may live long.
    let copy = first.directory().try_clone_to_owned().unwrap();
    drop(first);
    assert!(second.try_lock().unwrap());
    drop(copy);
}

#[test]
fn a_lock_on_a_directory_that_was_replaced_is_no_lock_on_the_container() {
    let place = Place::new();
    let store = Store::open(&place.root()).unwrap();
    drop(reserved(&store, "a"));
    let mut old = store.find(&id("a")).unwrap();
    store.find(&id("a")).unwrap().discard().unwrap();
    assert_eq!(old.lock().unwrap_err().kind(), Code::NotFound);
    let _new = reserved(&store, "a");
    assert_eq!(old.lock().unwrap_err().kind(), Code::NotFound);
    // And what is left of the old one takes nothing of the new one with it.
    old.discard().unwrap();
    assert!(place.root().join("a").exists());
}

#[test]
fn discarding_removes_all_below_and_follows_no_symlink() {
    let place = Place::new();
    let outside = place.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("keep"), "x").unwrap();
    let root = place.root().join("store");
    let container = reserved(&Store::open(&root).unwrap(), "a");
    let path = container.path();
    container.save(&state("a")).unwrap();
    fs::create_dir_all(path.join("notify/deeper")).unwrap();
    fs::write(path.join("notify/deeper/file"), "x").unwrap();
    symlink(&outside, path.join("link")).unwrap();
    symlink(&outside, path.join("notify/link")).unwrap();
    mkfifo(&path.join("fifo"), Mode::S_IRWXU).unwrap();
    container.discard().unwrap();
    assert!(!path.exists());
    assert_eq!(fs::read(outside.join("keep")).unwrap(), b"x");
    assert_eq!(fs::metadata(&root).unwrap().nlink(), 2);
}

#[test]
fn a_cgroup_record_is_read_back_unless_it_is_of_another_boot() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    let location = state("a").cgroup;
    assert_eq!(container.recorded_cgroup(), None);
    container.record_cgroup(&location).unwrap();
    assert_eq!(container.recorded_cgroup(), Some(location));
    let path = container.path().join(CGROUP_FILE);
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["boot_id"] = "00000000-0000-0000-0000-000000000000".into();
    testing::write(&container, CGROUP_FILE, json.to_string().as_bytes());
    assert_eq!(container.recorded_cgroup(), None);
    for damage in [&b""[..], b"null", b"[]", b"{\"boot_id\":1}", b"\xff\xfe"] {
        testing::write(&container, CGROUP_FILE, damage);
        assert_eq!(container.recorded_cgroup(), None);
    }
}

#[test]
fn a_status_is_what_the_kernel_says_of_the_processes() {
    let place = Place::new();
    let container = reserved(&Store::open(&place.root()).unwrap(), "a");
    let own = testing::this_process();
    let gone = testing::dead_process();
    let creating = |runtime| State { phase: Phase::Creating, runtime, ..state("a") };
    let created = |init| State { init, runtime: gone, ..state("a") };
    let of_an_old_boot = |state: State| State { boot_id: "another".to_owned(), ..state };
    let younger = ProcessId { start_time: own.start_time + 1, ..own };
    let by_itself = ProcessId::of_this_process(&Proc::open().unwrap()).unwrap();
    let another = ProcessId { inode: by_itself.inode.map(|number| number + 1), ..by_itself };
    let cases = [
        (creating(own), Status::Creating),
        (creating(by_itself), Status::Creating),
        (creating(ProcessId { start_time: by_itself.start_time + 1, ..another }), Status::Stopped),
        (creating(gone), Status::Stopped),
        (creating(younger), Status::Stopped),
        (of_an_old_boot(creating(own)), Status::Stopped),
        (created(Some(own)), Status::Running),
        (created(Some(younger)), Status::Stopped),
        (created(Some(gone)), Status::Stopped),
        (created(None), Status::Stopped),
        (of_an_old_boot(created(Some(own))), Status::Stopped),
    ];
    for (state, expected) in cases {
        assert_eq!(container.status(&state).unwrap(), expected, "{state:?}");
    }
    // By its number on pidfs, where the kernel has that (Linux 6.9), whatever the start time says.
    let pid = nix::unistd::getpid();
    let held = pidfd::open(pid).unwrap();
    let numbered = ProcessId::of_held(&Proc::open().unwrap(), pid, held.as_fd()).unwrap();
    if let Some(inode) = numbered.inode {
        let stranger = ProcessId { inode: Some(inode + 1), ..numbered };
        let (ours, anothers) = (created(Some(numbered)), created(Some(stranger)));
        assert_eq!(container.status(&ours).unwrap(), Status::Running);
        assert_eq!(container.status(&anothers).unwrap(), Status::Stopped);
        let dead = ProcessId { pid: gone.pid, ..numbered };
        assert_eq!(container.status(&created(Some(dead))).unwrap(), Status::Stopped);
    }
    container.make_fifo(START_FIFO).unwrap();
    assert_eq!(container.status(&created(Some(own))).unwrap(), Status::Created);
    let ungated = State { ungated: true, ..created(Some(own)) };
    assert_eq!(container.status(&ungated).unwrap(), Status::Running);
}
