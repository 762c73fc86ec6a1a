//! The caller's terminal, lent to the container: raw until we are done, its size passed on.

use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::linux::terminal::{self, RawMode};
use crate::report::{Context, Result};

/// Gives the terminal back when it is dropped.
pub struct HostTerminal {
    terminal: OwnedFd,
    _raw: RawMode,
}

impl HostTerminal {
    /// Takes the caller's terminal: stdio, or the controlling one. None where the caller has none: a
    /// program with a terminal can still be run there, only nobody sees its size.
    pub fn take(master: BorrowedFd) -> Result<Option<Self>> {
        let Some(terminal) = find()? else {
            return Ok(None);
        };
        let raw = RawMode::enter(terminal.as_fd()).context("make the terminal raw")?;
        let taken = Self { terminal, _raw: raw };
        taken.pass_size_on(master)?;
        Ok(Some(taken))
    }

    /// Gives the container's terminal the size that the caller's has now.
    pub fn pass_size_on(&self, master: BorrowedFd) -> Result<()> {
        pass_size_on(self.terminal.as_fd(), master)
    }
}

/// Prepares the container's terminal for being carried on ours, before the program starts, which may look at once: it
/// has our size, and leaves line feeds as they are, since ours makes new lines of them.
pub fn prepare(master: BorrowedFd) -> Result<()> {
    terminal::clear_onlcr(master).context("set the terminal's modes")?;
    match find()? {
        Some(terminal) => pass_size_on(terminal.as_fd(), master),
        None => Ok(()),
    }
}

fn pass_size_on(terminal: BorrowedFd, master: BorrowedFd) -> Result<()> {
    let size = terminal::size(terminal).context("read the terminal's size")?;
    terminal::set_size(master, size).context("set the container's terminal's size")
}

fn find() -> Result<Option<OwnedFd>> {
    let (input, output, errors) = (stdin(), stdout(), stderr());
    for fd in [input.as_fd(), output.as_fd(), errors.as_fd()] {
        if terminal::is_terminal(fd) {
            return fd.try_clone_to_owned().context("keep the terminal").map(Some);
        }
    }
    Ok(open("/dev/tty", OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty()).ok())
}
