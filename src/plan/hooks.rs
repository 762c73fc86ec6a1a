//! Hooks, by who runs them when (config.md#posix-platform-hooks).

use oci_spec::runtime::{Hook, Spec};

use super::types::{Action, ParentHooks, Step};

/// Those that run in the runtime's own namespaces.
pub fn parent(spec: &Spec) -> ParentHooks {
    let Some(hooks) = spec.hooks() else { return ParentHooks::default() };
    ParentHooks {
        prestart: listed(hooks.prestart()),
        create_runtime: listed(hooks.create_runtime()),
        poststart: listed(hooks.poststart()),
        poststop: listed(hooks.poststop()),
    }
}

/// In the container's namespaces, before the root filesystem is entered.
pub fn create_container(spec: &Spec) -> Option<Step> {
    let hooks = listed(spec.hooks().as_ref()?.create_container());
    (!hooks.is_empty()).then(|| Action::RunCreateContainerHooks(hooks).at("/hooks/createContainer"))
}

/// As the container's process, just before its program.
pub fn start_container(spec: &Spec) -> Option<Step> {
    let hooks = listed(spec.hooks().as_ref()?.start_container());
    (!hooks.is_empty()).then(|| Action::RunStartContainerHooks(hooks).at("/hooks/startContainer"))
}

fn listed(hooks: &Option<Vec<Hook>>) -> Vec<Hook> {
    hooks.clone().unwrap_or_default()
}
