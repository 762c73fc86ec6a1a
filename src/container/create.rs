//! `create`: a container made and waiting for its start.

use super::Globals;
use super::blueprint::Order;
use super::making;
use super::options::CreateOptions;
use super::store::ContainerId;
use crate::report::Result;

/// Makes the container; on return it is `created`, or nothing of it is left.
pub fn create(globals: &Globals, id: &ContainerId, options: &CreateOptions) -> Result<()> {
    making::make(&Order { globals, id, options, start_at_once: false, detach: true })?;
    Ok(())
}
