//! Everything in a config that the spec or this host forbids, all findings at once.

use oci_spec::runtime::{Process, Spec};

use crate::report::Result;

/// Facts of the call that validation needs besides the config.
#[derive(Debug, Clone, Copy, Default)]
pub struct Situation {
    pub rootless: bool,
    pub systemd_cgroup: bool,
    pub no_pivot: bool,
}

/// Refuses with every finding named (`message [pointer]`), the first as the error's pointer.
pub fn spec(spec: &Spec, situation: Situation) -> Result<()> {
    todo!()
}
/// The process part alone, for exec.
pub fn process(process: &Process, pointer: &str) -> Result<()> {
    todo!()
}
