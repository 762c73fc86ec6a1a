//! Descriptors that our caller left open for us.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;

use super::{Errno, Result, fd};

/// How many descriptors from 3 on were open, without a gap, when this program began.
static COUNT: OnceLock<u32> = OnceLock::new();

/// Takes note of them, and keeps them from whatever we execute: what a container is to have of them is
/// passed on by number. The first thing of a program: later, one cannot tell theirs from ours.
pub fn claim() -> Result<()> {
    let open = (3..).take_while(|number| fd::is_open(*number)).count();
    // Claimed once: a second count would have ours in it.
    let _ = COUNT.set(u32::try_from(open).unwrap_or(u32::MAX));
    fd::mark_cloexec_from(3)
}

/// Whether the descriptor came from our caller.
pub fn is_inherited(fd: RawFd) -> bool {
    let count = COUNT.get().copied().unwrap_or(0);
    u32::try_from(fd).is_ok_and(|number| number >= 3 && number - 3 < count)
}

/// Takes over the one of this number, wherever it is: what our caller waits on ends with the copy, for the number is
/// put on /dev/null. EBADF: it is not open.
pub fn take(number: RawFd) -> Result<OwnedFd> {
    if !fd::is_open(number) {
        return Err(Errno::EBADF);
    }
    // SAFETY: it is open, and stays so for this call.
    let copy = fcntl(unsafe { BorrowedFd::borrow_raw(number) }, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: the kernel has just given us this number, so nobody else owns it.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    fd::place(null.as_fd(), number, true)?;
    Ok(copy)
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
