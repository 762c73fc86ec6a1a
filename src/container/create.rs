//! `create`: a container made and waiting for its start.

use std::path::PathBuf;

use super::Globals;
use super::making::{self, Order};
use super::store::ContainerId;
use crate::report::Result;

/// What the command line says, paths absolute or as given.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    pub bundle: PathBuf,
    pub console_socket: Option<PathBuf>,
    pub pidfd_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    /// Descriptors above stdio (and above LISTEN_FDS) to pass on.
    pub preserve_fds: u32,
}

/// Makes the container; on return it is `created`, or nothing of it is left.
pub fn create(globals: &Globals, id: &ContainerId, options: &CreateOptions) -> Result<()> {
    making::make(&Order { globals, id, options, start_at_once: false, detach: true })?;
    Ok(())
}
