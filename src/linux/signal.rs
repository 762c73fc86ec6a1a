//! Signals: names, masks, and waiting for them by descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use super::syscall::done;
use super::{Errno, Result};

/// The highest signal of Linux on x86 and Arm (`man 7 signal`).
const LAST: i32 = 64;
/// The real-time signals that programs can use begin after those that glibc keeps for itself (32, 33).
const RTMIN: i32 = 34;
/// Bytes of the kernel's signal set.
const SET_BYTES: usize = 8;

/// `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`, `SIGRTMAX-1` -> number; 0 by number alone (it only asks
/// whether the process is there). None if there is no such signal.
pub fn parse(text: &str) -> Option<i32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|number| (0..=LAST).contains(number));
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    real_time(name).or_else(|| named(name))
}

fn named(name: &str) -> Option<i32> {
    match name {
        // Names that nix has under another one.
        "CLD" => Some(libc::SIGCHLD),
        "IOT" => Some(libc::SIGIOT),
        "POLL" => Some(libc::SIGPOLL),
        _ => format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32),
    }
}

fn real_time(name: &str) -> Option<i32> {
    let (base, rest, sign) = match name.strip_prefix("RTMIN") {
        Some(rest) => (RTMIN, rest, '+'),
        None => (LAST, name.strip_prefix("RTMAX")?, '-'),
    };
    if rest.is_empty() {
        return Some(base);
    }
    let offset = rest.strip_prefix(sign)?;
    if offset.is_empty() || !offset.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let offset = offset.parse::<i32>().ok().filter(|offset| *offset <= LAST - RTMIN)?;
    Some(if sign == '+' { base + offset } else { base - offset })
}

/// Blocks every signal, real-time ones too; they wait for `SignalFd`, or for the next `reset`.
pub fn block_all() -> Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)
}

/// Every disposition to default and an empty mask, as a new program expects (Rust ignores SIGPIPE at start,
/// and our caller may have ignored or blocked others).
pub fn reset() -> Result<()> {
    for number in (1..=LAST).filter(|number| ![libc::SIGKILL, libc::SIGSTOP].contains(number)) {
        default_disposition(number)?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// By the raw call: glibc refuses the two that it keeps for itself.
fn default_disposition(number: i32) -> Result<()> {
    // struct sigaction of the kernel: all zero is SIG_DFL without flags.
    let action = [0u64; 4];
    let null = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads one structure of at most 32 bytes, which outlives the call.
    done(unsafe { libc::syscall(libc::SYS_rt_sigaction, number, action.as_ptr(), null, SET_BYTES) })
}

/// A descriptor that becomes readable when a blocked signal waits (`man 2 signalfd`).
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Of all signals; non-blocking, close-on-exec. Needs `block_all` first.
    pub fn new() -> Result<Self> {
        let set = [u64::MAX];
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the kernel reads SET_BYTES of the set; the call makes a new descriptor. The raw call,
        // since glibc's set type leaves out the signals that it keeps for itself.
        let fd = unsafe {
            let returned = libc::syscall(libc::SYS_signalfd4, -1, set.as_ptr(), SET_BYTES, flags);
            super::syscall::descriptor(returned)
        }?;
        Ok(Self(fd))
    }

    /// The number of the next pending signal; None if none is pending.
    pub fn read(&self) -> Result<Option<i32>> {
        let mut buffer = [0u8; size_of::<libc::signalfd_siginfo>()];
        match super::fd::read(self.0.as_fd(), &mut buffer) {
            Ok(length) if length == buffer.len() => {}
            Ok(_) => return Err(Errno::EIO),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let number = u32::from_ne_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
        i32::try_from(number).map(Some).map_err(|_| Errno::EIO)
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{SigHandler, raise, signal};

    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn a_signal_has_many_spellings() {
        let spellings = [
            ("9", 9), ("0", 0), ("64", 64), ("KILL", 9), ("SIGKILL", 9), ("sigkill", 9), ("Term", 15), ("IOT", 6),
            ("RTMIN", 34), ("RTMIN+3", 37), ("SIGRTMAX", 64), ("rtmax-1", 63), ("SIGCLD", 17), ("POLL", 29),
        ];
        for (text, number) in spellings {
            assert_eq!(parse(text), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_signal_is_none() {
        for text in ["65", "-1", "BADSIG", "SIG", "SIGSIGKILL", "RTMIN-1", "RTMIN+31", "RTMAX+1", "RTMIN+", "RTMIN+ 1", "99999999999", " 9"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn blocked_signals_are_read_in_turn() {
        in_child(|| {
            block_all().unwrap();
            let signals = SignalFd::new().unwrap();
            assert_eq!(signals.read().unwrap(), None);
            raise(Signal::SIGTERM).unwrap();
            raise(Signal::SIGUSR1).unwrap();
            let mut read = [signals.read().unwrap(), signals.read().unwrap()];
            read.sort();
            assert_eq!(read, [Some(libc::SIGUSR1), Some(libc::SIGTERM)]);
            assert_eq!(signals.read().unwrap(), None);
        });
    }

    #[test]
    fn after_a_reset_nothing_is_blocked_or_ignored() {
        in_child(|| {
            block_all().unwrap();
            // SAFETY: SIG_IGN runs no code.
            unsafe { signal(Signal::SIGUSR1, SigHandler::SigIgn) }.unwrap();
            reset().unwrap();
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            for field in ["SigBlk", "SigIgn", "SigCgt"] {
                let line = status.lines().find(|line| line.starts_with(field)).unwrap();
                assert!(line.ends_with("0000000000000000"), "{line}");
            }
        });
    }
}
