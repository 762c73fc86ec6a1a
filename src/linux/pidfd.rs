//! Processes by descriptor: no signal can hit a stranger (`man 2 pidfd_open`).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::Pid;

use super::syscall::{descriptor, done, over_interrupts};
use super::{Errno, Result};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// Shell convention: n, or 128+signal.
    pub fn status(self) -> u8 {
        match self {
            Exit::Code(code) => code as u8,
            Exit::Signal(signal) => 128u8.saturating_add(signal as u8),
        }
    }
}

/// A descriptor of a process; close-on-exec. ESRCH: there is none of that pid.
pub fn open(pid: Pid) -> Result<OwnedFd> {
    // SAFETY: two numbers in, a new descriptor out.
    unsafe { descriptor(libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0)) }
}

/// PID_FS_MAGIC (linux/magic.h), Linux 6.9.
const PID_FS_MAGIC: FsType = FsType(0x5049_4446);

/// The number of the process on pidfs: of all processes since the boot it alone has it. None where descriptors of
/// processes are not on pidfs yet, before Linux 6.9, and all look the same.
pub fn unique_inode(pidfd: BorrowedFd) -> Result<Option<u64>> {
    // They are all on the same.
    static ON_PIDFS: OnceLock<bool> = OnceLock::new();
    let on_pidfs = match ON_PIDFS.get() {
        Some(known) => *known,
        None => {
            let found = fstatfs(pidfd)?.filesystem_type() == PID_FS_MAGIC;
            *ON_PIDFS.get_or_init(|| found)
        }
    };
    Ok(if on_pidfs { Some(fstat(pidfd)?.st_ino) } else { None })
}

/// `signal` by number: real-time signals too; 0 only asks whether there is such a process. ESRCH: it has been reaped.
pub fn send_signal(pidfd: BorrowedFd, signal: i32) -> Result<()> {
    let no_siginfo = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the kernel builds the siginfo itself where the pointer is null.
    done(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_siginfo, 0) })
}

/// A descriptor of the process's, as one of ours; close-on-exec (`man 2 pidfd_getfd`, Linux 5.6).
///
/// # Errors
/// EPERM: we may not trace the process. EBADF: it has no such descriptor.
pub fn take_descriptor(pidfd: BorrowedFd, number: RawFd) -> Result<OwnedFd> {
    // SAFETY: numbers in, a new descriptor out.
    unsafe { descriptor(libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0)) }
}

/// Waits for the exit of the process (any process, not only a child); false on timeout.
pub fn wait_exit(pidfd: BorrowedFd, timeout: Option<Duration>) -> Result<bool> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map_or(PollTimeout::NONE, |deadline| until(deadline, Instant::now()));
        let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
        match poll(&mut fds, left) {
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return ended(&fds[0]),
            Err(errno) => return Err(errno),
        }
    }
}

/// Reaps a child that has ended, or waits for it to (`man 2 waitid`, P_PIDFD). ECHILD: not a child of ours.
pub fn reap(pidfd: BorrowedFd) -> Result<Exit> {
    // SAFETY: siginfo_t is plain data, for which zeros are valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let id = pidfd.as_raw_fd() as libc::id_t;
    // SAFETY: `info` outlives the call. Not nix's waitid, which fails on a death by a real-time signal.
    over_interrupts(|| Errno::result(unsafe { libc::waitid(libc::P_PIDFD, id, &mut info, libc::WEXITED) }))?;
    // SAFETY: waitid filled in the SIGCHLD form of the union.
    let status = unsafe { info.si_status() };
    match info.si_code {
        libc::CLD_EXITED => Ok(Exit::Code(status)),
        _ => Ok(Exit::Signal(status)),
    }
}

/// Has it ended already? Never waits.
pub fn has_ended(pidfd: BorrowedFd) -> Result<bool> {
    wait_exit(pidfd, Some(Duration::ZERO))
}

fn ended(fd: &PollFd) -> Result<bool> {
    match fd.revents() {
        Some(events) if events.contains(PollFlags::POLLNVAL) => Err(Errno::EBADF),
        _ => Ok(true),
    }
}

/// The time left, rounded up to whole milliseconds so that poll never returns early, and cut to what poll can hold.
fn until(deadline: Instant, now: Instant) -> PollTimeout {
    let milliseconds = deadline.saturating_duration_since(now).as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::{Child, Command};

    use super::*;

    fn spawn(script: &str) -> (Child, OwnedFd) {
        let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        let pidfd = open(Pid::from_raw(child.id() as i32)).unwrap();
        (child, pidfd)
    }

    #[test]
    fn an_exit_code_and_a_signal_are_told_apart() {
        for (script, exit, status) in [
            ("exit 3", Exit::Code(3), 3),
            ("kill -9 $$", Exit::Signal(9), 137),
            ("kill -35 $$", Exit::Signal(35), 163),
        ] {
            let (_child, pidfd) = spawn(script);
            let reaped = reap(pidfd.as_fd()).unwrap();
            assert_eq!((reaped, reaped.status()), (exit, status), "{script}");
            assert_eq!(send_signal(pidfd.as_fd(), 0), Err(Errno::ESRCH));
            assert_eq!(reap(pidfd.as_fd()), Err(Errno::ECHILD));
        }
    }

    #[test]
    fn a_number_on_pidfs_is_one_processs_alone() {
        let ((_one, first), (_two, second)) = (spawn("read x"), spawn("read x"));
        let again = first.try_clone().unwrap();
        assert_eq!(unique_inode(first.as_fd()), unique_inode(again.as_fd()));
        let (first, second) = (unique_inode(first.as_fd()).unwrap(), unique_inode(second.as_fd()).unwrap());
        assert!(first.is_none() && second.is_none() || first != second, "{first:?} {second:?}");
    }

    #[test]
    fn waiting_ends_at_the_deadline_or_at_the_exit() {
        let (_child, pidfd) = spawn("read forever < /dev/ptmx");
        assert_eq!(has_ended(pidfd.as_fd()), Ok(false));
        let start = Instant::now();
        assert_eq!(wait_exit(pidfd.as_fd(), Some(Duration::from_millis(20))), Ok(false));
        assert!(start.elapsed() >= Duration::from_millis(20));
        send_signal(pidfd.as_fd(), libc::SIGKILL).unwrap();
        assert_eq!(wait_exit(pidfd.as_fd(), None), Ok(true));
        assert_eq!(has_ended(pidfd.as_fd()), Ok(true));
        assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Signal(libc::SIGKILL)));
    }

    #[test]
    fn no_process_is_esrch() {
        assert_eq!(open(Pid::from_raw(i32::MAX)).unwrap_err(), Errno::ESRCH);
        assert_eq!(open(Pid::from_raw(0)).unwrap_err(), Errno::EINVAL);
        assert_eq!(open(Pid::from_raw(-1)).unwrap_err(), Errno::EINVAL);
    }

    #[test]
    fn a_timeout_beyond_what_poll_holds_is_cut_not_wrapped() {
        let now = Instant::now();
        assert_eq!(until(now + Duration::from_secs(10_000_000), now), PollTimeout::MAX);
        assert_eq!(until(now, now + Duration::from_secs(1)), PollTimeout::ZERO);
        assert_eq!(until(now + Duration::from_nanos(1), now), PollTimeout::from(1u8));
    }
}
