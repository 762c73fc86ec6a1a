//! Bytes between the caller's stdio and the container's terminal. Never reads more than it can
//! give on, so that neither side's slowness stops the signals.

use std::io::{stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};

use crate::report::{Context, Result};

/// A write of this much to a pipe that poll calls writable does not block (PIPE_BUF, `man 7 pipe`).
const CHUNK: usize = 4096;

/// One direction.
#[derive(Default)]
struct Flow {
    waiting: Vec<u8>,
    /// The source has ended, or the sink is gone.
    done: bool,
}

pub struct Pump {
    input: OwnedFd,
    output: OwnedFd,
    master: OwnedFd,
    to_program: Flow,
    from_program: Flow,
}

impl Pump {
    pub fn new(master: OwnedFd) -> Result<Self> {
        let flags = fcntl(&master, FcntlArg::F_GETFL).context("read the terminal's flags")?;
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
        fcntl(&master, FcntlArg::F_SETFL(flags)).context("make the terminal non-blocking")?;
        Ok(Self {
            input: stdin().as_fd().try_clone_to_owned().context("keep stdin")?,
            output: stdout().as_fd().try_clone_to_owned().context("keep stdout")?,
            master,
            to_program: Flow::default(),
            from_program: Flow::default(),
        })
    }

    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// What to wait for: each end, where there is room or something to give.
    pub fn interests(&self) -> Vec<PollFd<'_>> {
        let mut interests = Vec::with_capacity(3);
        if self.wants_input() {
            interests.push(PollFd::new(self.input.as_fd(), PollFlags::POLLIN));
        }
        if !self.from_program.waiting.is_empty() {
            interests.push(PollFd::new(self.output.as_fd(), PollFlags::POLLOUT));
        }
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::POLLIN, self.wants_output());
        wanted.set(PollFlags::POLLOUT, !self.to_program.waiting.is_empty());
        if !wanted.is_empty() {
            interests.push(PollFd::new(self.master.as_fd(), wanted));
        }
        interests
    }

    fn wants_input(&self) -> bool {
        !self.to_program.done && self.to_program.waiting.is_empty()
    }

    fn wants_output(&self) -> bool {
        !self.from_program.done && self.from_program.waiting.is_empty()
    }

    /// Moves what can be moved without waiting.
    pub fn turn(&mut self) -> Result<()> {
        if self.wants_input() && is_ready(self.input.as_fd(), PollFlags::POLLIN)? {
            fill(self.input.as_fd(), &mut self.to_program)?;
        }
        empty(self.master.as_fd(), &mut self.to_program)?;
        if self.wants_output() {
            fill(self.master.as_fd(), &mut self.from_program)?;
        }
        if is_ready(self.output.as_fd(), PollFlags::POLLOUT)? {
            empty(self.output.as_fd(), &mut self.from_program)?;
        }
        Ok(())
    }

    /// After the program's end: gives on all that it has written.
    pub fn drain(&mut self) -> Result<()> {
        loop {
            while !self.from_program.waiting.is_empty() {
                empty(self.output.as_fd(), &mut self.from_program)?;
            }
            if self.from_program.done {
                return Ok(());
            }
            fill(self.master.as_fd(), &mut self.from_program)?;
            if self.from_program.waiting.is_empty() {
                return Ok(());
            }
        }
    }
}

fn is_ready(fd: BorrowedFd, wanted: PollFlags) -> Result<bool> {
    let mut polled = [PollFd::new(fd, wanted)];
    match poll(&mut polled, PollTimeout::ZERO) {
        Ok(_) => Ok(polled[0].any().unwrap_or(false)),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno).context("look at the terminal"),
    }
}

fn fill(from: BorrowedFd, flow: &mut Flow) -> Result<()> {
    let mut buffer = [0u8; CHUNK];
    match read(from, &mut buffer) {
        Ok(0) => flow.done = true,
        Ok(length) => flow.waiting.extend_from_slice(&buffer[..length]),
        Err(Errno::EAGAIN | Errno::EINTR) => {}
        // EIO: the last slave of a terminal is closed, or ours has hung up.
        Err(Errno::EIO) => flow.done = true,
        Err(errno) => return Err(errno).context("read from the terminal"),
    }
    Ok(())
}

fn empty(to: BorrowedFd, flow: &mut Flow) -> Result<()> {
    if flow.waiting.is_empty() {
        return Ok(());
    }
    match write(to, &flow.waiting) {
        Ok(length) => {
            flow.waiting.drain(..length);
        }
        Err(Errno::EAGAIN | Errno::EINTR) => {}
        // Nobody reads any more: what there is for them is dropped, as by a closed pipe.
        Err(Errno::EPIPE | Errno::EIO) => {
            flow.waiting.clear();
            flow.done = true;
        }
        Err(errno) => return Err(errno).context("write to the terminal"),
    }
    Ok(())
}
