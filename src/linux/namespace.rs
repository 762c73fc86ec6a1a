//! The eight kinds of namespace (`man 7 namespaces`).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sched::CloneFlags;
use serde::Serialize;

use super::{Errno, Result};

/// CLONE_NEWTIME (linux/sched.h), Linux 5.6.
const CLONE_NEWTIME: libc::c_int = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    User,
    Pid,
    Network,
    Ipc,
    Uts,
    Mount,
    Cgroup,
    Time,
}

impl Kind {
    pub const ALL: [Kind; 8] =
        [Kind::User, Kind::Pid, Kind::Network, Kind::Ipc, Kind::Uts, Kind::Mount, Kind::Cgroup, Kind::Time];

    /// CLONE_NEW*.
    pub fn flag(self) -> u64 {
        self.clone_flag() as u64
    }

    /// File name in /proc/PID/ns: `user pid net ipc uts mnt cgroup time`.
    pub fn proc_name(self) -> &'static str {
        match self {
            Kind::Network => "net",
            Kind::Mount => "mnt",
            other => other.spec_name(),
        }
    }

    /// Name in runtime-spec (config-linux.md#namespaces): `user pid network ipc uts mount cgroup time`.
    pub fn spec_name(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Pid => "pid",
            Kind::Network => "network",
            Kind::Ipc => "ipc",
            Kind::Uts => "uts",
            Kind::Mount => "mount",
            Kind::Cgroup => "cgroup",
            Kind::Time => "time",
        }
    }

    fn clone_flag(self) -> libc::c_int {
        match self {
            Kind::User => libc::CLONE_NEWUSER,
            Kind::Pid => libc::CLONE_NEWPID,
            Kind::Network => libc::CLONE_NEWNET,
            Kind::Ipc => libc::CLONE_NEWIPC,
            Kind::Uts => libc::CLONE_NEWUTS,
            Kind::Mount => libc::CLONE_NEWNS,
            Kind::Cgroup => libc::CLONE_NEWCGROUP,
            Kind::Time => CLONE_NEWTIME,
        }
    }
}

/// setns by a namespace file; EINVAL where it is of another kind, or the user namespace that we are in.
pub fn join(namespace: BorrowedFd, kind: Kind) -> Result<()> {
    setns(namespace, kind.clone_flag())
}

/// setns by pidfd: several namespaces of a process at once, all or none (`man 2 setns`, Linux 5.8).
pub fn join_process(pidfd: BorrowedFd, kinds: &[Kind]) -> Result<()> {
    setns(pidfd, kinds.iter().fold(0, |flags, kind| flags | kind.clone_flag()))
}

/// unshare(2).
pub fn unshare(kind: Kind) -> Result<()> {
    nix::sched::unshare(CloneFlags::from_bits_retain(kind.clone_flag()))
}

/// The kind of an open namespace file (`man 2 ioctl_nsfs`, NS_GET_NSTYPE); None if it is not one.
pub fn kind_of(namespace: BorrowedFd) -> Option<Kind> {
    // SAFETY: the request takes no argument.
    let flag = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_NSTYPE) }).ok()?;
    Kind::ALL.into_iter().find(|kind| kind.clone_flag() == flag)
}

/// The host name of this uts namespace; at most 64 bytes, else EINVAL.
pub fn set_hostname(name: &str) -> Result<()> {
    nix::unistd::sethostname(name)
}

/// The NIS domain name of this uts namespace; at most 64 bytes, else EINVAL.
pub fn set_domainname(name: &str) -> Result<()> {
    // SAFETY: the kernel reads `len` bytes from the pointer; both are of `name`.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}

fn setns(fd: BorrowedFd, flags: libc::c_int) -> Result<()> {
    // An empty set would mean "whatever kind this is" to setns, which nobody here wants to say.
    if flags == 0 {
        return Ok(());
    }
    nix::sched::setns(fd, CloneFlags::from_bits_retain(flags))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::super::testing::in_child;
    use super::*;

    fn own(kind: Kind) -> File {
        File::open(format!("/proc/self/ns/{}", kind.proc_name())).unwrap()
    }
    fn inode(kind: Kind) -> u64 {
        nix::sys::stat::fstat(own(kind)).unwrap().st_ino
    }

    #[test]
    fn the_kernel_agrees_with_every_name_and_flag() {
        for kind in Kind::ALL {
            assert_eq!(kind_of(own(kind).as_fd()), Some(kind));
        }
        assert_eq!(kind_of(File::open("/dev/null").unwrap().as_fd()), None);
    }

    #[test]
    fn a_namespace_is_left_and_joined_again() {
        for kind in [Kind::Uts, Kind::Ipc, Kind::Network, Kind::Mount, Kind::Cgroup] {
            in_child(|| {
                let (before, old) = (inode(kind), own(kind));
                unshare(kind).unwrap();
                assert_ne!(inode(kind), before);
                join(old.as_fd(), kind).unwrap();
                assert_eq!(inode(kind), before);
            });
        }
    }

    #[test]
    fn joining_by_the_wrong_kind_is_einval() {
        in_child(|| assert_eq!(join(own(Kind::Uts).as_fd(), Kind::Ipc), Err(Errno::EINVAL)));
    }

    #[test]
    fn several_namespaces_of_a_process_are_joined_at_once() {
        in_child(|| {
            let (uts, ipc) = (inode(Kind::Uts), inode(Kind::Ipc));
            let parent = super::super::pidfd::open(nix::unistd::getppid()).unwrap();
            unshare(Kind::Uts).unwrap();
            unshare(Kind::Ipc).unwrap();
            assert_ne!((inode(Kind::Uts), inode(Kind::Ipc)), (uts, ipc));
            join_process(parent.as_fd(), &[Kind::Uts, Kind::Ipc]).unwrap();
            assert_eq!((inode(Kind::Uts), inode(Kind::Ipc)), (uts, ipc));
            join_process(parent.as_fd(), &[]).unwrap();
        });
    }

    #[test]
    fn names_of_a_new_uts_namespace_are_set_and_bounded() {
        in_child(|| {
            unshare(Kind::Uts).unwrap();
            set_hostname("basket").unwrap();
            set_domainname("garden").unwrap();
            let uts = nix::sys::utsname::uname().unwrap();
            assert_eq!((uts.nodename(), uts.domainname()), ("basket".as_ref(), "garden".as_ref()));
            assert_eq!(set_hostname(&"x".repeat(65)), Err(Errno::EINVAL));
            assert_eq!(set_domainname(&"x".repeat(65)), Err(Errno::EINVAL));
        });
    }
}
