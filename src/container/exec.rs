//! `exec`: replaced by the real one when branches meet.

use std::path::PathBuf;

use super::Globals;
use super::store::ContainerId;
use crate::report::Result;

pub struct ExecOptions {
    pub console_socket: Option<PathBuf>,
    pub cwd: Option<PathBuf>,
    pub env: Vec<String>,
    pub tty: bool,
    pub user: Option<String>,
    pub additional_gids: Vec<u32>,
    pub process: Option<PathBuf>,
    pub detach: bool,
    pub pid_file: Option<PathBuf>,
    pub process_label: Option<String>,
    pub apparmor: Option<String>,
    pub no_new_privs: bool,
    pub caps: Vec<String>,
    pub preserve_fds: u32,
    pub cgroup: Vec<String>,
    pub ignore_paused: bool,
    pub pidfd_socket: Option<PathBuf>,
    pub args: Vec<String>,
}

/// The exit status.
pub fn exec(_globals: &Globals, _id: &ContainerId, _options: &ExecOptions) -> Result<u8> {
    todo!()
}
