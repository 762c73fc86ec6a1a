//! NOTIFY_SOCKET: a service manager that started us hears when the container's program is ready
//! (`man 3 sd_notify`). The program gets a socket of our own; its `READY=1` is passed on, with the
//! program's pid as MAINPID, and nothing else of what it says.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket};

use crate::report::{Context, Result, log};

/// The socket's name in the container: `/run/notify/notify.sock`.
const SOCKET: &str = "notify.sock";
/// How long the service manager may take to acknowledge (`man 3 sd_notify_barrier`).
const BARRIER: Duration = Duration::from_secs(30);

/// Messages read before other things have their turn: a program that never stops talking must not keep us from signals.
const AT_ONCE: usize = 1024;

/// The way from the container's socket to the service manager's.
pub struct NotifyRelay {
    manager: String,
    directory: PathBuf,
    socket: Option<UnixDatagram>,
}

impl NotifyRelay {
    /// A relay with its directory under the container's state, if our caller has a NOTIFY_SOCKET.
    pub fn wanted(state_directory: &Path) -> Option<Self> {
        let manager = std::env::var("NOTIFY_SOCKET").ok().filter(|path| !path.is_empty())?;
        Some(Self { manager, directory: state_directory.join("notify"), socket: None })
    }

    /// The directory to bind into the container.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory; the socket too, where the program starts at once.
    pub fn prepare(&mut self, start_at_once: bool) -> Result<()> {
        std::fs::create_dir(&self.directory)
            .and_then(|()| std::fs::set_permissions(&self.directory, PermissionsExt::from_mode(0o755)))
            .with_context(|| format!("make {:?}", self.directory))?;
        match start_at_once {
            true => self.bind(),
            false => Ok(()),
        }
    }

    /// Makes the socket, open to the container's users. The directory must be there: a container that was
    /// created without a NOTIFY_SOCKET has none, and then nothing can be relayed.
    pub fn bind(&mut self) -> Result<()> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        let path = self.directory.join(SOCKET);
        let socket = UnixDatagram::bind(&path).with_context(|| format!("make notify socket {path:?}"))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777))
            .with_context(|| format!("open notify socket {path:?} to the container"))?;
        socket.set_nonblocking(true).context("set up the notify socket")?;
        self.socket = Some(socket);
        Ok(())
    }

    /// To wait on, until `pass_on` has said true.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Waits until the program has said READY=1 or is gone.
    pub fn relay_until_ready(&self, process: BorrowedFd, pid: i32) -> Result<()> {
        let Some(socket) = self.socket() else { return Ok(()) };
        loop {
            let mut polled =
                [PollFd::new(socket, PollFlags::POLLIN), PollFd::new(process, PollFlags::POLLIN)];
            match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).context("wait for the container's notification"),
            }
            let is_gone = polled[1].any().unwrap_or(false);
            if self.pass_on(pid)? || is_gone {
                return Ok(());
            }
        }
    }

    /// Reads what the program has said so far, or a part of it. At READY=1 tells the service manager; true then.
    pub fn pass_on(&self, pid: i32) -> Result<bool> {
        let Some(socket) = &self.socket else { return Ok(true) };
        let mut buffer = [0u8; 4096];
        for _ in 0..AT_ONCE {
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error).context("read the container's notification"),
            };
            if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                self.tell_manager(pid)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// READY=1 first, as a manager may drop a client that changes its pid; the barrier makes sure that
    /// both were read before we can go away and take our credentials with us.
    fn tell_manager(&self, pid: i32) -> Result<()> {
        let doing = || format!("notify {:?}", self.manager);
        let (client, address) = self.connect().with_context(doing)?;
        let send = |text: &str, fds: &[i32]| {
            let rights = [nix::sys::socket::ControlMessage::ScmRights(fds)];
            let control = if fds.is_empty() { &rights[..0] } else { &rights[..] };
            sendmsg(
                std::os::fd::AsRawFd::as_raw_fd(&client),
                &[std::io::IoSlice::new(text.as_bytes())],
                control,
                MsgFlags::MSG_NOSIGNAL,
                Some(&address),
            )
        };
        send("READY=1", &[]).with_context(doing)?;
        send(&format!("MAINPID={pid}"), &[]).with_context(doing)?;
        let (ours, theirs) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("make the barrier")?;
        send("BARRIER=1", &[std::os::fd::AsRawFd::as_raw_fd(&theirs)]).with_context(doing)?;
        drop(theirs);
        let timeout = PollTimeout::try_from(BARRIER).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(ours.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => log::warn(format!("{:?} did not acknowledge the notification in time", self.manager)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).with_context(doing),
        }
        Ok(())
    }

    fn connect(&self) -> nix::Result<(OwnedFd, UnixAddr)> {
        let client = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        // `@name` is an abstract socket.
        let address = match self.manager.strip_prefix('@') {
            Some(name) => UnixAddr::new_abstract(name.as_bytes())?,
            None => UnixAddr::new(self.manager.as_str())?,
        };
        Ok((client, address))
    }
}
