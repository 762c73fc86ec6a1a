//! Signals: names, masks, and waiting for them by descriptor.
//! The one handler there is ends a waiting init: else a signal waits for a `SignalFd` or does what it does by default.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd as KernelSignalFd};

use super::Result;
use super::syscall::{descriptor, done, over_interrupts};

/// _NSIG (asm/signal.h) on every architecture but MIPS: signals are 1 to 64.
const LAST: i32 = 64;
/// SIGRTMIN of glibc, and so of kill(1), of runc and of most programs in containers.
const FIRST_REAL_TIME: i32 = 34;
/// Bytes of the kernel's sigset_t.
const SET_BYTES: usize = 8;

/// `struct sigaction` of the kernel (asm/signal.h), all zero: SIG_DFL, no flags, an empty mask. At least as large as
/// that of any architecture; where there is no restorer, the last word is not read.
#[repr(C)]
#[derive(Default)]
struct DefaultAction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

/// `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`, `RTMAX-2` -> number; None if there is no such signal. `0`, which only
/// asks whether the process is there, goes by number alone.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return (0..=LAST).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    match name {
        "IOT" => Some(libc::SIGABRT),
        "CLD" => Some(libc::SIGCHLD),
        "POLL" => Some(libc::SIGIO),
        _ => real_time(name).or_else(|| standard(name)),
    }
}

/// Blocks every signal that can be, the real-time ones and those that a C library keeps for itself too; they wait for
/// `SignalFd`, or for `reset`.
pub fn block_all() -> Result<()> {
    set_mask(u64::MAX)
}

/// Every disposition to default and an empty mask, as a new program expects (Rust ignores SIGPIPE at start).
pub fn reset() -> Result<()> {
    reset_dispositions()?;
    unblock_all()
}

/// Every disposition to default.
pub fn reset_dispositions() -> Result<()> {
    let action = DefaultAction::default();
    let none = std::ptr::null_mut::<DefaultAction>();
    for signal in (1..=LAST).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal)) {
        // SAFETY: a default action has no handler that could run; a C library refuses the signals it reserves, so this
        // asks the kernel.
        done(unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, none, SET_BYTES) })?;
    }
    Ok(())
}

/// Lets every signal through.
pub fn unblock_all() -> Result<()> {
    set_mask(0)
}

/// The signals by which one ends a program, and whose default is to end it.
const ENDING: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGABRT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
];

/// Makes the signals that end a process end this one, though it be the first of a pid namespace: to that one the
/// kernel delivers only what it handles (`man 7 pid_namespaces`). An execve takes the handlers away.
pub fn end_on_termination() -> Result<()> {
    extern "C" fn end(signal: libc::c_int) {
        super::process::exit_now(128 + signal)
    }
    let action = SigAction::new(SigHandler::Handler(end), SaFlags::empty(), SigSet::empty());
    ENDING.into_iter().try_for_each(|signal| {
        // SAFETY: the handler makes one system call, _exit, and touches no memory.
        unsafe { sigaction(signal, &action) }.map(drop)
    })
}

pub struct SignalFd(KernelSignalFd);

impl SignalFd {
    /// Of all signals, as `block_all` (which comes first, or they are not held back for it); non-blocking,
    /// close-on-exec.
    pub fn new() -> Result<Self> {
        let flags = (SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).bits();
        let (fresh, all) = (-1, u64::MAX);
        // SAFETY: the kernel reads `SET_BYTES` bytes of mask and makes a descriptor, which is a signalfd.
        unsafe {
            let fd = libc::syscall(libc::SYS_signalfd4, fresh, &raw const all, SET_BYTES, flags);
            Ok(Self(KernelSignalFd::from_owned_fd(descriptor(fd)?)))
        }
    }

    /// The next pending signal number and, for SIGCHLD, nothing more: use pidfds. None if none is pending.
    pub fn read(&self) -> Result<Option<i32>> {
        let info = over_interrupts(|| self.0.read_signal())?;
        Ok(info.and_then(|info| i32::try_from(info.ssi_signo).ok()))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn standard(name: &str) -> Option<i32> {
    Signal::iterator()
        .find(|signal| signal.as_str().strip_prefix("SIG") == Some(name))
        .map(|signal| signal as i32)
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`, as kill(1) counts them: from the first that glibc leaves to programs. Not by
/// our own C library: musl keeps one more.
fn real_time(name: &str) -> Option<i32> {
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => FIRST_REAL_TIME,
        (_, Some("")) => LAST,
        (Some(offset), _) => FIRST_REAL_TIME.checked_add(digits(offset.strip_prefix('+')?)?)?,
        (_, Some(offset)) => LAST.checked_sub(digits(offset.strip_prefix('-')?)?)?,
        _ => return None,
    };
    (FIRST_REAL_TIME..=LAST).contains(&number).then_some(number)
}

fn digits(text: &str) -> Option<i32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The raw system call, since a C library keeps its own signals out of every mask: glibc two, musl three.
fn set_mask(mask: u64) -> Result<()> {
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads `SET_BYTES` bytes of mask and writes nothing.
    done(unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, none, SET_BYTES)
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::signal;

    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn signals_are_known_by_number_and_by_name_in_any_case() {
        for (text, number) in [
            ("9", 9),
            ("0", 0),
            ("64", 64),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigkill", 9),
            ("Term", 15),
            ("winch", 28),
            ("STKFLT", 16),
            ("PWR", 30),
            ("SYS", 31),
            ("cld", 17),
            ("IOT", 6),
            ("SIGPOLL", 29),
            ("SIGRTMIN", 34),
            ("RTMIN+3", 37),
            ("sigrtmin+30", 64),
            ("RTMAX", 64),
            ("RTMAX-30", 34),
        ] {
            assert_eq!(parse(text), Some(number), "{text}");
        }
        for text in [
            "",
            "SIG",
            "65",
            "-1",
            "99999999999",
            "9x",
            "KILLED",
            "SIGSIGKILL",
            "RTMIN+31",
            "RTMIN+-1",
            "RTMIN-1",
            "RTMIN+",
            "RTMAX-31",
            "RTMAX+1",
            "RTMAX-+1",
            " 9",
            "SIG9",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn blocked_signals_wait_for_the_descriptor() {
        in_child(|| {
            block_all().unwrap();
            let signals = SignalFd::new().unwrap();
            assert_eq!(signals.read(), Ok(None));
            // 32 to 34 are those that C libraries keep for themselves.
            for number in [libc::SIGTERM, 32, 33, 34, 40, LAST] {
                // SAFETY: to ourselves, blocked.
                unsafe { libc::kill(libc::getpid(), number) };
                assert_eq!(signals.read(), Ok(Some(number)));
            }
            assert_eq!(signals.read(), Ok(None));
        });
    }

    #[test]
    fn every_bit_of_the_mask_and_the_ignored_set_is_set_and_cleared() {
        let status = || {
            let text = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let field =
                |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            (field("SigBlk:"), field("SigIgn:"), field("SigCgt:"))
        };
        in_child(|| {
            block_all().unwrap();
            // All but KILL (9) and STOP (19), which cannot be.
            assert_eq!(status().0, "fffffffffffbfeff");
            for number in [Signal::SIGUSR1, Signal::SIGPIPE] {
                // SAFETY: ignoring runs no handler.
                unsafe { signal(number, SigHandler::SigIgn) }.unwrap();
            }
            reset().unwrap();
            let clear = "0".repeat(16);
            assert_eq!(status(), (clear.clone(), clear.clone(), clear));
        });
    }
}
