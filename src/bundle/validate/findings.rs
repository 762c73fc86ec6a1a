//! What is wrong, and where.

use std::fmt::Display;

use crate::report::{Code, Error, Result};

/// No person reads more of them, and a hostile config could have millions.
const KEPT: usize = 100;

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    /// How many there are besides.
    more: usize,
}

#[derive(Debug)]
struct Finding {
    pointer: String,
    message: String,
}

impl Findings {
    /// Something at this JSON pointer is wrong.
    pub fn add(&mut self, pointer: impl Display, message: impl Display) {
        match self.kept.len() < KEPT {
            true => self.kept.push(Finding { pointer: pointer.to_string(), message: message.to_string() }),
            false => self.more += 1,
        }
    }

    /// One error for all of them; the first gives the pointer.
    pub fn refuse(self) -> Result<()> {
        let Some(first) = self.kept.first() else { return Ok(()) };
        let mut text = match self.kept.as_slice() {
            [only] => only.message.clone(),
            several => several.iter().map(Finding::text).collect::<Vec<_>>().join("; "),
        };
        if self.more > 0 {
            text.push_str(&format!("; and {} more", self.more));
        }
        Err(Error::new(Code::InvalidConfig, text).at(&first.pointer))
    }

    /// `message [pointer]` of each, for tests.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<String> {
        self.kept.iter().map(Finding::text).collect()
    }
}

impl Finding {
    fn text(&self) -> String {
        format!("{} [{}]", self.message, self.pointer)
    }
}

/// C strings end at the first zero byte: what follows it would be lost silently.
pub fn check_text(text: &str, pointer: impl Display, findings: &mut Findings) {
    if text.contains('\0') {
        findings.add(pointer, "contains a zero byte");
    }
}
