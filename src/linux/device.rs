//! Device nodes by *at calls, verified after making (security rule R7).
//! No node is ever opened for real: a driver may act on an open alone.

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major, makedev, minor, mknodat};
use nix::unistd::{Gid, Uid, fchownat};

use super::credentials::without_umask;
use super::{Errno, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    Char,
    Block,
    Fifo,
}

impl NodeKind {
    fn file_type(self) -> SFlag {
        match self {
            NodeKind::Char => SFlag::S_IFCHR,
            NodeKind::Block => SFlag::S_IFBLK,
            NodeKind::Fifo => SFlag::S_IFIFO,
        }
    }
}

/// What a node is. A fifo's numbers are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub major: u32,
    pub minor: u32,
}

impl Node {
    fn number(self) -> libc::dev_t {
        if self.kind == NodeKind::Fifo { 0 } else { makedev(self.major.into(), self.minor.into()) }
    }
}

/// Makes the node `name` (one component) with exactly this mode and owner, whatever the umask, and checks that it is
/// what now stands there.
///
/// A node of the same kind and numbers that is there already is taken as it is. EEXIST: something else is there.
/// EXDEV: something else took the node's place meanwhile. EPERM: mknod is not allowed here (in a user namespace), so
/// that the host's node must be bound instead.
pub fn make_node(parent: BorrowedFd, name: &OsStr, node: Node, mode: u32, uid: u32, gid: u32) -> Result<()> {
    let is_wanted =
        |found: &FileStat| file_type(found) == node.kind.file_type() && found.st_rdev == node.number();
    match mknod_exactly(parent, name, node, mode) {
        Ok(()) => {}
        Err(Errno::EEXIST) => {
            let found = fstat(open_node(parent, name)?)?;
            return if is_wanted(&found) { Ok(()) } else { Err(Errno::EEXIST) };
        }
        Err(errno) => return Err(errno),
    }
    let found = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if is_wanted(&found) && (found.st_uid, found.st_gid) == (uid, gid) {
        return Ok(());
    }
    let made = open_node(parent, name)?;
    if !is_wanted(&fstat(&made)?) {
        return Err(Errno::EXDEV);
    }
    fchownat(&made, c"", Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::AT_EMPTY_PATH)
}

/// Is this O_PATH handle the character device major:minor?
pub fn is_char(fd: BorrowedFd, major: u32, minor: u32) -> bool {
    describe(fd) == Ok(Some(Node { kind: NodeKind::Char, major, minor }))
}

/// What node a handle is of; None if it is neither a device nor a fifo.
pub fn describe(fd: BorrowedFd) -> Result<Option<Node>> {
    let stat = fstat(fd)?;
    let kinds = [NodeKind::Char, NodeKind::Block, NodeKind::Fifo];
    let Some(kind) = kinds.into_iter().find(|kind| kind.file_type() == file_type(&stat)) else {
        return Ok(None);
    };
    let device = if kind == NodeKind::Fifo { 0 } else { stat.st_rdev };
    // Linux has 12 bits for the one and 20 for the other.
    Ok(Some(Node { kind, major: major(device) as u32, minor: minor(device) as u32 }))
}

/// symlinkat of one component; EEXIST is an error to the caller.
pub fn make_symlink(parent: BorrowedFd, name: &OsStr, target: &Path) -> Result<()> {
    require_component(name)?;
    nix::unistd::symlinkat(target, parent, name)
}

fn mknod_exactly(parent: BorrowedFd, name: &OsStr, node: Node, mode: u32) -> Result<()> {
    require_component(name)?;
    let (kind, mode) = (node.kind.file_type(), Mode::from_bits_truncate(mode));
    without_umask(|| mknodat(parent, name, kind, mode, node.number()))
}

