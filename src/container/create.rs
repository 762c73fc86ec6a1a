//! `create`: replaced by the real one when branches meet.

use std::path::PathBuf;

use super::Globals;
use super::store::ContainerId;
use crate::report::Result;

pub struct CreateOptions {
    pub bundle: PathBuf,
    pub console_socket: Option<PathBuf>,
    pub pidfd_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    pub preserve_fds: u32,
}

pub fn create(_globals: &Globals, _id: &ContainerId, _options: &CreateOptions) -> Result<()> {
    todo!()
}
