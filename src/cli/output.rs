//! Standard output: what a command was asked for. An output that cannot be written is an error.

use std::io::Write;

use crate::report::{Context, Result};

pub fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("write to standard output")
}
