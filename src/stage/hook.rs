//! Runs hooks: an absolute program, its own arguments and environment, the container's state on
//! standard input, a deadline if it has one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use oci_spec::runtime::Hook;

use crate::linux::{memfd, pidfd, spawn};
use crate::report::{Code, Context, Error, Result};

/// A hook without `env` gets the caller's environment (as runc does).
pub const NO_ENVIRONMENT: Option<&[String]> = None;

/// Runs the hooks of one kind in order; the first failure ends it.
///
/// # Errors
/// `error running KIND hook #N: …` with the hook's exit status and what it wrote to standard error.
pub fn run_all(kind: &str, hooks: &[Hook], state: &str, environment: Option<&[String]>) -> Result<()> {
    (0..hooks.len()).try_for_each(|index| run_one(kind, hooks, index, state, environment))
}

/// Runs the hook number `index` (from 0) of a kind.
pub fn run_one(
    kind: &str,
    hooks: &[Hook],
    index: usize,
    state: &str,
    environment: Option<&[String]>,
) -> Result<()> {
    let Some(hook) = hooks.get(index) else {
        return Ok(());
    };
    run(hook, state, environment)
        .with_context(|| format!("error running {kind} hook #{index}"))
        .at(format!("/hooks/{kind}/{index}"))
        .code(Code::Hook)
}

/// One hook. The state is a file in memory: a hook that does not read it breaks nothing.
fn run(hook: &Hook, state: &str, environment: Option<&[String]>) -> Result<()> {
    let path = hook.path();
    let input = memfd::with_content("hook-stdin", state.as_bytes()).context("make the hook's input")?;
    let mut output = Capture::new("hook-stdout")?;
    let mut errors = Capture::new("hook-stderr")?;

    let mut command = Command::new(path);
    set_arguments(&mut command, hook);
    set_environment(&mut command, hook, environment);
    command.stdin(Stdio::from(input)).stdout(output.end()?).stderr(errors.end()?);
    // Its own process group, so that a hook past its time goes with all its children.
    command.process_group(0);
    spawn::prepare(&mut command);

    let mut child = command.spawn().with_context(|| format!("start {path:?}"))?;
    wait_in_time(&child, hook.timeout())?;
    let status = child.wait().context("wait for the hook")?;
    if status.success() {
        return Ok(());
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {}", signal_text(signal)),
        (None, None) => "an unknown status".to_string(),
    };
    let (output, errors) = (output.text()?, errors.text()?);
    Err(Error::new(Code::Hook, format!("{how}, stdout: {output}, stderr: {errors}")))
}

/// In the words that callers of runc match.
fn signal_text(signal: i32) -> String {
    let text = match signal {
        nix::libc::SIGHUP => "hangup",
        nix::libc::SIGINT => "interrupt",
        nix::libc::SIGQUIT => "quit",
        nix::libc::SIGABRT => "aborted",
        nix::libc::SIGKILL => "killed",
        nix::libc::SIGSEGV => "segmentation fault",
        nix::libc::SIGPIPE => "broken pipe",
        nix::libc::SIGTERM => "terminated",
        nix::libc::SIGSYS => "bad system call",
        other => return other.to_string(),
    };
    text.to_string()
}

/// `args[0]` is the name the hook sees, the rest its arguments.
fn set_arguments(command: &mut Command, hook: &Hook) {
    let Some((name, rest)) = hook.args().as_ref().and_then(|args| args.split_first()) else {
        return;
    };
    command.arg0(name).args(rest);
}

fn set_environment(command: &mut Command, hook: &Hook, default: Option<&[String]>) {
    let Some(env) = hook.env().as_deref().or(default) else {
        return;
    };
    command.env_clear();
    for variable in env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        command.env(name, value);
    }
}

/// Waits for the end, and kills the hook's process group at the deadline.
fn wait_in_time(child: &std::process::Child, timeout: Option<i64>) -> Result<()> {
    let Some(seconds) = timeout.and_then(|seconds| u64::try_from(seconds).ok()) else {
        return Ok(());
    };
    let pid = Pid::from_raw(child.id() as i32);
    let handle = pidfd::open(pid).context("watch the hook")?;
    if pidfd::wait_exit(handle.as_fd(), Some(Duration::from_secs(seconds))).context("wait for the hook")? {
        return Ok(());
    }
    // Not reaped yet, so the group id cannot be anyone else's.
    nix::sys::signal::killpg(pid, Signal::SIGKILL).context("kill the hook")?;
    pidfd::wait_exit(handle.as_fd(), None).context("wait for the killed hook")?;
    Err(Error::new(Code::Hook, format!("hook ran past specified timeout of {:.1}s", seconds as f64)))
}

/// What a hook writes, in memory: no pipe to drain while it runs.
struct Capture(File);

impl Capture {
    /// The most that an error repeats.
    const SHOWN: u64 = 4096;

    fn new(name: &str) -> Result<Self> {
        let memory = memfd::with_content(name, b"").context("make the hook's output")?;
        Ok(Self(File::from(memory)))
    }

    fn end(&self) -> Result<Stdio> {
        Ok(Stdio::from(self.0.try_clone().context("make the hook's output")?))
    }

    /// The last of it.
    fn text(&mut self) -> Result<String> {
        let length = self.0.metadata().context("read the hook's output")?.len();
        let start = SeekFrom::Start(length.saturating_sub(Self::SHOWN));
        self.0.seek(start).context("read the hook's output")?;
        let mut bytes = Vec::new();
        (&self.0).take(Self::SHOWN).read_to_end(&mut bytes).context("read the hook's output")?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_string())
    }
}
