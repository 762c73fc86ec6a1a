//! `start`: lets a created container's init go on to its program. Exactly one start wins.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::notify::NotifyRelay;
use super::state::{State, Status};
use super::store::{Container, ContainerId, START_FIFO};
use super::{Globals, find, hooks, kill};
use crate::bundle::load;
use crate::fail;
use crate::linux::fd;
use crate::linux::procfs::Proc;
use crate::report::{Code, Context, Error, Result, trace};
use crate::stage::channel::decode_failure;

/// Longer than any failure that init can send.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Starts a created container, and returns when its program runs.
///
/// # Errors
/// `Code::NotFound`; `Code::WrongState`; a failed startContainer hook; a failed poststart hook, which ends the container.
/// A program that cannot be executed is none: it ends the container, with its status and a line on its standard error.
pub fn start(globals: &Globals, id: &ContainerId) -> Result<()> {
    let mut container = find(globals, id)?;
    // Without the lock first: a create that is still at work holds it, and can take long.
    require_created(&container, &container.load()?)?;
    container.lock()?;
    let state = container.load()?;
    require_created(&container, &state)?;
    let mut notify = NotifyRelay::wanted(&container.path());
    if let Some(relay) = &mut notify {
        relay.bind()?;
    }
    trace::done("look at the container");
    release(&container)?;
    trace::done("release init, wait for the execve");
    container.unlock()?;

    let Some(init) = state.init else {
        fail!(Code::Internal, "a created container has no init");
    };
    run_poststart(&container, &state, init.pid)?;
    let Some(relay) = notify else { return Ok(()) };
    let proc = Proc::open().context("open /proc")?;
    match init.hold(&proc).context("look for init")? {
        Some(held) => relay.relay_until_ready(held.as_fd(), init.pid),
        None => Ok(()),
    }
}

fn require_created(container: &Container, state: &State) -> Result<()> {
    match container.status(state)? {
        Status::Created => Ok(()),
        Status::Running => fail!(Code::WrongState, "cannot start an already running container"),
        Status::Stopped => fail!(Code::WrongState, "cannot start a container that has stopped"),
        Status::Paused => fail!(Code::WrongState, "cannot start a paused container"),
        Status::Creating => fail!(Code::WrongState, "cannot start a container that is still being created"),
    }
}

/// Opens the fifo without waiting, claims it by removing its name, writes the byte that init waits
/// for, and waits until init has let go of the fifo: by execve, or by its end.
fn release(container: &Container) -> Result<()> {
    let name = container.path().join(START_FIFO);
    let open = |flags: OFlag| {
        openat(container.directory(), START_FIFO, flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
    };
    let dead = || Error::new(Code::WrongState, "container process is already dead");
    let write_end = match open(OFlag::O_WRONLY) {
        Ok(end) => end,
        Err(Errno::ENXIO) => return Err(dead()),
        Err(Errno::ENOENT) => fail!(Code::WrongState, "cannot start an already running container"),
        Err(errno) => return Err(errno).with_context(|| format!("open {name:?}")),
    };
    let read_end = open(OFlag::O_RDONLY).with_context(|| format!("open {name:?}"))?;
    match unlinkat(container.directory(), START_FIFO, UnlinkatFlags::NoRemoveDir) {
        Ok(()) => {}
        Err(Errno::ENOENT) => fail!(Code::WrongState, "cannot start an already running container"),
        Err(errno) => return Err(errno).with_context(|| format!("claim {name:?}")),
    }
    fd::write_all(write_end.as_fd(), b"0").context("release init")?;
    drop(write_end);
    await_hang_up(read_end.as_fd()).context("wait for the program to start")?;
    answer(read_end, dead)
}

/// Init has the fifo open for writing, and nobody else by now: its letting go is the hang-up. What
/// is in the fifo is looked at only then, so that our own byte is not taken for an answer.
fn await_hang_up(fifo: BorrowedFd) -> Result<()> {
    loop {
        match poll(&mut [PollFd::new(fifo, PollFlags::empty())], PollTimeout::NONE) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Nothing: the program runs, or could not be executed. Our own byte: init died before it could read it. Else: why not.
fn answer(fifo: OwnedFd, dead: impl FnOnce() -> Error) -> Result<()> {
    let bytes = fd::read_to_end(fifo.as_fd(), ANSWER_LIMIT).context("read init's answer")?;
    if bytes.is_empty() {
        return Ok(());
    }
    match decode_failure(&bytes) {
        Some(message) => Err(Error::from_message(message)),
        None => Err(dead()),
    }
}

/// A failing poststart hook ends the container (runtime-spec runtime.md#lifecycle, 9).
fn run_poststart(container: &Container, state: &State, pid: i32) -> Result<()> {
    let spec = load::parse(&container.config()?)?;
    let Some(hooks) = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().clone()) else {
        return Ok(());
    };
    let ran = hooks::run_poststart(&hooks, &hooks::hook_state(state), pid);
    match ran {
        Ok(()) => Ok(()),
        Err(error) => Err(error.and(kill::end(state))),
    }
}
