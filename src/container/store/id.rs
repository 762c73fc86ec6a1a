//! The name of a container: one plain path component, by construction.

use std::fmt;

use crate::fail;
use crate::report::{Code, Result};

/// NAME_MAX of every file system of Linux.
const LONGEST: usize = 255;

/// `[A-Za-z0-9_+.-]+`, not `.` or `..`, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerId(String);

impl ContainerId {
    /// # Errors
    /// `Code::Usage` with runc's words.
    pub fn new(text: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+.-".contains(&byte);
        let fits = (1..=LONGEST).contains(&text.len());
        if !fits || text == "." || text == ".." || !text.bytes().all(allowed) {
            fail!(Code::Usage, "invalid container ID format");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_plain_path_component_of_few_characters() {
        let longest = "a".repeat(255);
        for good in ["a", "x+y_z.-1", ".hidden", "...", "-x", "--", "0", longest.as_str()] {
            assert!(ContainerId::new(good).is_ok(), "{good:?} was refused");
        }
        let too_long = "a".repeat(256);
        let bad =
            ["", ".", "..", "../x", "a/b", "/", "a b", "a\n", "a\0", "é", "%n", "a:b", "a@b", &too_long];
        for bad in bad {
            let error = ContainerId::new(bad).expect_err(bad);
            assert_eq!(error.to_string(), "invalid container ID format");
        }
    }
}
