//! `trug features`.

use clap::Args;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::version::{COMMIT, VERSION};
use crate::container::features;
use crate::report::{Context, Result};

const AFTER: &str = "\
Prints JSON, as runtime-spec's features.md defines it.

Example:
   trug features | jq .linux.namespaces";

/// show the enabled features
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Features {}

impl Features {
    pub fn carry_out(self) -> Result<u8> {
        let mut json = Vec::new();
        let layout = PrettyFormatter::with_indent(b"    ");
        features::features(VERSION, COMMIT)?
            .serialize(&mut Serializer::with_formatter(&mut json, layout))
            .context("encode the features")?;
        json.push(b'\n');
        super::output::print(&String::from_utf8_lossy(&json))?;
        Ok(0)
    }
}
