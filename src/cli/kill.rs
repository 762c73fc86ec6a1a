//! `trug kill`.

use std::ffi::OsString;

use clap::Args;

use super::values::container_id;
use crate::container::{Globals, kill};
use crate::report::Result;

const AFTER: &str = "\
A signal is a name with or without SIG, or a number. Init may ignore any but KILL and STOP.

Examples:
   trug kill mine              ask it to end (TERM)
   trug kill mine KILL         end it
   trug kill mine SIGRTMIN+3";

/// kill sends the specified signal (default: SIGTERM) to the container's init process
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Kill {
    /// Bear a container that does not run; nothing else any more
    #[arg(short, long, hide = true)]
    pub(super) all: bool,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
    /// Name or number of the signal [default: TERM]
    #[arg(value_name = "signal")]
    pub(super) signal: Option<String>,
}

impl Kill {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        kill::kill(globals, &container_id(&self.id)?, self.signal.as_deref(), self.all)?;
        Ok(0)
    }
}
