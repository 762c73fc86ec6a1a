//! `restore`: a new container of a bundle, whose processes come from a checkpoint. Made as `run` makes one, up to the
//! clone; there CRIU takes over.

use std::os::fd::AsFd;

use super::common::{require_own_mounts, warn_of_rootless};
use super::directories::Directories;
use super::explain::not_installed;
use super::options::RestoreOptions;
use super::restoring::{LOG, Restored, Restoring};
use crate::container::blueprint::{Blueprint, Order};
use crate::container::foreground::{self, Foreground};
use crate::container::options::CreateOptions;
use crate::container::store::ContainerId;
use crate::container::{Globals, delete};
use crate::criu;
use crate::report::{Result, log};

/// Restores a container; its exit status, or 0 at once if detached.
pub fn restore(globals: &Globals, id: &ContainerId, options: &RestoreOptions) -> Result<u8> {
    warn_of_rootless()?;
    let program = criu::find().ok_or_else(not_installed)?;
    // Before the working directory changes.
    let directories = Directories::open(&options.common, LOG)?;
    let mut foreground = match options.detach {
        true => None,
        false => Some(Foreground::begin(!options.no_subreaper)?),
    };
    let create = CreateOptions {
        bundle: options.bundle.clone(),
        console_socket: options.console_socket.clone(),
        pid_file: options.pid_file.clone(),
        no_pivot: options.no_pivot,
        ..CreateOptions::default()
    };
    let order = Order { globals, id, options: &create, start_at_once: true, detach: options.detach };
    let blueprint = Blueprint::draw(&order)?;
    require_own_mounts(&blueprint.plan)?;
    let mut restored = Restoring::restore(&order, blueprint, options, &directories, &program)?;
    let Some(foreground) = &mut foreground else { return Ok(0) };

    let ended = attend(foreground, &mut restored);
    let Restored { mut container, state, .. } = restored;
    let removed = match container.lock() {
        Ok(()) => delete::destroy(container, &state, true),
        // Somebody deleted it while it ran.
        Err(error) => {
            log::debug(error);
            Ok(())
        }
    };
    match ended {
        Ok(status) => removed.map(|()| status),
        Err(error) => Err(error.and(removed)),
    }
}

fn attend(foreground: &mut Foreground, restored: &mut Restored) -> Result<u8> {
    let terminal = restored.terminal.take();
    if let Some(master) = &terminal {
        foreground::prepare_terminal(master.as_fd())?;
    }
    foreground.attend(restored.pidfd.as_fd(), restored.pid.as_raw(), terminal, None)
}
