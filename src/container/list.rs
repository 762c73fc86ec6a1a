//! `list`: every container of the store. One that cannot be read is a warning, never the end of the list.

use std::collections::BTreeMap;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::AsFd;

use super::Globals;
use super::store::{ContainerId, Observer, Store};
use super::view::View;
use crate::fail;
use crate::linux;
use crate::report::{Code, Result, log};

const PASSWD_LIMIT: usize = 16 << 20;

/// All containers, sorted by id.
///
/// # Errors
/// A `--root` that was asked for and is not there.
pub fn list(globals: &Globals) -> Result<Vec<View>> {
    let Some(store) = Store::open_existing(&globals.root)? else {
        if globals.root_is_default {
            return Ok(Vec::new());
        }
        fail!(Code::NotFound, "open root directory {:?}: no such file or directory (ENOENT)", globals.root);
    };
    let (observer, mut names) = (Observer::new()?, UserNames::default());
    let mut views = Vec::new();
    for id in store.ids()? {
        match view(&store, &id, &observer, &mut names) {
            Ok(Some(view)) => views.push(view),
            Ok(None) => {}
            Err(error) => log::warn(format!("load container {id}: {error}")),
        }
    }
    Ok(views)
}

/// None where the container is deleted while we look.
fn view(store: &Store, id: &str, observer: &Observer, names: &mut UserNames) -> Result<Option<View>> {
    let id = ContainerId::new(id)?;
    let container = match store.find_to_look(&id) {
        Ok(container) => container,
        Err(error) if error.kind() == Code::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let state = match container.load() {
        Ok(state) => state,
        Err(error) if error.kind() == Code::NotFound && !container.is_current()? => return Ok(None),
        Err(error) if error.kind() == Code::NotFound => {
            return Err(error.context("it has no state yet, or was deleted only half"));
        }
        Err(error) => return Err(error),
    };
    let uid = state.owner;
    let mut view = View::of(&container, state, observer)?;
    view.owner = names.of(uid);
    Ok(Some(view))
}

/// Names of the host's users, by /etc/passwd alone: a static program asks no name service.
#[derive(Default)]
struct UserNames {
    by_uid: Option<BTreeMap<u32, String>>,
}

impl UserNames {
    /// The name, or `#uid` where there is none.
    fn of(&mut self, uid: u32) -> String {
        let by_uid = self.by_uid.get_or_insert_with(|| parse_passwd(&read_passwd()));
        by_uid.get(&uid).cloned().unwrap_or_else(|| format!("#{uid}"))
    }
}

/// A host without the file, or with one that cannot be read, has no names.
fn read_passwd() -> String {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let bytes = open("/etc/passwd", flags, Mode::empty())
        .and_then(|file| linux::fd::read_to_end(file.as_fd(), PASSWD_LIMIT));
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// `name:password:uid:…` a line (`man 5 passwd`); the first of a uid counts.
fn parse_passwd(text: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else { continue };
        if let Ok(uid) = uid.parse() {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::testing::{self, Place, id, state};

    fn ids(place: &Place) -> Vec<String> {
        list(&place.globals()).unwrap().into_iter().map(|view| view.id).collect()
    }

    #[test]
    fn damaged_containers_are_left_out_and_the_others_are_listed() {
        for (name, damage) in testing::damages() {
            let place = Place::new();
            place.container(&state("c"));
            damage(&place.container(&state("a")));
            place.container(&state("b"));
            drop(Store::open(&place.root()).unwrap().reserve(&id("half")).unwrap());
            assert_eq!(ids(&place), ["b", "c"], "{name}");
        }
    }

    #[test]
    fn a_stopped_container_has_no_pid_and_an_owner_by_name() {
        let place = Place::new();
        place.container(&state("a"));
        let views = list(&place.globals()).unwrap();
        assert_eq!((views[0].pid, views[0].status, views[0].owner.as_str()), (0, "stopped", "root"));
    }

    #[test]
    fn a_root_that_is_missing_is_an_error_only_if_it_was_asked_for() {
        let place = Place::new();
        let asked = Globals { root: place.root().join("none"), ..place.globals() };
        let error = list(&asked).unwrap_err();
        assert!(error.to_string().contains("no such file or directory"), "{error}");
        assert_eq!(list(&Globals { root_is_default: true, ..asked }).unwrap(), []);
    }

    #[test]
    fn a_user_has_the_first_name_that_passwd_gives_and_else_a_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbad\nworse:x:y:0\n:x:\nweb:x:33:33::/:\n";
        let mut names = UserNames { by_uid: Some(parse_passwd(passwd)) };
        assert_eq!(names.of(0), "root");
        assert_eq!(names.of(33), "web");
        assert_eq!(names.of(1000), "#1000");
    }
}
