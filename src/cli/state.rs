//! `trug state`.

use std::ffi::OsString;

use clap::Args;

use super::values::container_id;
use crate::container::{Globals, view};
use crate::report::{Context, Result};

const AFTER: &str = "\
The status is creating, created, running, paused or stopped, as the kernel says at this moment.

Example:
   trug state mine | jq -r .status";

/// output the state of a container
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct State {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl State {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        let view = view::view(globals, &container_id(&self.id)?)?;
        super::output::print(&serde_json::to_string_pretty(&view).context("encode the state")?)?;
        Ok(0)
    }
}
