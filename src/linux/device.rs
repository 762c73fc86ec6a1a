//! Device nodes and links by *at calls with one component, verified after making (security rule R7).

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, major, makedev, minor, mknodat, umask};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

use super::{Errno, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    Char,
    Block,
    Fifo,
}

impl NodeKind {
    fn flag(self) -> SFlag {
        match self {
            NodeKind::Char => SFlag::S_IFCHR,
            NodeKind::Block => SFlag::S_IFBLK,
            NodeKind::Fifo => SFlag::S_IFIFO,
        }
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub major: u32,
    pub minor: u32,
}

/// Makes a node of exactly this mode and owner. One that is there already with the same type and numbers is left
/// as it is.
///
/// # Errors
/// EEXIST where something else has the name; EXDEV where something else took the node's place meanwhile.
pub fn make_node(
    parent: BorrowedFd,
    name: &OsStr,
    node: Node,
    mode: u32,
    uid: u32,
    gid: u32,
) -> Result<()> {
    let made = {
        // The mode of a node cannot be changed by descriptor before Linux 6.6, so it must be right at once.
        let _open = Umask::cleared();
        let mode = Mode::from_bits_truncate(mode & 0o7777);
        mknodat(parent, name, node.kind.flag(), mode, makedev(node.major.into(), node.minor.into()))
    };
    match made {
        Ok(()) => {}
        Err(Errno::EEXIST) => {
            return match describe(open_node(parent, name)?.as_fd())? {
                Some(existing) if existing == node => Ok(()),
                _ => Err(Errno::EEXIST),
            };
        }
        Err(errno) => return Err(errno),
    }
    let made = open_node(parent, name)?;
    if describe(made.as_fd())? != Some(node) {
        return Err(Errno::EXDEV);
    }
    fchownat(&made, c"", Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::AT_EMPTY_PATH)
}

/// The umask of before, when dropped.
struct Umask(Mode);

impl Umask {
    fn cleared() -> Self {
        Self(umask(Mode::empty()))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        umask(self.0);
    }
}

/// Never opened for real: that could act on hardware, or wait.
fn open_node(parent: BorrowedFd, name: &OsStr) -> Result<OwnedFd> {
    openat(parent, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// Is this O_PATH handle the character device major:minor?
pub fn is_char(fd: BorrowedFd, major: u32, minor: u32) -> bool {
    describe(fd) == Ok(Some(Node { kind: NodeKind::Char, major, minor }))
}

/// What node a handle is of; None if it is no device and no fifo. A fifo's numbers are 0.
pub fn describe(fd: BorrowedFd) -> Result<Option<Node>> {
    let stat = fstat(fd)?;
    let kinds = [NodeKind::Char, NodeKind::Block, NodeKind::Fifo];
    let found = kinds.into_iter().find(|kind| stat.st_mode & SFlag::S_IFMT.bits() == kind.flag().bits());
    let number = |number: u64| u32::try_from(number).map_err(|_| Errno::EOVERFLOW);
    match found {
        None => Ok(None),
        Some(NodeKind::Fifo) => Ok(Some(Node { kind: NodeKind::Fifo, major: 0, minor: 0 })),
        Some(kind) => {
            let (major, minor) = (number(major(stat.st_rdev))?, number(minor(stat.st_rdev))?);
            Ok(Some(Node { kind, major, minor }))
        }
    }
}

/// symlinkat of one component; EEXIST is the caller's to judge.
pub fn make_symlink(parent: BorrowedFd, name: &OsStr, target: &Path) -> Result<()> {
    symlinkat(target, parent, name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::super::testing::Scratch;
    use super::*;

    const NULL: Node = Node { kind: NodeKind::Char, major: 1, minor: 3 };

    fn make(scratch: &Scratch, name: &str, node: Node, mode: u32) -> Result<()> {
        let directory = fs::File::open(scratch.path()).unwrap();
        make_node(directory.as_fd(), OsStr::new(name), node, mode, 7, 8)
    }

    #[test]
    fn a_node_has_the_mode_and_owner_asked_for_whatever_the_umask() {
        let scratch = Scratch::new();
        make(&scratch, "null", NULL, 0o666).unwrap();
        let stat = fs::symlink_metadata(scratch.join("null")).unwrap();
        assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.gid()), (0o666, 7, 8));
        let opened = fs::File::open(scratch.join("null")).unwrap();
        assert!(is_char(opened.as_fd(), 1, 3) && !is_char(opened.as_fd(), 1, 5));
    }

    #[test]
    fn the_same_node_may_be_there_already_and_nothing_else_may() {
        let scratch = Scratch::new();
        make(&scratch, "null", NULL, 0o600).unwrap();
        make(&scratch, "null", NULL, 0o666).unwrap();
        assert_eq!(fs::symlink_metadata(scratch.join("null")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(make(&scratch, "null", Node { minor: 5, ..NULL }, 0o666), Err(Errno::EEXIST));
        fs::write(scratch.join("file"), "").unwrap();
        assert_eq!(make(&scratch, "file", NULL, 0o666), Err(Errno::EEXIST));
    }

    #[test]
    fn a_symlink_in_the_nodes_place_is_not_followed() {
        let scratch = Scratch::new();
        symlink("/dev/null", scratch.join("null")).unwrap();
        assert_eq!(make(&scratch, "null", NULL, 0o666), Err(Errno::EEXIST));
        symlink(scratch.join("elsewhere"), scratch.join("zero")).unwrap();
        assert_eq!(make(&scratch, "zero", Node { minor: 5, ..NULL }, 0o666), Err(Errno::EEXIST));
        assert!(!scratch.join("elsewhere").exists());
    }

    #[test]
    fn a_fifo_is_a_node_too() {
        let scratch = Scratch::new();
        let fifo = Node { kind: NodeKind::Fifo, major: 0, minor: 0 };
        make(&scratch, "fifo", fifo, 0o640).unwrap();
        let directory = fs::File::open(scratch.path()).unwrap();
        let opened = open_node(directory.as_fd(), OsStr::new("fifo")).unwrap();
        assert_eq!(describe(opened.as_fd()), Ok(Some(fifo)));
        assert_eq!(describe(directory.as_fd()), Ok(None));
    }
}
