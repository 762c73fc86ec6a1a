//! The lifecycle of a container: one file a command, on the store that remembers containers.
//!
//! Nothing here remembers a status: it is computed from the kernel at every look. What changes a
//! container holds its lock; what only looks, or sends a signal, takes none and bears a container
//! that vanishes under it.

mod blueprint;
pub mod checkpoint;
pub mod create;
pub mod delete;
pub mod events;
pub mod exec;
mod exec_process;
pub mod features;
mod filter_cache;
mod foreground;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod globals;
mod handover;
pub mod hooks;
pub mod intel_rdt;
pub mod kill;
mod limits;
pub mod list;
mod making;
mod notify;
pub mod options;
pub mod pause;
pub mod ps;
pub mod run;
pub mod spec;
pub mod start;
pub mod state;
pub mod store;
pub mod update;
pub mod view;

#[cfg(test)]
mod testing;

pub use globals::Globals;

use crate::report::Result;
use state::{State, Status};
use store::{Container, ContainerId, Store};

/// Opens a container by id; takes no lock.
///
/// # Errors
/// `Code::NotFound`, `container does not exist`.
pub fn find(globals: &Globals, id: &ContainerId) -> Result<Container> {
    match Store::open_existing(&globals.root)? {
        Some(store) => store.find(id),
        None => Err(store::not_found()),
    }
}

/// A container that is locked, so that its status stays what it is.
struct Held {
    status: Status,
    state: State,
    container: Container,
}

/// Opens and locks a container. One that is being created is not waited for, since its hooks can take long:
/// its status says so, and it is not locked.
fn hold(globals: &Globals, id: &ContainerId) -> Result<Held> {
    let mut container = find(globals, id)?;
    let mut state = container.load()?;
    if container.status(&state)? != Status::Creating {
        container.lock()?;
        state = container.load()?;
    }
    Ok(Held { status: container.status(&state)?, state, container })
}
