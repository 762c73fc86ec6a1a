//! Facts of the machine: boot id, which system calls it has, and locks on directories.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::NixPath;

use super::procfs::Proc;
use super::syscall::{done, over_interrupts};
use super::{Errno, Result};

static BOOT_ID: OnceLock<String> = OnceLock::new();

/// /proc/sys/kernel/random/boot_id, without newline. Read once: no process lives through a reboot.
pub fn boot_id() -> Result<String> {
    match BOOT_ID.get() {
        Some(known) => Ok(known.clone()),
        None => boot_id_by(&Proc::open()?),
    }
}

/// The same by a /proc that is open.
pub fn boot_id_by(proc: &Proc) -> Result<String> {
    let bytes = proc.read("sys/kernel/random/boot_id", 64)?;
    Ok(BOOT_ID.get_or_init(|| String::from_utf8_lossy(&bytes).trim().to_string()).clone())
}

/// What time it is since 1970 (UTC), in seconds and nanoseconds. By the call itself: to be asked once, it is quicker than
/// the vDSO, whose pages must be mapped in and searched for the function (5 µs).
pub fn wall_clock() -> Result<(i64, u32)> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes `time` alone.
    done(unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut time) })?;
    Ok((time.tv_sec, time.tv_nsec as u32))
}

/// The absolute path of what `path` names, without symlinks, `.` and `..` (`man 3 realpath`). ENAMETOOLONG: `PATH_MAX`
/// bytes are not enough for it.
pub fn real_path(path: &Path) -> Result<PathBuf> {
    // Ours, since the C library's own heap is used for nothing else in an ordinary start.
    let mut found = Vec::<u8>::with_capacity(libc::PATH_MAX as usize);
    path.with_nix_path(|path| {
        // SAFETY: a string that ends with a zero, and room for PATH_MAX bytes, which is all that realpath may write.
        let end = unsafe { libc::realpath(path.as_ptr(), found.as_mut_ptr().cast()) };
        if end.is_null() { Err(Errno::last()) } else { Ok(()) }
    })??;
    // SAFETY: it has written a string there, with the zero at its end.
    let found = unsafe { CStr::from_ptr(found.as_ptr().cast()) };
    Ok(PathBuf::from(OsStr::from_bytes(found.to_bytes())))
}

