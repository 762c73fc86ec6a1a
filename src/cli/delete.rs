//! `trug delete`.

use std::ffi::OsString;

use clap::Args;

use super::values::container_id;
use crate::container::{Globals, delete};
use crate::report::Result;

const AFTER: &str = "\
A stopped container, or one that was created and never started, is deleted as it is; a running one
with --force only, and by that also what a crash left of one.

Examples:
   trug kill mine KILL; trug delete mine
   trug delete --force mine";

/// delete any resources held by the container often used with detached container
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Delete {
    /// End what still runs (SIGKILL), and take it as done if there is nothing
    #[arg(short, long)]
    pub(super) force: bool,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Delete {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        delete::delete(globals, &container_id(&self.id)?, self.force)?;
        Ok(0)
    }
}
