//! `trug resume`.

use std::ffi::OsString;

use clap::Args;

use super::values::container_id;
use crate::container::{Globals, pause};
use crate::report::Result;

/// resumes all processes that have been previously paused
#[derive(Debug, Args)]
#[command(after_help = "Example:\n   trug pause mine; trug resume mine")]
pub struct Resume {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Resume {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        pause::resume(globals, &container_id(&self.id)?)?;
        Ok(0)
    }
}
