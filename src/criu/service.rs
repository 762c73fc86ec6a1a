//! One `criu swrk` process, and the conversation with it: requests one after the other, each answered once, with
//! notifications before the answer of a dump or restore.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use prost::Message;

use super::messages::{Features, Kind, Options, Request, Response};
use crate::fail;
use crate::linux::{Errno, socket, spawn};
use crate::report::{Code, Context, Error, Result, log};

/// Longest message that it may send: a response has no lists in it.
const MESSAGE_LIMIT: usize = 1 << 20;
/// What it is asked for is in every version from 3.16 (2021) on.
const OLDEST: [i32; 2] = [3, 16];
/// How long it may take to let processes go once all are restored; it has been seen to wait for ever for one that it
/// had killed.
const LETTING_GO: Duration = Duration::from_secs(30);
/// The socket's number in the service, and that of the first descriptor passed.
const SOCKET: i32 = 3;

/// What its standard streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// /dev/null.
    None,
    /// Ours: restored processes may inherit them.
    Ours,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    Dump,
    PreDump,
    Restore,
}

impl Job {
    fn kind(self) -> Kind {
        match self {
            Job::Dump => Kind::Dump,
            Job::PreDump => Kind::PreDump,
            Job::Restore => Kind::Restore,
        }
    }
}

/// Something that the caller may act on before the service goes on.
pub struct Notification {
    /// `pre-dump`, `network-lock`, `setup-namespaces`, `post-restore`, `orphan-pts-master` and the like.
    pub script: String,
    /// The root process, where it says one.
    pub pid: Option<Pid>,
    pub descriptors: Vec<OwnedFd>,
}

/// How a job came to nothing.
pub enum Failure {
    /// By its own answer or its death; the log tells why.
    Criu(Error),
    /// By ours to a notification.
    Refused(Error),
}

/// The process and our end of its socket.
pub struct Service {
    child: Child,
    socket: OwnedFd,
    patience: Duration,
}

impl Service {
    /// Starts it. `passed` are its descriptors from 4 on. With `tied` it dies with us.
    pub fn start(program: &Path, stdio: Stdio, passed: Vec<OwnedFd>, tied: bool) -> Result<Self> {
        let starting = || format!("start {program:?}");
        let (socket, theirs) = socket::pair().with_context(starting)?;
        let mut command = Command::new(program);
        command.args(["swrk", &SOCKET.to_string()]).env_clear();
        // It runs ip, tar, iptables.
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        if stdio == Stdio::None {
            let null = std::process::Stdio::null;
            command.stdin(null()).stdout(null()).stderr(null());
            // A key pressed at our terminal must not end a dump half-way.
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        match tied {
            true => spawn::prepare(&mut command),
            false => spawn::untie(&mut command),
        }
        let descriptors = std::iter::once(theirs).chain(passed).collect();
        spawn::pass(&mut command, SOCKET, descriptors).with_context(starting)?;
        Ok(Self { child: command.spawn().with_context(starting)?, socket, patience: LETTING_GO })
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// The number in the service of the `index`th descriptor that was passed.
    pub fn number_of(index: usize) -> i32 {
        SOCKET + 1 + index as i32
    }

    /// # Errors
    /// `Code::Unsupported` where it is too old.
    pub fn check_version(&mut self) -> Result<()> {
        let response = self.ask(Kind::Version, None).context("ask criu for its version")?;
        let Some(version) = response.version else {
            fail!(Code::Unsupported, "criu does not tell its version");
        };
        log::debug(format!("criu {}.{}.{}", version.major, version.minor, version.sublevel.unwrap_or(0)));
        if [version.major, version.minor] < OLDEST {
            return Err(Error::new(
                Code::Unsupported,
                format!("criu {}.{} is too old", version.major, version.minor),
            )
            .hint(format!("install criu {}.{} or newer", OLDEST[0], OLDEST[1])));
        }
        Ok(())
    }

    /// Which of the features asked for there are.
    pub fn features(&mut self, wanted: Features) -> Result<Features> {
        let response = self.ask(Kind::FeatureCheck, Some(wanted)).context("ask criu for its features")?;
        Ok(response.features.unwrap_or_default())
    }

    fn ask(&mut self, kind: Kind, features: Option<Features>) -> Result<Response> {
        self.send(&Request { kind: kind as i32, keep_open: Some(true), features, ..Request::default() })?;
        let (response, _) = self.receive(None)?;
        match response.success {
            true => Ok(response),
            false => Err(refusal(&response)),
        }
    }

    /// Has a job done; `attend` is called for each notification, and its refusal ends the job. The pid of the restored
    /// root process, where there is one.
    pub fn carry_out(
        &mut self,
        job: Job,
        options: Options,
        attend: &mut dyn FnMut(Notification) -> Result<()>,
    ) -> std::result::Result<Option<Pid>, Failure> {
        let request = Request { kind: job.kind() as i32, options: Some(options), ..Request::default() };
        self.send(&request).map_err(Failure::Criu)?;
        let mut refused = None;
        let mut deadline = None;
        loop {
            let (response, descriptors) = match self.receive(deadline) {
                Ok(received) => received,
                Err(error) => return Err(refused.map_or(Failure::Criu(error), Failure::Refused)),
            };
            if response.kind != Kind::Notify as i32 {
                return match (refused, response.success) {
                    (Some(error), _) => Err(Failure::Refused(error)),
                    (None, false) => Err(Failure::Criu(refusal(&response))),
                    (None, true) => Ok(response.restored.map(|restored| Pid::from_raw(restored.pid))),
                };
            }
            let notify = response.notify.unwrap_or_default();
            let script = notify.script.unwrap_or_default();
            log::debug(format!("criu: {script}"));
            if script == "post-restore" {
                deadline = deadline.or(Some(Instant::now() + self.patience));
            }
            let pid = notify.pid.filter(|pid| *pid > 0).map(Pid::from_raw);
            // After a refusal it undoes what it did, and still tells of that.
            if refused.is_none() {
                refused = attend(Notification { script, pid, descriptors }).err();
            }
            let answer = Request {
                kind: Kind::Notify as i32,
                notify_success: Some(refused.is_none()),
                ..Request::default()
            };
            if let Err(error) = self.send(&answer) {
                return Err(refused.map_or(Failure::Criu(error), Failure::Refused));
            }
        }
    }

    /// Closes the connection and waits for the process's end.
    pub fn end(self) -> Result<()> {
        let Self { mut child, socket, .. } = self;
        drop(socket);
        child.wait().context("wait for criu")?;
        Ok(())
    }

    /// The same, at once: whatever it is doing.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill criu")?;
        self.end()
    }

    fn wait_for_answer(&self, deadline: Instant) -> Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) => return Err(is_late(self.patience)),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).context("wait for criu's answer"),
            }
        }
    }

    fn send(&self, request: &Request) -> Result<()> {
        match socket::send(self.socket.as_fd(), &request.encode_to_vec(), &[]) {
            Err(Errno::EPIPE) => Err(gone()),
            sent => sent.context("send criu a request"),
        }
    }

    fn receive(&self, deadline: Option<Instant>) -> Result<(Response, Vec<OwnedFd>)> {
        if let Some(deadline) = deadline {
            self.wait_for_answer(deadline)?;
        }
        let message = match socket::receive(self.socket.as_fd(), MESSAGE_LIMIT) {
            Err(Errno::ECONNRESET) => return Err(gone()),
            received => received.context("read criu's answer")?,
        };
        let Some((bytes, descriptors)) = message else { return Err(gone()) };
        let response = Response::decode(bytes.as_slice()).context("read criu's answer")?;
        Ok((response, descriptors))
    }
}

