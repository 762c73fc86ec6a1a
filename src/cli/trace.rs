//! `--trace`, of the commands that make processes.

use std::path::PathBuf;

use clap::Args;

use super::values::{given, path};
use crate::report::{Result, trace};

#[derive(Debug, Args)]
pub struct Trace {
    /// Write what each step took to this file, as a Chrome trace; `-`: as a table on standard error
    #[arg(long = "trace", value_name = "FILE", value_parser = path())]
    file: Option<PathBuf>,
}

impl Trace {
    pub fn begin(&self) -> Result<()> {
        match given(self.file.clone()) {
            Some(file) => trace::begin(&file),
            None => Ok(()),
        }
    }
}
