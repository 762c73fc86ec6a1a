//! The hooks of the container's life that the parent runs, by whichever command.

use std::collections::BTreeMap;

use nix::errno::Errno;
use oci_spec::runtime::Hook;

use super::state::{Phase, State};
use super::store::Container;
use crate::bundle::{load, names};
use crate::plan::ParentHooks;
use crate::report::{Result, log};
use crate::stage::context::HookState;
use crate::stage::hook;

/// The facts of a container that a hook is told.
pub fn hook_state(state: &State) -> HookState {
    let annotations: BTreeMap<String, String> = state.annotations.clone();
    HookState {
        oci_version: state.oci_version.clone(),
        id: state.id.clone(),
        bundle: state.bundle.clone(),
        annotations,
    }
}

/// prestart and createRuntime: while the container is made or restored, in the host's namespaces.
pub fn run_creating(hooks: &ParentHooks, state: &HookState, pid: i32) -> Result<()> {
    if hooks.prestart.is_empty() && hooks.create_runtime.is_empty() {
        return Ok(());
    }
    let json = state.to_json("creating", Some(pid));
    hook::run_all("prestart", &hooks.prestart, &json, hook::NO_ENVIRONMENT)?;
    hook::run_all("createRuntime", &hooks.create_runtime, &json, hook::NO_ENVIRONMENT)
}

/// poststart: after the program has started, before `start` returns.
pub fn run_poststart(hooks: &[Hook], state: &HookState, pid: i32) -> Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    hook::run_all("poststart", hooks, &state.to_json("running", Some(pid)), hook::NO_ENVIRONMENT)
}

/// poststop: each is run whatever became of the one before; a failure is a warning
/// (runtime-spec runtime.md#lifecycle, 13).
pub fn run_poststop(hooks: &[Hook], state: &HookState) {
    if hooks.is_empty() {
        return;
    }
    let json = state.to_json("stopped", None);
    for index in 0..hooks.len() {
        if let Err(error) = hook::run_one("poststop", hooks, index, &json, hook::NO_ENVIRONMENT) {
            log::warn(error);
        }
    }
}

/// The poststop hooks of the config that is in force, for `delete`.
///
/// A config that cannot be read any more is a warning: the container must be deletable.
pub fn poststop(container: &Container, state: &State) -> Result<()> {
    let config = container.config().and_then(|raw| match names::mentions(&raw, "poststop") {
        true => load::parse(&raw).map(Some),
        false => Ok(None),
    });
    match config {
        Ok(None) => {}
        Ok(Some(spec)) => {
            let hooks = spec.hooks().as_ref().and_then(|hooks| hooks.poststop().clone());
            run_poststop(&hooks.unwrap_or_default(), &hook_state(state));
        }
        // Cut short before the first hook could run.
        Err(error) if state.phase == Phase::Creating && error.errno() == Some(Errno::ENOENT) => {}
        Err(error) => log::warn(error.context("poststop hooks are not run")),
    }
    Ok(())
}
