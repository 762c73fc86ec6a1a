//! `trug features`.

use clap::Args;

use crate::report::Result;

/// show the enabled features
#[derive(Debug, Args)]
pub struct Features {}

impl Features {
    pub fn carry_out(self) -> Result<u8> {
        todo!()
    }
}
