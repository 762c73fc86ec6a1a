//! What the process itself becomes: limits, labels, user, capabilities, cwd, program.

mod attributes;
mod executable;
mod identity;
mod run;

pub use attributes::{
    join_session_keyring, set_apparmor_profile, set_cpu_affinity, set_io_priority, set_memory_policy,
    set_oom_score_adj, set_rlimit, set_scheduler, set_selinux_label, write_sysctl,
};
pub use executable::resolve_executable;
pub use identity::{change_directory, enter_cwd_early, set_capabilities, set_credentials};
pub use run::{close_rest, environment, execute, first_private_fd, let_user_in, load_seccomp};

use crate::plan::{Action, Command, Step};

/// The program that the plan ends in.
fn command(steps: &[Step]) -> Option<&Command> {
    steps.iter().rev().find_map(|step| match &step.action {
        Action::Execute(command) => Some(command),
        _ => None,
    })
}
