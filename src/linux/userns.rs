//! User namespaces and their id maps (`man 7 user_namespaces`).
//! Every file is written through the trusted procfs, by one write(2), as the kernel demands.

use std::os::fd::OwnedFd;

use nix::unistd::{Pid, pipe2};
use serde::Serialize;

use super::clone::{CloneArgs, Cloned, clone3};
use super::namespace::Kind;
use super::procfs::Proc;
use super::{Errno, Result, fd, pidfd, process};

/// The kernel's limit of extents in one map (linux/user_namespace.h, UID_GID_MAP_MAX_EXTENTS).
pub const MAX_EXTENTS: usize = 340;
/// One write of less than a page.
pub const MAX_BYTES: usize = 4095;

/// `size` ids from `container` on are the outer namespace's from `host` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IdMap {
    pub container: u32,
    pub host: u32,
    pub size: u32,
}

/// Which of the two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Uid,
    Gid,
}

impl Which {
    fn file(self) -> &'static str {
        match self {
            Which::Uid => "uid_map",
            Which::Gid => "gid_map",
        }
    }
}

/// A map as the kernel reads it: a line an extent.
pub fn map_text(map: &[IdMap]) -> String {
    map.iter().map(|extent| format!("{} {} {}\n", extent.container, extent.host, extent.size)).collect()
}

/// Writes one map of the user namespace that `pid` is in. EPERM: the caller lacks CAP_SETUID or CAP_SETGID and
/// the map is more than its own id, or setgroups is not denied yet. EINVAL: too long, overlapping, of size 0.
pub fn write_map(proc: &Proc, pid: Pid, which: Which, map: &[IdMap]) -> Result<()> {
    proc.write_pid(pid, which.file(), map_text(map).as_bytes())
}

/// One map of the calling process's user namespace, its `host` ids those of the namespace above.
pub fn own_map(proc: &Proc, which: Which) -> Result<Vec<IdMap>> {
    let text = proc.read_self(which.file(), MAX_BYTES * 4)?;
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse().ok());
        Some(IdMap { container: numbers.next()??, host: numbers.next()??, size: numbers.next()?? })
    };
    String::from_utf8_lossy(&text).lines().map(line).collect::<Option<_>>().ok_or(Errno::EINVAL)
}

/// Takes setgroups(2) from the namespace that `pid` is in, for ever: without privilege there is no gid map
/// otherwise (CVE-2014-8989).
pub fn deny_setgroups(proc: &Proc, pid: Pid) -> Result<()> {
    proc.write_pid(pid, "setgroups", b"deny")
}

/// Whether setgroups(2) is allowed in the calling process's namespace.
pub fn may_set_groups(proc: &Proc) -> Result<bool> {
    Ok(proc.read_self("setgroups", 64)?.starts_with(b"allow"))
}

/// A user namespace with these maps, held by its descriptor alone. A child makes it and is gone on return.
pub fn create(proc: &Proc, uids: &[IdMap], gids: &[IdMap]) -> Result<OwnedFd> {
    let (reader, writer) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let args = CloneArgs { namespaces: &[Kind::User], cgroup: None, sibling: false };
    match clone3(&args)? {
        Cloned::Child => {
            // The end of the file is the parent's word, or its death.
            drop(writer);
            let ended = fd::read(std::os::fd::AsFd::as_fd(&reader), &mut [0]);
            process::exit_now(i32::from(ended.is_err()))
        }
        Cloned::Parent { pid, pidfd } => {
            let made = write_map(proc, pid, Which::Gid, gids)
                .and_then(|()| write_map(proc, pid, Which::Uid, uids))
                .and_then(|()| proc.open_namespace(pid, Kind::User.proc_name()));
            drop(writer);
            match pidfd::reap(std::os::fd::AsFd::as_fd(&pidfd)) {
                Ok(_) | Err(Errno::ECHILD) => made,
                Err(errno) => Err(errno),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::super::namespace::join;
    use super::super::testing::in_child;
    use super::*;

    const MAP: [IdMap; 2] =
        [IdMap { container: 0, host: 100_000, size: 10 }, IdMap { container: 10, host: 7, size: 1 }];

    #[test]
    fn a_map_is_a_line_an_extent() {
        assert_eq!(map_text(&MAP), "0 100000 10\n10 7 1\n");
    }

    #[test]
    fn a_namespace_outlives_the_child_that_made_it() {
        in_child(|| {
            let proc = Proc::open().unwrap();
            let namespace = create(&proc, &MAP, &MAP[..1]).unwrap();
            join(namespace.as_fd(), Kind::User).unwrap();
            let words = |name: &str| {
                let text = String::from_utf8(proc.read_self(name, 4096).unwrap()).unwrap();
                text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(words("uid_map"), ["0", "100000", "10", "10", "7", "1"]);
            assert_eq!(words("gid_map"), ["0", "100000", "10"]);
            assert_eq!(may_set_groups(&proc), Ok(true));
            assert_eq!(own_map(&proc, Which::Uid), Ok(MAP.to_vec()));
            assert_eq!(own_map(&proc, Which::Gid), Ok(MAP[..1].to_vec()));
        });
    }

    #[test]
    fn maps_that_overlap_or_are_too_long_are_refused_by_the_kernel() {
        in_child(|| {
            let proc = Proc::open().unwrap();
            let overlapping = [MAP[0], MAP[0]];
            assert_eq!(create(&proc, &overlapping, &MAP).err(), Some(Errno::EINVAL));
            let extents = |count: u32| -> Vec<IdMap> {
                (0..count).map(|n| IdMap { container: n, host: n, size: 1 }).collect()
            };
            assert!(create(&proc, &extents(340), &MAP).is_ok());
            assert_eq!(create(&proc, &extents(341), &MAP).err(), Some(Errno::EINVAL));
        });
    }
}
