//! What the caller asked to be handed: the terminal's master, a pidfd, the pid in a file, the
//! seccomp listener. Sockets are connected to before anything is made.

use std::cell::Cell;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};
use oci_spec::runtime::Spec;
use serde_json::json;

use crate::bundle::annotations;
use crate::fail;
use crate::linux::{Errno, socket, terminal};
use crate::report::{Code, Context, Result};
use crate::stage::context::HookState;

/// The caller's sockets, open, and its pid file's path.
pub struct Handover {
    console: Option<OwnedFd>,
    pidfd: Option<OwnedFd>,
    pid_file: Option<PathBuf>,
    pid_written: Cell<bool>,
}

/// A terminal needs someone to attend it: us, or the other side of a console socket.
pub fn check_terminal(terminal: bool, detach: bool, console_socket: Option<&Path>) -> Result<()> {
    if detach && terminal && console_socket.is_none() {
        fail!(Code::Usage, "cannot allocate tty if runc will detach without setting console socket");
    }
    if console_socket.is_some() && !(detach && terminal) {
        fail!(Code::Usage, "cannot use console socket if runc will not detach or allocate tty");
    }
    Ok(())
}

impl Handover {
    /// Connects to what there is to connect to.
    pub fn connect(console: Option<&Path>, pidfd: Option<&Path>, pid_file: Option<&Path>) -> Result<Self> {
        let connect = |what: &str, path: Option<&Path>| match path {
            Some(path) => socket::connect(path)
                .with_context(|| format!("connect to the {what} socket {path:?}"))
                .map(Some),
            None => Ok(None),
        };
        let absolute = |path: &Path| std::path::absolute(path).with_context(|| format!("pid file {path:?}"));
        Ok(Self {
            console: connect("console", console)?,
            pidfd: connect("pidfd", pidfd)?,
            pid_file: pid_file.map(absolute).transpose()?,
            pid_written: Cell::new(false),
        })
    }

    /// Sends the master away, or gives it back where there is no console socket.
    pub fn send_terminal(&self, master: OwnedFd) -> Result<Option<OwnedFd>> {
        let Some(console) = &self.console else {
            return Ok(Some(master));
        };
        let name = terminal::slave_name(master.as_fd()).context("name the terminal")?;
        socket::send(console.as_fd(), name.as_bytes(), &[master.as_fd()])
            .context("send the terminal to the console socket")?;
        Ok(None)
    }

    /// Sends a pidfd; `kind` is `standard` for init and `setns` for an exec'd process, as runc has it.
    pub fn send_pidfd(&self, kind: &str, pidfd: BorrowedFd) -> Result<()> {
        match &self.pidfd {
            Some(socket) => socket::send(socket.as_fd(), kind.as_bytes(), &[pidfd]).context("send the pidfd"),
            None => Ok(()),
        }
    }

    /// Writes the pid, without a newline, to a file of its own that takes the name when it is whole.
    pub fn write_pid_file(&self, pid: Pid) -> Result<()> {
        let Some(path) = &self.pid_file else {
            return Ok(());
        };
        write_whole(path, pid.to_string().as_bytes()).with_context(|| format!("write pid file {path:?}"))?;
        self.pid_written.set(true);
        Ok(())
    }

    /// Takes the pid file back, if it was written. It names a process that is no more, so a failure to
    /// remove it misleads nobody who looks at the process.
    pub fn remove_pid_file(&self) {
        if let Some(path) = self.pid_file.as_ref().filter(|_| self.pid_written.get()) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        fail!(Code::Usage, "it is not a file's path");
    };
    let directory = open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .context("open its directory")?;
    // The pid makes the name our own, however another create of that name ended. What is there of it is removed and never
    // opened: in a directory that is open to others it can be a link to a file of ours, or a fifo that nobody reads.
    let mut temporary = std::ffi::OsString::from(format!(".{}.", std::process::id()));
    temporary.push(name);
    match unlinkat(&directory, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno).context("remove an old temporary file"),
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = nix::fcntl::openat(&directory, temporary.as_os_str(), flags, Mode::from_bits_truncate(0o666))
        .context("create")?;
    let written = std::fs::File::from(file)
        .write_all(content)
        .context("write")
        .and_then(|()| renameat(&directory, temporary.as_os_str(), &directory, name).context("rename"));
    if written.is_err() {
        // The first error is the one to report.
        let _ = unlinkat(&directory, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir);
    }
    written
}

/// Hands a seccomp listener to the agent with the container process state (runtime-spec
/// config-linux.md#containerprocessstate).
///
/// `status` and `init` are the container's, `pid` is the filtered process's.
pub fn send_listener(
    spec: &Spec,
    state: &HookState,
    (status, init): (&str, Pid),
    pid: Pid,
    listener: OwnedFd,
) -> Result<()> {
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let Some(path) = annotations::seccomp_receiver(spec) else {
        fail!(Code::InvalidConfig, "the seccomp profile notifies, but has no listenerPath");
    };
    let state: serde_json::Value =
        serde_json::from_str(&state.to_json(status, Some(init.as_raw()))).context("the container's state")?;
    let mut message = json!({
        "ociVersion": state["ociVersion"],
        "fds": ["seccompFd"],
        "pid": pid.as_raw(),
        "state": state,
    });
    if let Some(metadata) = profile.and_then(|profile| profile.listener_metadata().as_ref()) {
        message["metadata"] = json!(metadata);
    }
    let agent = socket::connect(&path)
        // runc's words.
        .with_context(|| {
            format!("failed to connect with seccomp agent specified in the seccomp profile {path:?}")
        })
        .at("/linux/seccomp/listenerPath")?;
    socket::send(agent.as_fd(), message.to_string().as_bytes(), &[listener.as_fd()])
        .context("send the seccomp listener to the agent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::testing::Scratch;

    #[test]
    fn a_pid_file_is_written_to_no_file_that_was_there_before() {
        let scratch = Scratch::new();
        let (victim, path) = (scratch.join("victim"), scratch.join("pid"));
        let temporary = scratch.join(&format!(".{}.pid", std::process::id()));
        std::fs::write(&victim, "precious").unwrap();
        std::fs::hard_link(&victim, &temporary).unwrap();
        write_whole(&path, b"42").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        nix::unistd::mkfifo(&temporary, Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink(&victim, scratch.join("link")).unwrap();
        for path in [&path, &scratch.join("link")] {
            write_whole(path, b"43").unwrap();
            assert_eq!(std::fs::read_to_string(path).unwrap(), "43");
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 3, "no temporary file is left");
    }
}
