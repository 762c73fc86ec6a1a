//! Standard output: what a command was asked for. An output that cannot be written is an error.

use std::io::Write;

use serde::Serialize;

use crate::report::{Context, Result};

pub fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("write to standard output")
}

/// A list as one line of JSON. Callers written in Go print an empty one as `null`, and so read it.
pub fn json_list<Item: Serialize>(items: &[Item]) -> Result<String> {
    if items.is_empty() {
        return Ok("null\n".to_owned());
    }
    Ok(serde_json::to_string(items).context("encode the list")? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_line_of_json() {
        assert_eq!(json_list(&[1, 20]).unwrap(), "[1,20]\n");
        assert_eq!(json_list::<i32>(&[]).unwrap(), "null\n");
    }
}
