//! `run`: replaced by the real one when branches meet.

use super::Globals;
use super::create::CreateOptions;
use super::store::ContainerId;
use crate::report::Result;

pub struct RunOptions {
    pub create: CreateOptions,
    pub detach: bool,
    pub keep: bool,
    pub no_subreaper: bool,
}

/// The exit status.
pub fn run(_globals: &Globals, _id: &ContainerId, _options: &RunOptions) -> Result<u8> {
    todo!()
}