fn open_node(parent: BorrowedFd, name: &OsStr) -> Result<OwnedFd> {
    openat(parent, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

fn require_component(name: &OsStr) -> Result<()> {
    let bytes = name.as_encoded_bytes();
    let plain = !bytes.is_empty() && !bytes.contains(&b'/') && ![&b"."[..], b".."].contains(&bytes);
    if plain { Ok(()) } else { Err(Errno::EINVAL) }
}

fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::super::testing::{Scratch, in_child};
    use nix::sys::stat::umask;

    use super::*;

    fn node(scratch: &Scratch, name: &str, kind: NodeKind, major: u32, minor: u32) -> Result<()> {
        let parent = fs::File::open(scratch.path()).unwrap();
        make_node(parent.as_fd(), name.as_ref(), Node { kind, major, minor }, 0o1666, 1000, 2000)
    }

    #[test]
    fn nodes_have_the_exact_mode_and_owner_whatever_the_umask() {
        in_child(|| {
            let scratch = Scratch::new();
            umask(Mode::from_bits_truncate(0o777));
            for (name, kind, major, minor) in [
                ("null", NodeKind::Char, 1, 3),
                ("disk", NodeKind::Block, 259, 70_000),
                ("fifo", NodeKind::Fifo, 0, 0),
                ("fifo with numbers", NodeKind::Fifo, 1, 3),
            ] {
                node(&scratch, name, kind, major, minor).unwrap();
                let stat = fs::symlink_metadata(scratch.join(name)).unwrap();
                assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.gid()), (0o1666, 1000, 2000), "{name}");
                let fd = open_node(fs::File::open(scratch.path()).unwrap().as_fd(), name.as_ref()).unwrap();
                let numbers = if kind == NodeKind::Fifo { (0, 0) } else { (major, minor) };
                assert_eq!(describe(fd.as_fd()), Ok(Some(Node { kind, major: numbers.0, minor: numbers.1 })));
            }
            assert_eq!(umask(Mode::empty()).bits(), 0o777, "the umask is as it was");
        });
    }

    #[test]
    fn the_very_same_node_is_taken_and_anything_else_is_eexist() {
        let scratch = Scratch::new();
        let outside = Scratch::new();
        node(&scratch, "null", NodeKind::Char, 1, 3).unwrap();
        assert_eq!(node(&scratch, "null", NodeKind::Char, 1, 3), Ok(()));
        fs::write(scratch.join("file"), "").unwrap();
        symlink("/dev/null", scratch.join("link")).unwrap();
        symlink(outside.join("new"), scratch.join("dangling")).unwrap();
        fs::create_dir(scratch.join("directory")).unwrap();
        for (name, kind, major, minor) in [
            ("null", NodeKind::Char, 1, 5),
            ("null", NodeKind::Block, 1, 3),
            ("file", NodeKind::Char, 1, 3),
            ("link", NodeKind::Char, 1, 3),
            ("dangling", NodeKind::Char, 1, 3),
            ("directory", NodeKind::Fifo, 0, 0),
        ] {
            assert_eq!(node(&scratch, name, kind, major, minor), Err(Errno::EEXIST), "{name}");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_is_one_component() {
        let scratch = Scratch::new();
        let parent = fs::File::open(scratch.path()).unwrap();
        for name in ["", ".", "..", "../x", "a/b", "/x"] {
            assert_eq!(node(&scratch, name, NodeKind::Char, 1, 3), Err(Errno::EINVAL), "{name}");
            assert_eq!(
                make_symlink(parent.as_fd(), name.as_ref(), Path::new("x")),
                Err(Errno::EINVAL),
                "{name}"
            );
        }
    }

    #[test]
    fn a_symlink_is_made_once_with_any_target() {
        let scratch = Scratch::new();
        let parent = fs::File::open(scratch.path()).unwrap();
        let make = || make_symlink(parent.as_fd(), "fd".as_ref(), Path::new("/proc/self/fd"));
        make().unwrap();
        assert_eq!(fs::read_link(scratch.join("fd")).unwrap(), Path::new("/proc/self/fd"));
        assert_eq!(make(), Err(Errno::EEXIST));
    }

    #[test]
    fn only_the_right_character_device_is_one() {
        let null = fs::File::open("/dev/null").unwrap();
        assert!(is_char(null.as_fd(), 1, 3));
        assert!(!is_char(null.as_fd(), 1, 5));
        assert!(!is_char(fs::File::open("/").unwrap().as_fd(), 0, 0));
        assert_eq!(describe(fs::File::open("/").unwrap().as_fd()), Ok(None));
    }
}
