//! The return value of a raw system call as a `Result`. Everything that nix has no wrapper for ends here.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::{Errno, Result};

/// The value of a `libc::syscall` that returned -1 and set errno on failure.
pub(super) fn value(returned: libc::c_long) -> Result<libc::c_long> {
    Errno::result(returned)
}

/// The same, where the value says nothing more.
pub(super) fn done(returned: libc::c_long) -> Result<()> {
    Errno::result(returned).map(drop)
}

/// The new descriptor that a raw system call returned.
///
/// # Safety
/// `returned` must come straight from a system call that makes a descriptor, so that nobody else owns it.
pub(super) unsafe fn descriptor(returned: libc::c_long) -> Result<OwnedFd> {
    let number = RawFd::try_from(Errno::result(returned)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just gave us this number; the caller promises that nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Calls again as long as a signal interrupts.
pub(super) fn over_interrupts<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            outcome => return outcome,
        }
    }
}
