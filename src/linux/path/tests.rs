use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use super::super::testing::{Scratch, in_child};
use super::*;

mod forest;
mod race;

/// A root in a scratch directory, next to which lies a canary that nothing may reach.
struct Place {
    scratch: Scratch,
    root: Root,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        for name in ["root", "HOST"] {
            fs::create_dir(scratch.join(name)).unwrap();
        }
        let directory = fs::File::open(scratch.join("root")).unwrap();
        Self { scratch, root: Root::new(directory.into()) }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.scratch.join("root").join(name)
    }
    fn link(&self, name: &str, target: impl AsRef<Path>) {
        symlink(target, self.path(name)).unwrap();
    }
    fn directory(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }
    fn names(&self, handle: &OwnedFd, name: &str) -> bool {
        let (found, expected) = (fstat(handle).unwrap(), fs::symlink_metadata(self.path(name)).unwrap());
        (found.st_dev, found.st_ino) == (expected.dev(), expected.ino())
    }
    fn assert_host_is_untouched(&self) {
        assert_eq!(fs::read_dir(self.scratch.join("HOST")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(self.scratch.path()).unwrap().count(), 2);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_host_is_untouched();
        }
    }
}

#[test]
fn links_and_dots_stay_inside_the_root() {
    let place = Place::new();
    place.directory("a/b");
    let host = place.scratch.join("HOST");
    place.link("up", "../../../../a");
    place.link("absolute", "/a/b");
    place.link("host", &host);
    place.link("chain", "up/b/../../absolute");
    for (path, names) in [
        ("/", ""),
        (".", ""),
        ("../..", ""),
        ("/../a", "a"),
        ("up", "a"),
        ("/up/b", "a/b"),
        ("absolute", "a/b"),
        ("chain", "a/b"),
        ("a/b/../../../../a", "a"),
    ] {
        let handle = place.root.resolve(Path::new(path)).unwrap();
        assert!(place.names(&handle, names), "{path}");
    }
    assert_eq!(place.root.resolve(Path::new("host")).unwrap_err(), Errno::ENOENT);
    assert_eq!(place.root.resolve(Path::new("../HOST")).unwrap_err(), Errno::ENOENT);
    assert_eq!(place.root.resolve(Path::new("")).unwrap_err(), Errno::ENOENT);
    assert_eq!(place.root.resolve(Path::new("a\0b")).unwrap_err(), Errno::EINVAL);
}

#[test]
fn a_last_symlink_is_followed_answered_or_refused_as_asked() {
    let place = Place::new();
    place.directory("a");
    place.link("link", "a");
    place.link("a/loop", "loop");
    let link = Path::new("link");
    assert!(place.names(&place.root.resolve(link).unwrap(), "a"));
    assert!(place.names(&place.root.resolve_nofollow(link).unwrap(), "link"));
    assert_eq!(place.root.resolve_plain(link).unwrap_err(), Errno::ELOOP);
    assert_eq!(place.root.resolve_plain(Path::new("link/x")).unwrap_err(), Errno::ELOOP);
    assert!(place.names(&place.root.resolve_plain(Path::new("a")).unwrap(), "a"));
    assert_eq!(place.root.resolve(Path::new("a/loop")).unwrap_err(), Errno::ELOOP);
}

#[test]
fn magic_links_are_refused() {
    let root = Root::current().unwrap();
    for path in ["/proc/self/exe", "/proc/self/cwd/x", "/proc/self/fd/0", "/proc/self/root"] {
        assert_eq!(root.resolve(Path::new(path)).unwrap_err(), Errno::ELOOP, "{path}");
        assert_eq!(root.make_directory(Path::new(path), 0o755).unwrap_err(), Errno::ELOOP, "{path}");
        assert_eq!(root.make_file(Path::new(path), 0o644).unwrap_err(), Errno::ELOOP, "{path}");
    }
}

#[test]
fn what_is_missing_is_made_with_its_exact_mode() {
    in_child(|| {
        nix::sys::stat::umask(Mode::from_bits_truncate(0o777));
        let place = Place::new();
        place.directory("a");
        let handle = place.root.make_directory(Path::new("/a/b/c"), 0o1777).unwrap();
        assert!(place.names(&handle, "a/b/c"));
        let mode = |name| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a/b"), mode("a/b/c")), (0o755, 0o1777));
        place.root.make_file(Path::new("a/d/file"), 0o640).unwrap();
        assert_eq!((mode("a/d"), mode("a/d/file")), (0o755, 0o640));
        place.root.make_directory(Path::new("a/b/c"), 0o700).unwrap();
        assert_eq!(mode("a/b/c"), 0o1777, "what is there already is left alone");
    });
}

/// A symlink and its target.
type Link = (&'static str, &'static str);

/// (links, what to make, what must be there afterwards)
const MAKING: &[(&[Link], &str, &str)] = &[
    (&[], "x", "x"),
    (&[], "/x/y/z", "x/y/z"),
    (&[], "x/../y", "y"),
    (&[], "x/y/../../../z", "z"),
    (&[], "d/../../x", "x"),
    (&[("link", "d")], "link/x", "d/x"),
    (&[("link", "missing")], "link", "missing"),
    (&[("link", "/missing/deep")], "link", "missing/deep"),
    (&[("link", "/missing/deep")], "link/x/y", "missing/deep/x/y"),
    (&[("link", "../../../out")], "link/x", "out/x"),
    (&[("link", "missing/../other")], "link/x", "other/x"),
    (&[("d/link", "sibling")], "d/link/x", "d/sibling/x"),
    (&[("d/link", "../sibling")], "d/link/x", "sibling/x"),
    (&[("one", "two"), ("two", "/three"), ("three", "d/four")], "one/x", "d/four/x"),
    (&[("host", "/HOST")], "host/x", "HOST/x"),
    (&[("d/up", "..")], "d/up/d/up/x", "x"),
];

