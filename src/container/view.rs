//! What `state` and `list` tell of a container (runtime-spec runtime.md#state, and runc's two fields more).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::state::{State, Status};
use super::store::{Container, ContainerId, Observer};
use super::{Globals, find};
use crate::report::Result;

/// Fields in the order in which callers have always read them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    pub oci_version: String,
    pub id: String,
    /// Init's in our pid namespace; 0 where there is none.
    pub pid: i32,
    pub status: &'static str,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    pub created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// A user's name, or `#uid`; empty where nobody looked.
    pub owner: String,
}

impl View {
    /// What can be said now; the status is asked of the kernel.
    pub fn of(container: &Container, state: State, observer: &Observer) -> Result<Self> {
        let status = container.status_by(&state, observer)?;
        let pid = match (status, state.init) {
            (Status::Stopped, _) | (_, None) => 0,
            (_, Some(init)) => init.pid,
        };
        Ok(Self {
            oci_version: state.oci_version,
            id: state.id,
            pid,
            status: status.word(),
            bundle: state.bundle,
            rootfs: state.rootfs,
            created: state.created,
            annotations: state.annotations,
            owner: String::new(),
        })
    }
}

/// One container, by id.
pub fn view(globals: &Globals, id: &ContainerId) -> Result<View> {
    let container = find(globals, id)?;
    let state = container.load()?;
    View::of(&container, state, &Observer::new()?)
}
