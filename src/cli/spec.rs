//! `trug spec`.

use std::path::PathBuf;

use clap::Args;

use super::values::{given, path};
use crate::container::spec;
use crate::report::Result;

const AFTER: &str = "\
Writes a config.json that runs sh on a terminal, with the root filesystem in the directory rootfs
beside it. One that is there already is left alone.

Example:
   mkdir -p hello/rootfs; trug spec --bundle hello";

/// create a new specification file
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Spec {
    /// Directory to write it to [default: the current directory]
    #[arg(short, long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) bundle: Option<PathBuf>,
    /// Write one that the calling user can run, root or not
    #[arg(long)]
    pub(super) rootless: bool,
}

impl Spec {
    pub fn carry_out(self) -> Result<u8> {
        let bundle = given(self.bundle).unwrap_or_else(|| PathBuf::from("."));
        spec::write(&bundle, self.rootless)?;
        Ok(0)
    }
}
