//! `kill`: a signal to init, or SIGKILL to all where init's death would not end the others.
//!
//! Never signals by number: the process is held by a descriptor first and compared with the state
//! after, so what is signalled is what was compared, whoever has its number later.

use nix::sys::signal::Signal;

use super::state::{Phase, State};
use super::store::ContainerId;
use super::{Globals, find};
use crate::cgroup::Manager;
use crate::fail;
use crate::linux::procfs::Proc;
use crate::linux::{self, Errno, pidfd};
use crate::report::{Code, Context, Error, Result, log};
use std::os::fd::AsFd;
use std::time::Duration;

/// SIGKILL by number.
pub const SIGKILL: i32 = Signal::SIGKILL as i32;
/// What thawing may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `signal` (a name or number; SIGTERM where there is none). With `all`, a container that
/// does not run is no error: the flag has no other meaning any more.
///
/// # Errors
/// `Code::WrongState`, `container not running`.
pub fn kill(globals: &Globals, id: &ContainerId, signal: Option<&str>, all: bool) -> Result<()> {
    let state = find(globals, id)?.load()?;
    let signal = parse(signal.unwrap_or_default())?;
    match send(globals, &state, signal)? || all {
        true => Ok(()),
        false => fail!(Code::WrongState, "container not running"),
    }
}

fn parse(text: &str) -> Result<i32> {
    if text.is_empty() {
        return Ok(Signal::SIGTERM as i32);
    }
    linux::signal::parse(text).ok_or_else(|| Error::new(Code::Usage, format!("unknown signal {text:?}")))
}

/// False where nothing runs that could be signalled.
fn send(globals: &Globals, state: &State, signal: i32) -> Result<bool> {
    let proc = Proc::open().context("open /proc")?;
    if state.phase == Phase::Creating || !state.is_of_this_boot()? {
        return Ok(false);
    }
    if signal != SIGKILL || state.own_pid_namespace {
        return signal_init(&proc, state, signal);
    }
    // In a shared pid namespace the others outlive init (`man 7 pid_namespaces`).
    let manager = Manager::new(state.cgroup.clone());
    if !manager.exists() {
        return signal_init(&proc, state, signal);
    }
    match manager.signal_all(signal) {
        Ok(()) => Ok(true),
        Err(error) if globals.rootless => {
            log::warn(format!("only init is killed, for the cgroup is out of reach: {error}"));
            signal_init(&proc, state, signal)
        }
        Err(error) => Err(error.context("unable to kill all processes")),
    }
}

fn signal_init(proc: &Proc, state: &State, signal: i32) -> Result<bool> {
    let Some(init) = state.init else { return Ok(false) };
    let Some(held) = init.hold(proc).context("look for init")? else { return Ok(false) };
    match pidfd::send_signal(held.as_fd(), signal) {
        Ok(()) => {}
        Err(Errno::ESRCH) => return Ok(false),
        Err(errno) => return Err(errno).context("unable to signal init"),
    }
    if signal == SIGKILL {
        thaw(&Manager::new(state.cgroup.clone()))?;
    }
    Ok(true)
}

/// Kills everything in the container, and waits for init's end. The container stays, stopped.
pub fn end(state: &State) -> Result<()> {
    let proc = Proc::open().context("open /proc")?;
    let held = match state.init {
        Some(init) => init.hold(&proc).context("look for init")?,
        None => None,
    };
    let manager = Manager::new(state.cgroup.clone());
    if manager.exists() {
        manager.signal_all(SIGKILL).context("unable to kill all processes")?;
    }
    let Some(init) = held else { return Ok(()) };
    match pidfd::send_signal(init.as_fd(), SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => return Err(errno).context("unable to signal init"),
    }
    match pidfd::wait_exit(init.as_fd(), Some(PATIENCE)).context("wait for init")? {
        true => Ok(()),
        false => fail!(Code::System, "container init still running"),
    }
}

/// On cgroup v1 a frozen process does not even die.
pub fn thaw(manager: &Manager) -> Result<()> {
    match manager.is_frozen()? {
        true => manager.thaw(PATIENCE),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::state::ProcessId;
    use crate::container::testing::{Place, Sleeper, id, state};

    #[test]
    fn a_signal_has_many_spellings_and_a_default() {
        let spellings =
            [("", 15), ("9", 9), ("KILL", 9), ("SIGKILL", 9), ("sigkill", 9), ("hup", 1), ("0", 0)];
        for (text, number) in spellings {
            assert_eq!(parse(text).unwrap(), number, "{text:?}");
        }
        assert_eq!(parse("BADSIG").unwrap_err().to_string(), "unknown signal \"BADSIG\"");
    }

    #[test]
    fn a_signal_goes_to_init() {
        let (place, sleeper) = (Place::new(), Sleeper::new());
        place.container(&State { init: Some(sleeper.identity()), ..state("a") });
        kill(&place.globals(), &id("a"), Some("0"), false).unwrap();
        assert!(sleeper.is_alive());
        kill(&place.globals(), &id("a"), Some("TERM"), false).unwrap();
        sleeper.wait_for_end();
    }

    #[test]
    fn a_process_that_is_not_proven_to_be_init_is_never_signalled() {
        let sleeper = Sleeper::new();
        let ProcessId { pid, start_time, .. } = sleeper.identity();
        let init =
            |pid, start_time| State { init: Some(ProcessId { pid, start_time, inode: None }), ..state("a") };
        let cases = [
            ("of another time", init(pid, start_time + 1)),
            ("of an earlier time", init(pid, start_time - 1)),
            ("of another boot", State { boot_id: "another".to_owned(), ..init(pid, start_time) }),
            ("still being made", State { phase: Phase::Creating, ..init(pid, start_time) }),
            ("pid 0", init(0, 0)),
            ("pid -1", init(-1, 0)),
            ("a process group", init(-pid, start_time)),
            ("pid 1", init(1, start_time)),
            ("this process", init(std::process::id() as i32, start_time)),
            ("no such pid", init(i32::MAX, 0)),
            ("none", state("a")),
        ];
        for (name, state) in cases {
            for own_pid_namespace in [true, false] {
                let place = Place::new();
                place.container(&State { own_pid_namespace, ..state.clone() });
                let error = kill(&place.globals(), &id("a"), Some("KILL"), false).expect_err(name);
                assert_eq!(error.to_string(), "container not running", "{name}");
                assert_eq!(error.kind(), Code::WrongState, "{name}");
                kill(&place.globals(), &id("a"), Some("KILL"), true).expect(name);
            }
        }
        assert!(sleeper.is_alive());
    }

    #[test]
    fn a_thread_that_leads_no_process_is_never_signalled() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid()).unwrap();
            receiver.recv()
        });
        let proc = Proc::open().unwrap();
        let tid = ProcessId::look_up(&proc, told.recv().unwrap()).unwrap();
        assert!(tid.hold(&proc).unwrap().is_none());
        drop(sender);
        assert!(thread.join().unwrap().is_err());
    }

    #[test]
    fn a_container_that_is_not_there_is_named_so_before_its_signal_is_looked_at() {
        let place = Place::new();
        let error = kill(&place.globals(), &id("a"), Some("BADSIG"), true).unwrap_err();
        assert_eq!(error.to_string(), "container does not exist");
    }
}
