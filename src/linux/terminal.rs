//! Pseudo-terminals (`man 4 pts`, `man 2 TIOCSCTTY`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat, major};
use nix::sys::statfs::{FsType, fstatfs};
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::syscall::{descriptor, done};
use super::{Errno, Result};

/// Major numbers of the slaves of devpts (Documentation/admin-guide/devices.txt).
const SLAVE_MAJORS: std::ops::RangeInclusive<u64> = 136..=143;
/// DEVPTS_SUPER_MAGIC (linux/magic.h).
const DEVPTS_MAGIC: FsType = FsType(libc::DEVPTS_SUPER_MAGIC as _);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// The slave of a master, opened through the master itself (TIOCGPTPEER): no path can be in between. Proven to
/// be a pseudo-terminal's slave on a devpts. ENOTTY, EIO: `master` is no master.
pub fn open_slave(master: BorrowedFd) -> Result<OwnedFd> {
    let unlocked: libc::c_int = 0;
    // SAFETY: the kernel reads one int.
    done(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlocked) }.into())?;
    let flags = (OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
    // SAFETY: the call takes flags and makes a new descriptor.
    let slave = unsafe { descriptor(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags).into()) }?;
    let stat = fstat(&slave)?;
    let is_char = stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits();
    let is_slave = is_char && SLAVE_MAJORS.contains(&major(stat.st_rdev));
    match is_slave && fstatfs(&slave)?.filesystem_type() == DEVPTS_MAGIC {
        true => Ok(slave),
        false => Err(Errno::ENOTTY),
    }
}

/// `/dev/pts/N`, as the container knows it (TIOCGPTN).
pub fn slave_name(master: BorrowedFd) -> Result<String> {
    let mut number: libc::c_uint = 0;
    // SAFETY: the kernel writes one unsigned int.
    done(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &mut number) }.into())?;
    Ok(format!("/dev/pts/{number}"))
}

pub fn set_size(fd: BorrowedFd, size: Size) -> Result<()> {
    let raw = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads one winsize.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSWINSZ, &raw) }.into())
}

pub fn size(fd: BorrowedFd) -> Result<Size> {
    let mut raw = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one winsize.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &mut raw) }.into())?;
    Ok(Size { rows: raw.ws_row, columns: raw.ws_col })
}

/// TIOCSCTTY: the terminal of this session, which we lead and which has none.
pub fn make_controlling(fd: BorrowedFd) -> Result<()> {
    // SAFETY: the argument is the number 0: nobody's terminal is stolen.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) }.into())
}

pub fn is_terminal(fd: BorrowedFd) -> bool {
    nix::unistd::isatty(fd).unwrap_or(false)
}

/// ONLCR off: who reads the master gets what the program wrote, as runc does for console sockets.
pub fn clear_onlcr(fd: BorrowedFd) -> Result<()> {
    let mut modes = tcgetattr(fd)?;
    modes.output_flags.remove(OutputFlags::ONLCR);
    tcsetattr(fd, SetArg::TCSANOW, &modes)
}

/// Raw mode until dropped. Output is still post-processed: a line feed from the container, whose own terminal leaves it
/// as it is, begins a new line here.
pub struct RawMode {
    fd: OwnedFd,
    saved: Termios,
}

impl RawMode {
    pub fn enter(fd: BorrowedFd) -> Result<Self> {
        let saved = tcgetattr(fd)?;
        let fd = nix::unistd::dup(fd)?;
        super::fd::set_cloexec(fd.as_raw_fd(), true)?;
        let mut raw = saved.clone();
        cfmakeraw(&mut raw);
        raw.output_flags.insert(OutputFlags::OPOST);
        tcsetattr(&fd, SetArg::TCSANOW, &raw)?;
        Ok(Self { fd, saved })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // At once: waiting for output to drain could last for ever. A terminal that has gone away needs no modes.
        let _ = tcsetattr(self.fd.as_fd(), SetArg::TCSANOW, &self.saved);
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::open;
    use nix::sys::stat::Mode;
    use nix::sys::termios::LocalFlags;

    use super::*;

    fn master() -> OwnedFd {
        open("/dev/ptmx", OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
    }

    #[test]
    fn a_slave_talks_to_its_master() {
        let master = master();
        let slave = open_slave(master.as_fd()).unwrap();
        assert!(is_terminal(slave.as_fd()));
        assert!(slave_name(master.as_fd()).unwrap().starts_with("/dev/pts/"));
        clear_onlcr(master.as_fd()).unwrap();
        super::super::fd::write_all(slave.as_fd(), b"a\n").unwrap();
        let mut buffer = [0u8; 8];
        assert_eq!(super::super::fd::read(master.as_fd(), &mut buffer).unwrap(), 2);
    }

    #[test]
    fn a_size_set_on_one_end_is_seen_on_the_other() {
        let master = master();
        let slave = open_slave(master.as_fd()).unwrap();
        set_size(master.as_fd(), Size { rows: 12, columns: 34 }).unwrap();
        assert_eq!(size(slave.as_fd()).unwrap(), Size { rows: 12, columns: 34 });
    }

    #[test]
    fn raw_mode_ends_when_it_is_dropped() {
        let master = master();
        let slave = open_slave(master.as_fd()).unwrap();
        let echoes = || tcgetattr(&slave).unwrap().local_flags.contains(LocalFlags::ECHO);
        assert!(echoes());
        let raw = RawMode::enter(slave.as_fd()).unwrap();
        assert!(!echoes());
        drop(raw);
        assert!(echoes());
    }

    #[test]
    fn what_is_no_master_has_no_slave() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(open_slave(null.as_fd()).map(drop), Err(Errno::ENOTTY));
        assert_eq!(slave_name(null.as_fd()), Err(Errno::ENOTTY));
        assert!(!is_terminal(null.as_fd()));
        let master = master();
        let slave = open_slave(master.as_fd()).unwrap();
        assert!(open_slave(slave.as_fd()).is_err(), "a slave is no master");
    }

    #[test]
    fn a_terminal_controls_the_session_that_has_none() {
        super::super::testing::in_child(|| {
            let master = master();
            let slave = open_slave(master.as_fd()).unwrap();
            let current = || open("/dev/tty", OFlag::O_RDWR, Mode::empty()).map(drop);
            super::super::process::new_session().unwrap();
            assert_eq!(current(), Err(Errno::ENXIO), "opening it did not make it ours");
            make_controlling(slave.as_fd()).unwrap();
            assert_eq!(current(), Ok(()));
            let other = open_slave(self::master().as_fd());
            assert!(other.and_then(|other| make_controlling(other.as_fd())).is_err(), "a session has one");
            // Closing it would hang up on us.
            std::mem::forget(master);
        });
    }

    #[test]
    fn newlines_pass_unchanged_once_onlcr_is_off() {
        for (clear, bytes) in [(false, &b"a\r\n"[..]), (true, b"a\n")] {
            let master = master();
            let slave = open_slave(master.as_fd()).unwrap();
            if clear {
                clear_onlcr(master.as_fd()).unwrap();
            }
            super::super::fd::write_all(slave.as_fd(), b"a\n").unwrap();
            let mut buffer = [0u8; 8];
            let count = super::super::fd::read(master.as_fd(), &mut buffer).unwrap();
            assert_eq!(&buffer[..count], bytes);
        }
    }
}
