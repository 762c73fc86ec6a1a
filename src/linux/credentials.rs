//! User, group, groups, umask of this (single-threaded) process: raw system calls.
//! glibc's wrappers would signal every thread it knows of, which after clone3 is not what is there.

use nix::sys::prctl;
use nix::sys::stat::Mode;

use super::Result;
use super::syscall::done;

/// setgroups(2). EPERM also where a user namespace denies it (`man 7 user_namespaces`, /proc/PID/setgroups).
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads `len` ids from the pointer; gid_t is u32.
    done(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
}

/// setresgid then setresuid, all three ids each. EINVAL: an id is not mapped in this user namespace.
pub fn set_ids(uid: u32, gid: u32) -> Result<()> {
    // SAFETY: three numbers.
    done(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: three numbers.
    done(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// PR_SET_KEEPCAPS: permitted capabilities survive the change to a user that is not root; execve clears it.
pub fn keep_capabilities(keep: bool) -> Result<()> {
    prctl::set_keepcaps(keep)
}

/// Makes files with exactly the mode that is asked for: no umask while `make` runs. A mode cannot be changed by an O_PATH
/// descriptor before Linux 6.6 (fchmodat2), so it must be right at once.
pub(super) fn without_umask<T>(make: impl FnOnce() -> T) -> T {
    let saved = nix::sys::stat::umask(Mode::empty());
    let made = make();
    nix::sys::stat::umask(saved);
    made
}

/// The low nine bits of `mask`.
pub fn set_umask(mask: u32) {
    nix::sys::stat::umask(Mode::from_bits_truncate(mask));
}

pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::super::Errno;
    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn all_three_ids_and_the_groups_change_for_good() {
        in_child(|| {
            set_groups(&[7, 8, 9]).unwrap();
            set_ids(1000, 2000).unwrap();
            let (uids, gids) = (nix::unistd::getresuid().unwrap(), nix::unistd::getresgid().unwrap());
            assert_eq!([uids.real, uids.effective, uids.saved].map(|uid| uid.as_raw()), [1000; 3]);
            assert_eq!([gids.real, gids.effective, gids.saved].map(|gid| gid.as_raw()), [2000; 3]);
            let groups: Vec<u32> = nix::unistd::getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
            assert_eq!(groups, [7, 8, 9]);
            assert_eq!(effective_uid(), 1000);
            assert_eq!(set_ids(0, 0), Err(Errno::EPERM));
            assert_eq!(set_groups(&[]), Err(Errno::EPERM));
        });
    }

    #[test]
    fn no_groups_means_none() {
        in_child(|| {
            set_groups(&[]).unwrap();
            assert_eq!(nix::unistd::getgroups().unwrap(), []);
        });
    }

    #[test]
    fn the_umask_takes_permission_bits_only() {
        in_child(|| {
            set_umask(0o7027);
            assert_eq!(nix::sys::stat::umask(Mode::empty()).bits(), 0o027);
        });
    }
}
