//! `trug start`.

use std::ffi::OsString;

use clap::Args;

use super::trace::Trace;
use super::values::container_id;
use crate::container::{Globals, start};
use crate::report::Result;

/// executes the user defined process in a created container
#[derive(Debug, Args)]
#[command(after_help = "Example:\n   trug create mine; trug start mine")]
pub struct Start {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
    #[command(flatten)]
    trace: Trace,
}

impl Start {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        self.trace.begin()?;
        start::start(globals, &container_id(&self.id)?)?;
        Ok(0)
    }
}
