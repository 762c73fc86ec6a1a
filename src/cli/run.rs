//! `trug run`.

use std::ffi::OsString;

use clap::Args;

use super::create::CreateFlags;
use super::values::container_id;
use crate::container::Globals;
use crate::container::run::{self, RunOptions};
use crate::report::Result;

const AFTER: &str = "\
In the foreground, signals go to the container, the terminal is handed over, and the exit status is
the container's (128+n for signal n); the container is deleted at its end.

Examples:
   trug run mine
   trug run -d --bundle /bundles/web --pid-file web.pid web";

/// create and run a container
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Run {
    #[command(flatten)]
    pub(super) flags: CreateFlags,
    /// Leave the container running in the background
    #[arg(short, long)]
    pub(super) detach: bool,
    /// Do not delete the container when it has ended
    #[arg(long)]
    pub(super) keep: bool,
    /// Do not adopt the container's orphans
    #[arg(long)]
    pub(super) no_subreaper: bool,
    /// Name for the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Run {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        self.flags.trace.begin()?;
        let options = RunOptions {
            create: self.flags.options(),
            detach: self.detach,
            keep: self.keep,
            no_subreaper: self.no_subreaper,
        };
        run::run(globals, &container_id(&self.id)?, &options)
    }
}
