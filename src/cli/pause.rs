//! `trug pause`.

use std::ffi::OsString;

use clap::Args;

use super::values::container_id;
use crate::container::{Globals, pause};
use crate::report::Result;

/// pause suspends all processes inside the container
#[derive(Debug, Args)]
#[command(after_help = "Example:\n   trug pause mine; trug resume mine")]
pub struct Pause {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Pause {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        pause::pause(globals, &container_id(&self.id)?)?;
        Ok(0)
    }
}
