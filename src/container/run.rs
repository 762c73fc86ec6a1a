//! `run`: create and start in one, attended to the end or left to itself.

use super::blueprint::Order;
use super::foreground::Foreground;
use super::making::{self, Made};
use super::options::CreateOptions;
use super::store::ContainerId;
use super::{Globals, delete, hooks, kill};
use crate::report::{Result, log, trace};

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    pub create: CreateOptions,
    pub detach: bool,
    /// Leave the stopped container to be looked at and deleted.
    pub keep: bool,
    pub no_subreaper: bool,
}

/// Runs a container; its exit status, or 0 at once if detached.
pub fn run(globals: &Globals, id: &ContainerId, options: &RunOptions) -> Result<u8> {
    // Signals are held from here on, so that none is lost between the clone and the first wait.
    let mut foreground = match options.detach {
        true => None,
        false => Some(Foreground::begin(!options.no_subreaper)?),
    };
    let order = Order { globals, id, options: &options.create, start_at_once: true, detach: options.detach };
    let mut made = making::make(&order)?;
    made.container.unlock()?;

    let attended = attend(&mut made, foreground.as_mut());
    trace::done(trace::PROGRAM);
    drop(foreground);
    match (attended, options.detach) {
        (Ok(status), true) => Ok(status),
        (Ok(status), false) => {
            let ended = end(made, options.keep);
            trace::done("remove the container");
            ended.map(|()| status)
        }
        (Err(error), _) => Err(error.and(end(made, options.keep))),
    }
}

fn attend(made: &mut Made, foreground: Option<&mut Foreground>) -> Result<u8> {
    let pid = made.child.pid().as_raw();
    hooks::run_poststart(&made.poststart, &made.hook_state, pid)?;
    let Some(foreground) = foreground else {
        if let Some(relay) = &made.notify {
            relay.relay_until_ready(made.child.pidfd(), pid)?;
        }
        return Ok(0);
    };
    foreground.attend(made.child.pidfd(), pid, made.terminal.take(), made.notify.as_ref())
}

/// The container's end: what is left of its processes, and with `keep` nothing else, is removed.
fn end(mut made: Made, keep: bool) -> Result<()> {
    made.child.kill();
    if keep {
        return kill::end(&made.state);
    }
    match made.container.lock() {
        Ok(()) => delete::destroy_own(made.container, &made.state, &made.poststop),
        // Somebody deleted it while it ran.
        Err(error) => {
            log::debug(error);
            Ok(())
        }
    }
}
