//! What is wrong, and where.

use std::fmt::Display;

use crate::report::{Code, Error, Result};

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    pointer: String,
    message: String,
}

impl Findings {
    /// Something at this JSON pointer is wrong.
    pub fn add(&mut self, pointer: impl Into<String>, message: impl Display) {
        self.0.push(Finding { pointer: pointer.into(), message: message.to_string() });
    }

    /// One error for all of them; the first gives the pointer.
    pub fn refuse(self) -> Result<()> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let text = match self.0.as_slice() {
            [only] => only.message.clone(),
            several => several.iter().map(Finding::text).collect::<Vec<_>>().join("; "),
        };
        Err(Error::new(Code::InvalidConfig, text).at(&first.pointer))
    }

    /// `message [pointer]` of each, for tests.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(Finding::text).collect()
    }
}

impl Finding {
    fn text(&self) -> String {
        format!("{} [{}]", self.message, self.pointer)
    }
}

/// C strings end at the first zero byte: what follows it would be lost silently.
pub fn check_text(text: &str, pointer: impl Into<String>, findings: &mut Findings) {
    if text.contains('\0') {
        findings.add(pointer, "contains a zero byte");
    }
}
