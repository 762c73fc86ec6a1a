//! `trug spec`.

use std::path::PathBuf;

use clap::Args;

use super::values::{given, path};
use crate::report::Result;

/// create a new specification file
#[derive(Debug, Args)]
pub struct Spec {
    /// Directory to write it to [default: the current directory]
    #[arg(short, long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) bundle: Option<PathBuf>,
    /// Make it one that needs no root
    #[arg(long)]
    pub(super) rootless: bool,
}

impl Spec {
    pub fn carry_out(self) -> Result<u8> {
        let _ = given(self.bundle);
        todo!()
    }
}
