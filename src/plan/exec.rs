//! One more process in a running container: the plan of `exec`.

use oci_spec::runtime::{Process, Spec};

use super::options::ExecOptions;
use super::steps::Steps;
use super::types::{Action, ExecPlan};
use super::{memory_policy, process};
use crate::linux::namespace::Kind;
use crate::report::Result;

/// Compiles one more process: `process` is the config's with the command line's overrides, or a --process file.
/// `spec` is the container's frozen config. `namespaces` are those of init that differ from the caller's.
pub fn exec(spec: &Spec, process: &Process, namespaces: &[Kind], options: &ExecOptions) -> Result<ExecPlan> {
    let process = &completed(process, spec.process().as_ref());
    let container = spec.process().as_ref().unwrap_or(process);
    let affinity = process.exec_cpu_affinity().as_ref();

    let limits = process::limits(process, namespaces.contains(&Kind::User));
    let mut steps = Steps::default();
    steps.add([Action::NewSession]);
    steps.add(process::keyring(process, &options.id, options.no_new_keyring));
    steps.add(process::open_terminal(process));
    steps.add(process::attach_terminal(process, false));
    steps.add(final_cpu_affinity(process));
    steps.add(limits.steps);
    steps.add(process::apparmor(process));
    steps.add(process::no_new_privileges(process));
    steps.add(process::scheduling(process));
    steps.add(process::personality(spec));
    steps.add(memory_policy::memory_policy(spec)?);
    steps.add(process::confine_and_drop(spec, process, container, process::bounding(process), None));
    // The parent writes the pid file and forwards signals from here on.
    steps.add([Action::AwaitCommit]);
    steps.add([process::execute(process, &[], 0, options.preserve_fds)]);

    Ok(ExecPlan {
        namespaces: namespaces.to_vec(),
        initial_cpu_affinity: affinity.and_then(|affinity| affinity.initial().clone()),
        privileged: limits.privileged,
        terminal: process.terminal().unwrap_or(false),
        steps: steps.0,
    })
}

/// What confines the container's own process confines this one, unless it says otherwise itself: a process file that
/// leaves something out does not open a door.
fn completed(process: &Process, container: Option<&Process>) -> Process {
    let mut process = process.clone();
    let Some(container) = container else { return process };
    let unset = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    if process.capabilities().is_none() {
        process.set_capabilities(container.capabilities().clone());
    }
    if process.no_new_privileges().is_none() {
        process.set_no_new_privileges(container.no_new_privileges());
    }
    if unset(process.apparmor_profile()) {
        process.set_apparmor_profile(container.apparmor_profile().clone());
    }
    if unset(process.selinux_label()) {
        process.set_selinux_label(container.selinux_label().clone());
    }
    if process.rlimits().as_ref().is_none_or(Vec::is_empty) {
        process.set_rlimits(container.rlimits().clone());
    }
    if process.oom_score_adj().is_none() {
        process.set_oom_score_adj(container.oom_score_adj());
    }
    if process.scheduler().is_none() {
        process.set_scheduler(container.scheduler().clone());
    }
    if process.io_priority().is_none() {
        process.set_io_priority(*container.io_priority());
    }
    if process.exec_cpu_affinity().is_none() {
        process.set_exec_cpu_affinity(container.exec_cpu_affinity().clone());
    }
    process
}

/// Without any affinity in the config, not even the caller's is kept.
fn final_cpu_affinity(process: &Process) -> Option<Action> {
    let Some(affinity) = process.exec_cpu_affinity() else {
        return Some(Action::SetCpuAffinity(String::new()));
    };
    affinity.cpu_affinity_final().clone().map(Action::SetCpuAffinity)
}
