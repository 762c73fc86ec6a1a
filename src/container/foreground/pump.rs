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

/// More than the kernel keeps of what was written to a terminal (drivers/tty/tty_buffer.c: 64 KiB).
const HELD: usize = 256 * 1024;

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

    /// After the program's end: gives on all that it has written. Others may have the terminal open and write to it
    /// without end, so it is no more than a terminal can hold.
    pub fn drain(&mut self) -> Result<()> {
        let mut drained = 0;
        loop {
            while !self.from_program.waiting.is_empty() {
                wait_for_room(self.output.as_fd())?;
                empty(self.output.as_fd(), &mut self.from_program)?;
            }
            if self.from_program.done || drained > HELD {
                return Ok(());
            }
            fill(self.master.as_fd(), &mut self.from_program)?;
            if self.from_program.waiting.is_empty() {
                return Ok(());
            }
            drained += self.from_program.waiting.len();
        }
    }
}

/// Also at the end of who reads: writing tells then.
fn wait_for_room(fd: BorrowedFd) -> Result<()> {
    match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).context("wait for whoever reads the output"),
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

#[cfg(test)]
mod tests {
    use nix::pty::openpty;
    use nix::unistd::{alarm, pipe};

    use super::*;
    use crate::linux::clone::{CloneArgs, Cloned, clone3};
    use crate::linux::process::exit_now;
    use crate::linux::testing::in_child;
    use crate::linux::{fd, pidfd};

    const PLAIN: CloneArgs = CloneArgs { namespaces: &[], cgroup: None, sibling: false };

    /// A pump between /dev/null, `output` and a terminal whose other side is the answer.
    fn pump(output: BorrowedFd) -> (Pump, OwnedFd) {
        // What hangs, fails.
        alarm::set(20);
        let null = std::fs::File::open("/dev/null").unwrap();
        fd::place(null.as_fd(), 0, false).unwrap();
        fd::place(output, 1, false).unwrap();
        let terminal = openpty(None, None).unwrap();
        (Pump::new(terminal.master).unwrap(), terminal.slave)
    }

    #[test]
    fn who_goes_on_writing_to_the_terminal_does_not_keep_us() {
        in_child(|| {
            let null = std::fs::File::options().write(true).open("/dev/null").unwrap();
            let (mut pump, slave) = pump(null.as_fd());
            if let Cloned::Child = clone3(&PLAIN).unwrap() {
                alarm::set(20);
                drop(pump);
                while write(&slave, &[b'x'; 4096]).is_ok() {}
                exit_now(0);
            }
            pump.drain().unwrap();
        });
    }

    #[test]
    fn what_was_written_before_the_end_arrives_whole_though_the_reader_is_slow() {
        in_child(|| {
            let (reader, writer) = pipe().unwrap();
            fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            let (mut pump, slave) = pump(writer.as_fd());
            drop(writer);
            // The pipe is full when the pump begins.
            let full =
                std::iter::repeat_with(|| write(&pump.output, &[b'.'; 4096])).take_while(|it| it.is_ok());
            let before: usize = full.map(|it| it.unwrap()).sum();
            write(&slave, b"last words").unwrap();
            drop(slave);
            let Cloned::Parent { pidfd: child, .. } = clone3(&PLAIN).unwrap() else {
                fd::close_from(1, &[std::os::fd::AsRawFd::as_raw_fd(&reader)]).unwrap();
                let all = fd::read_to_end(reader.as_fd(), 1 << 20).unwrap();
                let whole = all.len() == before + 10 && all.ends_with(b"last words");
                exit_now(i32::from(!whole));
            };
            drop(reader);
            pump.drain().unwrap();
            drop(pump);
            fd::close_from(1, &[std::os::fd::AsRawFd::as_raw_fd(&child)]).unwrap();
            assert_eq!(pidfd::reap(child.as_fd()), Ok(pidfd::Exit::Code(0)));
        });
    }
}
