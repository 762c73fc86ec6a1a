//! User, group, groups, umask of this (single-threaded) process: raw system calls, so that glibc does not
//! look for other threads.

use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};

use super::Result;
use super::syscall::done;

/// setgroups(2). EPERM without CAP_SETGID, or in a user namespace where it is denied.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads `len` ids from the slice.
    done(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
}

/// setresgid then setresuid, all three ids each. EINVAL: an id that is not mapped in this user namespace.
pub fn set_ids(uid: u32, gid: u32) -> Result<()> {
    // SAFETY: numbers.
    done(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: numbers.
    done(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// PR_SET_KEEPCAPS: the permitted set survives the next change from uid 0; an execve clears it.
pub fn keep_capabilities(keep: bool) -> Result<()> {
    prctl::set_keepcaps(keep)
}

/// Only the lowest nine bits count.
pub fn set_umask(mask: u32) {
    umask(Mode::from_bits_truncate(mask));
}

pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::super::testing::in_child;
    use super::*;

    fn status(field: &str) -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line[field.len()..].split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn all_ids_and_groups_become_what_is_asked() {
        in_child(|| {
            set_groups(&[7, 8]).unwrap();
            set_ids(1000, 100).unwrap();
            assert_eq!(status("Uid:"), "1000 1000 1000 1000");
            assert_eq!(status("Gid:"), "100 100 100 100");
            assert_eq!(status("Groups:"), "7 8");
            assert_eq!(effective_uid(), 1000);
            assert!(set_ids(0, 0).is_err());
        });
    }

    #[test]
    fn kept_capabilities_stay_permitted_when_the_user_changes() {
        in_child(|| {
            keep_capabilities(true).unwrap();
            set_ids(1000, 100).unwrap();
            assert_ne!(status("CapPrm:"), "0000000000000000");
            assert_eq!(status("CapEff:"), "0000000000000000");
        });
    }

    #[test]
    fn a_umask_is_set() {
        in_child(|| {
            set_umask(0o027);
            assert_eq!(status("Umask:"), "0027");
        });
    }
}
