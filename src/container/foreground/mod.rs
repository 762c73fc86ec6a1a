//! Attending a program in the foreground: its signals, its terminal, its end. One loop that waits
//! on descriptors alone.

mod pump;
mod terminal;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use self::pump::Pump;
use self::terminal::HostTerminal;
pub use self::terminal::prepare as prepare_terminal;
use super::notify::NotifyRelay;
use crate::linux::{pidfd, process, signal};
use crate::report::{Context, Result};

/// The signals of this process, held from before the clone.
pub struct Foreground {
    signals: signal::SignalFd,
}

impl Foreground {
    /// Holds all signals; as `subreaper`, orphans of the container come to us and are reaped.
    pub fn begin(subreaper: bool) -> Result<Self> {
        signal::block_all().context("hold signals")?;
        let signals = signal::SignalFd::new().context("read signals by descriptor")?;
        if subreaper {
            process::set_child_subreaper(true).context("become the reaper of orphans")?;
        }
        Ok(Self { signals })
    }

    /// Forwards signals and carries the terminal until the program ends; its exit status.
    pub fn attend(
        &mut self,
        program: BorrowedFd,
        pid: i32,
        master: Option<OwnedFd>,
        notify: Option<&NotifyRelay>,
    ) -> Result<u8> {
        let mut session = Session {
            program,
            pid,
            signals: &self.signals,
            terminal: master.map(Attended::begin).transpose()?,
            notify: notify.filter(|relay| relay.socket().is_some()),
        };
        while !session.turn()? {}
        if let Some(terminal) = &mut session.terminal {
            terminal.pump.drain()?;
        }
        let exit = pidfd::reap(program).context("wait for the program")?;
        Ok(exit.status())
    }
}

/// The terminal's two ends, while the program lives.
struct Attended {
    pump: Pump,
    host: Option<HostTerminal>,
}

impl Attended {
    fn begin(master: OwnedFd) -> Result<Self> {
        let host = HostTerminal::take(master.as_fd())?;
        Ok(Self { pump: Pump::new(master)?, host })
    }
}

struct Session<'a> {
    program: BorrowedFd<'a>,
    pid: i32,
    signals: &'a signal::SignalFd,
    terminal: Option<Attended>,
    notify: Option<&'a NotifyRelay>,
}

impl Session<'_> {
    /// Waits for something to happen and deals with it. True when the program has ended.
    fn turn(&mut self) -> Result<bool> {
        let mut polled = vec![
            PollFd::new(self.program, PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        let notify = self.notify.and_then(NotifyRelay::socket);
        if let Some(socket) = notify {
            polled.push(PollFd::new(socket, PollFlags::POLLIN));
        }
        let first = polled.len();
        if let Some(terminal) = &self.terminal {
            polled.extend(terminal.pump.interests());
        }
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(false),
            Err(errno) => return Err(errno).context("wait for the program"),
        }
        let happened = |index: usize| polled.get(index).is_some_and(|fd| fd.any().unwrap_or(false));
        let (ended, signalled, notified) = (happened(0), happened(1), notify.is_some() && happened(2));
        let moved = first < polled.len();
        drop(polled);

        if signalled {
            self.forward_signals()?;
        }
        if moved && let Some(terminal) = &mut self.terminal {
            terminal.pump.turn()?;
        }
        if notified && self.notify.map(|relay| relay.pass_on(self.pid)).transpose()? == Some(true) {
            self.notify = None;
        }
        Ok(ended)
    }

    fn forward_signals(&mut self) -> Result<()> {
        while let Some(number) = self.signals.read().context("read a signal")? {
            match Signal::try_from(number) {
                Ok(Signal::SIGCHLD) => self.reap_orphans()?,
                Ok(Signal::SIGWINCH) => self.resize()?,
                // Our own writing to a closed pipe; the program gets its own.
                Ok(Signal::SIGPIPE) => {}
                _ => self.forward(number)?,
            }
        }
        Ok(())
    }

    fn forward(&self, number: i32) -> Result<()> {
        match pidfd::send_signal(self.program, number) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno).with_context(|| format!("forward signal {number}")),
        }
    }

    fn resize(&self) -> Result<()> {
        match self.terminal.as_ref().and_then(|terminal| Some((terminal, terminal.host.as_ref()?))) {
            Some((terminal, host)) => host.pass_size_on(terminal.pump.master()),
            None => Ok(()),
        }
    }

    /// Reaps what was left to us, but the program itself: its status is read at the end.
    fn reap_orphans(&self) -> Result<()> {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            let pid = match waitid(Id::All, look) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => pid,
                Ok(_) | Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno).context("look for ended children"),
            };
            if pid == Pid::from_raw(self.pid) {
                return Ok(());
            }
            waitid(Id::Pid(pid), WaitPidFlag::WEXITED).with_context(|| format!("reap process {pid}"))?;
        }
    }
}