#[test]
fn missing_targets_of_symlinks_are_made_inside_the_root() {
    for (links, path, expected) in MAKING {
        for leaf in [Leaf::Directory, Leaf::File] {
            let place = Place::new();
            place.directory("d");
            for (name, target) in *links {
                place.link(name, target);
            }
            let handle = place.root.make(Path::new(path), leaf, 0o700).unwrap();
            assert!(place.names(&handle, expected), "{path} through {links:?}");
            assert_eq!(fs::metadata(place.path(expected)).unwrap().is_dir(), leaf == Leaf::Directory);
            let again = place.root.make(Path::new(path), leaf, 0o700).unwrap();
            assert!(place.names(&again, expected), "{path} the second time");
        }
    }
}

#[test]
fn what_is_in_the_way_is_an_error() {
    let place = Place::new();
    place.directory("d");
    fs::write(place.path("file"), "content").unwrap();
    place.link("loop", "loop");
    place.link("to-file", "file");
    place.link("ping", "pong/x");
    place.link("pong", "ping/x");
    let long = "x".repeat(256);
    let directory = |path: &str| place.root.make_directory(Path::new(path), 0o755).map(drop);
    let file = |path: &str| place.root.make_file(Path::new(path), 0o644).map(drop);
    for (path, errno) in [
        ("file", Errno::ENOTDIR),
        ("file/x", Errno::ENOTDIR),
        ("to-file", Errno::ENOTDIR),
        ("to-file/x/y", Errno::ENOTDIR),
        ("loop", Errno::ELOOP),
        ("loop/x", Errno::ELOOP),
        ("ping", Errno::ELOOP),
        ("", Errno::ENOENT),
        ("a\0b", Errno::EINVAL),
        (&long, Errno::ENAMETOOLONG),
    ] {
        assert_eq!(directory(path), Err(errno), "directory {path}");
    }
    for (path, errno) in [
        ("d", Errno::EISDIR),
        ("/", Errno::EISDIR),
        ("d/..", Errno::EISDIR),
        ("file/x", Errno::ENOTDIR),
        ("loop", Errno::ELOOP),
        ("", Errno::ENOENT),
    ] {
        assert_eq!(file(path), Err(errno), "file {path}");
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"content");
}

#[test]
fn a_file_that_is_there_is_kept_whatever_it_is() {
    let place = Place::new();
    fs::write(place.path("file"), "content").unwrap();
    nix::unistd::mkfifo(&place.path("fifo"), Mode::S_IRWXU).unwrap();
    place.link("to-fifo", "fifo");
    for (path, names) in [("file", "file"), ("fifo", "fifo"), ("to-fifo", "fifo")] {
        let handle = place.root.make_file(Path::new(path), 0o600).unwrap();
        assert!(place.names(&handle, names));
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"content");
    assert!(fs::metadata(place.path("fifo")).unwrap().file_type().is_fifo());
}

#[test]
fn a_link_past_a_missing_directory_finds_the_file_that_is_there() {
    let place = Place::new();
    fs::write(place.path("file"), "content").unwrap();
    place.link("link", "missing/../file");
    let handle = place.root.make_file(Path::new("link"), 0o600).unwrap();
    assert!(place.names(&handle, "file"));
}

#[test]
fn an_entry_is_a_directory_and_one_name() {
    let place = Place::new();
    place.directory("d");
    place.link("link", "d");
    for path in ["link/x", "/link/x/", "d/../d/x", "link/./x"] {
        let entry = place.root.make_parent(Path::new(path)).unwrap();
        assert!(place.names(&entry.parent, "d"), "{path}");
        assert_eq!(entry.name, "x");
    }
    let top = place.root.make_parent(Path::new("x")).unwrap();
    assert!(place.names(&top.parent, ""));
    for path in ["/", "", "..", "d/..", "."] {
        assert_eq!(place.root.make_parent(Path::new(path)).map(drop), Err(Errno::EINVAL), "{path}");
    }
    let made = place.root.make_parent(Path::new("new/deep/x")).unwrap();
    assert!(place.names(&made.parent, "new/deep"));
    assert!(!place.path("new/deep/x").exists());
}

#[test]
fn only_regular_files_are_read_and_never_too_much() {
    let place = Place::new();
    fs::write(place.path("file"), "0123456789").unwrap();
    place.link("link", "/file");
    place.directory("d");
    nix::unistd::mkfifo(&place.path("fifo"), Mode::S_IRWXU).unwrap();
    let null = nix::sys::stat::makedev(1, 3);
    nix::sys::stat::mknod(&place.path("null"), SFlag::S_IFCHR, Mode::S_IRWXU, null).unwrap();
    for (path, limit, answer) in [
        ("file", 10, Ok(b"0123456789".to_vec())),
        ("link", 10, Ok(b"0123456789".to_vec())),
        ("file", 9, Err(Errno::EFBIG)),
        ("d", 9, Err(Errno::EISDIR)),
        ("fifo", 9, Err(Errno::EINVAL)),
        ("null", 9, Err(Errno::EINVAL)),
        ("missing", 9, Err(Errno::ENOENT)),
    ] {
        assert_eq!(place.root.read(Path::new(path), limit), answer, "{path}");
    }
}