fn is_late(patience: Duration) -> Error {
    Error::new(
        Code::System,
        format!("criu has not let go of the container for {} seconds", patience.as_secs()),
    )
}

fn gone() -> Error {
    Error::new(Code::System, "criu ended without an answer")
}

/// What little it says on the wire.
fn refusal(response: &Response) -> Error {
    let errno = response.errno.filter(|errno| *errno > 0).map(Errno::from_raw);
    match (&response.message, errno) {
        (Some(message), _) => Error::new(Code::System, message.trim()),
        (None, Some(errno)) => Error::from(errno),
        (None, None) => Error::new(Code::System, "criu gives no reason"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::testing::Scratch;

    /// A service that tells of a restored process, and then does this.
    fn service(scratch: &Scratch, then: &str) -> Service {
        let tell = r"dd bs=64k count=1 <&3 >/dev/null 2>&1
            env printf '\x08\x06\x10\x01\x2a\x0e\x0a\x0cpost-restore' >&3";
        let (text, program) = (scratch.join("text"), scratch.join("criu"));
        std::fs::write(&text, format!("#!/bin/bash\n{tell}\n{then}\n")).unwrap();
        // Written by another process: a fork of another test could keep it open, and then it cannot be executed.
        assert!(Command::new("install").args([&text, &program]).status().unwrap().success());
        Service::start(&program, Stdio::None, Vec::new(), true).unwrap()
    }

    fn restore(service: &mut Service) -> (String, Vec<String>) {
        let mut heard = Vec::new();
        let done = service.carry_out(Job::Restore, Options::default(), &mut |notification| {
            heard.push(notification.script);
            Ok(())
        });
        match done {
            Err(Failure::Criu(error) | Failure::Refused(error)) => (error.to_string(), heard),
            Ok(pid) => (format!("{pid:?}"), heard),
        }
    }

    #[test]
    fn one_that_does_not_let_go_of_what_it_restored_is_given_up_and_killed() {
        let scratch = Scratch::new();
        let mut service = service(&scratch, "exec sleep 1000");
        service.patience = Duration::from_millis(100);
        let (error, heard) = restore(&mut service);
        assert!(error.contains("criu has not let go"), "{error}");
        assert_eq!(heard, ["post-restore"]);
        service.kill().unwrap();
    }

    #[test]
    fn one_that_ends_is_noticed_at_once() {
        let scratch = Scratch::new();
        let mut service = service(&scratch, "exit 1");
        let (error, _) = restore(&mut service);
        assert!(error.contains("criu ended without an answer"), "{error}");
        service.end().unwrap();
    }
}
