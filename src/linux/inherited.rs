//! Descriptors that our caller left open for us.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use super::{Errno, Result, fd};

/// How many descriptors from 3 on were open, without a gap, when this program began.
static COUNT: OnceLock<u32> = OnceLock::new();

/// The one that was taken over.
static TAKEN: OnceLock<RawFd> = OnceLock::new();

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

/// Takes one of them over, to use and to close; one alone in the life of the program, and never a standard stream.
/// EBADF: our caller did not leave it open. EBUSY: one was taken before.
pub fn take(number: RawFd) -> Result<OwnedFd> {
    if !is_inherited(number) || !fd::is_open(number) {
        return Err(Errno::EBADF);
    }
    TAKEN.set(number).map_err(|_| Errno::EBUSY)?;
    // SAFETY: it is open and came from our caller, so nothing in this program owns it; and this is reached once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
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
