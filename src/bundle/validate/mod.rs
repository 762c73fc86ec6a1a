//! Everything in a config that the spec or this host forbids, all findings at once.
//!
//! Each check is a function from a part of the config to findings. It never changes anything, and it decides nothing
//! that a later step can decide better: what a path names is not looked at here, but for the few facts of the host
//! that a config's validity hangs on.

use oci_spec::runtime::{Process, Spec};

use crate::report::Result;
use findings::Findings;
use host::Host;

mod devices;
mod document;
mod findings;
mod hooks;
mod host;
mod intel_rdt;
mod mounts;
mod namespaces;
mod net_devices;
mod paths;
mod process;
mod resources;
mod scheduling;
mod seccomp;
mod sysctl;
mod user_namespace;

/// Facts of the call that validation needs besides the config.
#[derive(Debug, Clone, Copy, Default)]
pub struct Situation {
    /// The caller is not root, not even of a user namespace of its own.
    pub unprivileged: bool,
    pub systemd_cgroup: bool,
    pub no_pivot: bool,
}

/// Refuses with every finding named (`message [pointer]`), the first as the error's pointer.
pub fn spec(spec: &Spec, situation: Situation) -> Result<()> {
    spec_on(spec, situation, &Host::THIS).refuse()
}

/// The process part alone, for exec. `pointer`: where it is in config.json; empty for a file of its own.
pub fn process(process: &Process, pointer: &str) -> Result<()> {
    let mut findings = Findings::default();
    process::check(process, format_args!("{pointer}"), &Host::THIS, &mut findings);
    findings.refuse()
}

fn spec_on(spec: &Spec, situation: Situation, host: &Host) -> Findings {
    let mut findings = Findings::default();
    document::check(spec, &mut findings);
    match spec.process() {
        Some(process) => process::check(process, format_args!("/process"), host, &mut findings),
        None => findings.add("/process", "process property must not be empty"),
    }
    namespaces::check(spec, &mut findings);
    user_namespace::check(spec, situation, &mut findings);
    mounts::check(spec, situation, &mut findings);
    paths::check(spec, situation, &mut findings);
    hooks::check(spec, &mut findings);
    devices::check(spec, &mut findings);
    resources::check(spec, situation, host, &mut findings);
    sysctl::check(spec, &mut findings);
    seccomp::check(spec, &mut findings);
    process::check_mount_label(spec, host, &mut findings);
    scheduling::memory_policy(spec, &mut findings);
    net_devices::check(spec, situation, &mut findings);
    intel_rdt::check(spec, host, &mut findings);
    findings
}

#[cfg(test)]
mod tests;