/// flock(LOCK_EX|LOCK_NB), held until `unlock` or until every copy of the descriptor is closed; false if
/// another open of the directory holds it.
pub fn try_lock(fd: BorrowedFd) -> Result<bool> {
    match flock(fd, libc::LOCK_EX | libc::LOCK_NB) {
        Ok(()) => Ok(true),
        Err(Errno::EWOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// flock(LOCK_EX), waiting.
pub fn lock(fd: BorrowedFd) -> Result<()> {
    flock(fd, libc::LOCK_EX)
}

/// flock(LOCK_UN): for every copy of the descriptor, in children too.
pub fn unlock(fd: BorrowedFd) -> Result<()> {
    flock(fd, libc::LOCK_UN)
}

fn flock(fd: BorrowedFd, operation: libc::c_int) -> Result<()> {
    // SAFETY: an open descriptor and a number.
    over_interrupts(|| done(unsafe { libc::flock(fd.as_raw_fd(), operation) }.into()))
}

/// A call of our floor (Linux 5.14), and arguments with which it does nothing but complain.
struct Probe {
    name: &'static str,
    number: libc::c_long,
    arguments: [libc::c_long; 6],
}

/// No such descriptor: EBADF where the call is there.
const NO_FD: libc::c_long = -1;

const PROBES: [Probe; 8] = [
    Probe { name: "openat2", number: libc::SYS_openat2, arguments: [NO_FD, 0, 0, 0, 0, 0] },
    // Backwards: EINVAL.
    Probe { name: "close_range", number: libc::SYS_close_range, arguments: [1, 0, 0, 0, 0, 0] },
    Probe { name: "mount_setattr", number: libc::SYS_mount_setattr, arguments: [NO_FD, 0, 0, 0, 0, 0] },
    Probe { name: "open_tree", number: libc::SYS_open_tree, arguments: [NO_FD, 0, 0, 0, 0, 0] },
    Probe { name: "fsopen", number: libc::SYS_fsopen, arguments: [0, NO_FD, 0, 0, 0, 0] },
    Probe { name: "move_mount", number: libc::SYS_move_mount, arguments: [NO_FD, 0, NO_FD, 0, 0, 0] },
    // A structure of no bytes: EINVAL.
    Probe { name: "clone3", number: libc::SYS_clone3, arguments: [0, 0, 0, 0, 0, 0] },
    Probe { name: "pidfd_open", number: libc::SYS_pidfd_open, arguments: [NO_FD, 0, 0, 0, 0, 0] },
];

/// Names of the calls of our floor that answer ENOSYS, or EPERM without having looked at their nonsense
/// arguments: a filter hides them (a nested container with an old profile). fsopen alone checks CAP_SYS_ADMIN
/// first, and mount_setattr; their EPERM says nothing to an ordinary user.
pub fn missing_calls() -> Vec<&'static str> {
    PROBES.iter().filter(|probe| is_missing(probe)).map(|probe| probe.name).collect()
}

fn is_privileged() -> bool {
    super::capability::has_effective("SYS_ADMIN") && in_initial_user_namespace()
}

/// `man 7 user_namespaces`: there alone is every id mapped to itself. In another one CAP_SYS_ADMIN need not reach
/// the mount namespace that we are in.
fn in_initial_user_namespace() -> bool {
    let map = Proc::open().and_then(|proc| proc.read_self("uid_map", 64)).unwrap_or_default();
    String::from_utf8_lossy(&map).split_whitespace().eq(["0", "0", "4294967295"])
}

fn is_missing(probe: &Probe) -> bool {
    let [a, b, c, d, e, f] = probe.arguments;
    // SAFETY: with these arguments every one of the calls fails before it reads memory or changes anything.
    match done(unsafe { libc::syscall(probe.number, a, b, c, d, e, f) }) {
        Err(Errno::ENOSYS) => true,
        Err(Errno::EPERM) => {
            !matches!(probe.name, "fsopen" | "mount_setattr" | "move_mount") || is_privileged()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::super::testing::Scratch;
    use super::*;

    #[test]
    fn a_real_path_has_no_links_and_no_dots() {
        let scratch = Scratch::new();
        let top = std::fs::canonicalize(scratch.path()).unwrap();
        std::fs::create_dir_all(scratch.join("a/b")).unwrap();
        std::os::unix::fs::symlink("a/b", scratch.join("link")).unwrap();
        for path in ["a/b", "a//b/", "a/./b/../b", "link", "link/../b"] {
            assert_eq!(real_path(&scratch.join(path)).unwrap(), top.join("a/b"), "{path}");
        }
        assert_eq!(real_path(&scratch.join("missing")), Err(Errno::ENOENT));
        assert_eq!(real_path(Path::new("")), Err(Errno::ENOENT));
        assert_eq!(real_path(Path::new("a\0b")), Err(Errno::EINVAL));
        assert_eq!(real_path(&scratch.join(&"a".repeat(300))), Err(Errno::ENAMETOOLONG));
    }

    #[test]
    fn the_wall_clock_is_the_libraries() {
        let library = || std::time::UNIX_EPOCH.elapsed().unwrap();
        let (before, (seconds, nanoseconds), after) = (library(), wall_clock().unwrap(), library());
        let now = std::time::Duration::new(seconds as u64, nanoseconds);
        assert!((before..=after).contains(&now), "{before:?} {now:?} {after:?}");
    }

    #[test]
    fn a_boot_has_an_id() {
        let id = boot_id().unwrap();
        assert_eq!(id.len(), 36, "{id:?}");
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_given_up() {
        let scratch = Scratch::new();
        let (a, b) = (File::open(scratch.path()).unwrap(), File::open(scratch.path()).unwrap());
        lock(a.as_fd()).unwrap();
        assert!(!try_lock(b.as_fd()).unwrap());
        unlock(a.as_fd()).unwrap();
        assert!(try_lock(b.as_fd()).unwrap());
    }

    #[test]
    fn this_kernel_has_every_call_of_the_floor() {
        assert_eq!(missing_calls(), Vec::<&str>::new());
    }
}
