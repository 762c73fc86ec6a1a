//! `trug ps`.

use std::ffi::OsString;

use clap::Args;

use super::output;
use super::values::container_id;
use crate::container::{Globals, ps};
use crate::fail;
use crate::report::{Code, Result};

const AFTER: &str = "\
Arguments after the id are the host's ps's own (-ef where there are none). Its output must have a
column PID; process ids are the host's.

Examples:
   trug ps mine
   trug ps mine -o pid,rss,args -e
   trug ps --format json mine";

/// ps displays the processes running inside a container
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Ps {
    /// A table by the host's ps, or json: a list of process ids
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) format: String,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
    /// Arguments of the host's ps [default: -ef]
    #[arg(value_name = "ps options")]
    pub(super) arguments: Vec<String>,
}

impl Ps {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        let id = container_id(&self.id)?;
        let text = match self.format.as_str() {
            "table" => ps::table(globals, &id, &self.arguments)?,
            "json" => output::json_list(&ps::pids(globals, &id)?)?,
            _ => fail!(Code::Usage, "invalid format option"),
        };
        output::print(&text)?;
        Ok(0)
    }
}
