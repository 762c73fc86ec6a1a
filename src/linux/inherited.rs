//! Descriptors that our caller left open for us.

use std::os::fd::{BorrowedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Whether `fd` is open and came from our caller: what survived an execve is not close-on-exec, and
/// everything of our own is, from birth.
pub fn is_inherited(fd: RawFd) -> bool {
    // SAFETY: the borrow lasts for one fcntl, which answers EBADF where the number is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_GETFD)
        .is_ok_and(|flags| !FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC))
}

/// How many descriptors from 3 on a service manager passed to this very process
/// (`man 3 sd_listen_fds`): LISTEN_FDS, where LISTEN_PID is ours.
pub fn listen_fds() -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    match number("LISTEN_PID") == Some(std::process::id()) {
        true => number("LISTEN_FDS").unwrap_or(0),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn our_own_descriptors_and_closed_numbers_are_not_inherited() {
        let own = std::fs::File::open("/dev/null").unwrap();
        assert!(!is_inherited(own.as_raw_fd()));
        assert!(!is_inherited(1 << 20));
        fcntl(&own, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        assert!(is_inherited(own.as_raw_fd()));
    }
}
