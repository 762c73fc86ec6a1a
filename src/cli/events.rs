//! `trug events`.

use std::ffi::OsString;

use clap::Args;

use super::duration;
use super::values::container_id;
use crate::container::events::{self, Event};
use crate::container::{Globals, find};
use crate::report::{Context, Result};

const AFTER: &str = "\
Each line is one JSON object: the statistics, once every interval, and {\"type\":\"oom\"} where memory has
run out. It ends with the container.

Examples:
   trug events --stats mine
   trug events --interval 1m30s mine";

/// display container events such as OOM notifications, cpu, memory, and IO usage statistics
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
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
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        let id = container_id(&self.id)?;
        // What is not there is not there for any interval.
        find(globals, &id)?;
        let interval = duration::interval(&self.interval)?;
        match self.stats {
            true => events::stats(globals, &id, print)?,
            false => events::watch(globals, &id, interval, print)?,
        }
        Ok(0)
    }
}

fn print(event: &Event) -> Result<()> {
    super::output::print(&(serde_json::to_string(event).context("encode an event")? + "\n"))
}
