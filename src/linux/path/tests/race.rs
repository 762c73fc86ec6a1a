//! Lookups while a neighbour swaps directories for symlinks that lead out (CVE-2021-30465, CVE-2024-45310).

use std::collections::HashSet;

use nix::sys::signal::{SIGKILL, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use rustix::fs::{RenameFlags, renameat_with};

use super::super::super::process::exit_now;
use super::*;

/// Of each outcome, so that the tree really was in both states at some lookups.
const ENOUGH: usize = 1500;
/// Reached only if the neighbour never gets a CPU.
const ROUNDS: usize = 3_000_000;
const MAKING_ROUNDS: usize = 500;

/// Swaps `a` and `b` below `directory` until it is killed, or until its parent is gone.
struct Flipper(Pid);

impl Flipper {
    fn start(directory: &Path, pairs: &[(&str, &str)]) -> Self {
        let directory = fs::File::open(directory).unwrap();
        // SAFETY: the child makes system calls only, and exits.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => Self(child),
            ForkResult::Child => {
                if super::super::super::process::set_parent_death_signal(Some(SIGKILL)).is_err() {
                    exit_now(1);
                }
                loop {
                    for (a, b) in pairs {
                        if renameat_with(&directory, *a, &directory, *b, RenameFlags::EXCHANGE).is_err() {
                            exit_now(1);
                        }
                    }
                }
            }
        }
    }
}

impl Drop for Flipper {
    fn drop(&mut self) {
        kill(self.0, SIGKILL).unwrap();
        waitpid(self.0, None).unwrap();
    }
}

/// A tree in which `a/x` is a directory at one moment and at the next a symlink out of the root.
fn contested() -> Place {
    let place = Place::new();
    place.directory("a/x/y/z");
    fs::write(place.path("a/x/y/file"), "").unwrap();
    place.link("a/absolute", place.scratch.join("HOST"));
    place.link("a/climbing", "../../HOST");
    place.link("around", "a/x/y/../y/../../x");
    place
}

fn inodes_below(top: &Path, found: &mut HashSet<(u64, u64)>) {
    let metadata = fs::symlink_metadata(top).unwrap();
    found.insert((metadata.dev(), metadata.ino()));
    if metadata.is_dir() {
        for entry in fs::read_dir(top).unwrap() {
            inodes_below(&entry.unwrap().path(), found);
        }
    }
}

#[test]
fn a_lookup_never_ends_outside_while_the_tree_is_being_changed() {
    in_child(|| {
        let place = contested();
        let mut inside = HashSet::new();
        inodes_below(&place.path(""), &mut inside);
        let _flipper = Flipper::start(&place.path("a"), &[("x", "absolute"), ("x", "climbing")]);
        let (mut found, mut missed, mut tired) = (0, 0, 0);
        for round in 0..ROUNDS {
            let path = ["a/x", "a/x/y/z", "a/x/y/file", "a/x/../x/y/../..", "around/y", "a/x/.."][round % 6];
            match place.root.resolve(Path::new(path)) {
                Ok(handle) => {
                    let stat = fstat(&handle).unwrap();
                    assert!(inside.contains(&(stat.st_dev, stat.st_ino)), "{path} led out");
                    found += 1;
                }
                Err(Errno::ENOENT | Errno::ENOTDIR) => missed += 1,
                Err(Errno::EAGAIN) => tired += 1,
                Err(errno) => panic!("{path}: {errno}"),
            }
            if found > ENOUGH && missed > ENOUGH {
                break;
            }
        }
        assert!(found > ENOUGH && missed > ENOUGH, "{found} found, {missed} missed");
        assert!(tired * 10 < found, "{tired} lookups gave up, {found} found something");
    });
}

#[test]
fn nothing_is_made_outside_while_the_tree_is_being_changed() {
    in_child(|| {
        let place = contested();
        let flipper = Flipper::start(&place.path("a"), &[("x", "absolute"), ("x", "climbing")]);
        let mut made = 0;
        for round in 0..MAKING_ROUNDS {
            let path = PathBuf::from(format!("a/x/{}/new{round}", ["y", "fresh", "y/../deep"][round % 3]));
            let outcomes = [
                place.root.make_directory(&path, 0o755).map(drop),
                place.root.make_file(&path.join("file"), 0o644).map(drop),
                place.root.make_parent(&path.join("deeper/still")).map(drop),
            ];
            for outcome in outcomes {
                match outcome {
                    Ok(()) => made += 1,
                    Err(errno) => {
                        let known =
                            [Errno::ENOENT, Errno::ENOTDIR, Errno::EAGAIN, Errno::ELOOP, Errno::EEXIST];
                        assert!(known.contains(&errno), "{}: {errno}", path.display());
                    }
                }
            }
        }
        drop(flipper);
        assert!(made > MAKING_ROUNDS / 10, "only {made} were made");
        place.assert_host_is_untouched();
    });
}
