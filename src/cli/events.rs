//! `trug events`: flags only, so far.

use std::ffi::OsString;

use clap::Args;

use crate::fail;
use crate::report::{Code, Result};

/// display container events such as OOM notifications, cpu, memory, and IO usage statistics
#[derive(Debug, Args)]
#[allow(dead_code, reason = "read from the command line, and refused until there are events")]
pub struct Events {
    /// Time between two of them
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(super) interval: String,
    /// Print the statistics of this moment and exit
    #[arg(long)]
    pub(super) stats: bool,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Events {
    pub fn carry_out(self) -> Result<u8> {
        fail!(Code::Unsupported, "events is not supported yet")
    }
}
