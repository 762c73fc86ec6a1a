//! One error type for the whole program: a chain of causes that ends in what the kernel answered,
//! plus what a program or a tired person needs beside it: a stable code, the JSON pointer of the
//! config it comes from, and a hint.

use std::fmt;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// `Result` with trug's own error.
pub type Result<T> = std::result::Result<T, Error>;

/// The stable, machine-readable kind of an error; printed as the `code` key of a JSON log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A command line that cannot be carried out as it is written.
    Usage,
    /// A config.json, process file or state that says something it must not.
    InvalidConfig,
    /// A file that should be there is not, or cannot be read.
    Bundle,
    /// The container does not exist.
    NotFound,
    /// The container exists already.
    Exists,
    /// The container is in a state in which the command makes no sense.
    WrongState,
    /// This kernel, or a filter around us, lacks something that is needed.
    Unsupported,
    /// The program to run is missing or not executable.
    Executable,
    /// The program is there, and the kernel would not execute it.
    Exec,
    /// A hook failed or ran past its time.
    Hook,
    /// A cgroup could not be made, set, frozen or removed.
    Cgroup,
    /// Anything else the kernel refused.
    System,
    /// A bug of ours.
    Internal,
}

/// An error: causes from the outside in, and what goes with them.
pub struct Error {
    code: Code,
    pointer: Option<String>,
    hint: Option<String>,
    errno: Option<Errno>,
    cause: anyhow::Error,
}

/// The same as plain data, to cross from one process to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub code: Code,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

impl Error {
    /// A new error that says `text`.
    pub fn new(code: Code, text: impl fmt::Display) -> Self {
        let cause = anyhow::Error::msg(text.to_string());
        Self { code, pointer: None, hint: None, errno: None, cause }
    }

    /// Says what was being done when this happened; becomes the text's beginning.
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.cause = self.cause.context(doing.to_string());
        self
    }

    /// Names the place in config.json (a JSON pointer, `/mounts/3`). The first one given stays.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer.get_or_insert_with(|| pointer.into());
        self
    }

    /// Says what to do about it. The first one given stays.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Gives it a code.
    pub fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Tells of a second failure too, if one was met while cleaning up after this one: there is one error line.
    pub fn and(mut self, cleaned: Result<()>) -> Self {
        let Err(second) = cleaned else { return self };
        self.errno = self.errno();
        self.cause = anyhow::Error::msg(format!("{} (and then: {})", self.text(), second.text()));
        self
    }

    /// For what is in another file than config.json: the place becomes part of the text.
    pub fn with_place_in_text(mut self) -> Self {
        let Some(place) = self.pointer.take() else { return self };
        self.errno = self.errno();
        self.cause = anyhow::Error::msg(format!("{} [{place}]", self.text()));
        self
    }

    /// The chain alone, without the errno's name at its end: as programs print errors.
    pub fn plain(&self) -> String {
        let text = self.text();
        let name = self.errno().map(|errno| format!(" ({errno:?})"));
        match name.and_then(|name| text.strip_suffix(&name).map(str::to_string)) {
            Some(plain) => plain,
            None => text,
        }
    }

    /// The hint, if there is one.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Its code.
    pub fn kind(&self) -> Code {
        self.code
    }

    /// The JSON pointer, if known.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// What the kernel answered at the bottom of the chain, if it was the kernel.
    pub fn errno(&self) -> Option<Errno> {
        self.errno.or_else(|| self.cause.chain().find_map(errno_of))
    }

    /// As data for another process.
    pub fn to_message(&self) -> Message {
        Message {
            code: self.code,
            text: self.text(),
            pointer: self.pointer.clone(),
            hint: self.hint.clone(),
            errno: self.errno().map(|errno| errno as i32),
        }
    }

    /// From what another process sent.
    pub fn from_message(message: Message) -> Self {
        Self {
            code: message.code,
            pointer: message.pointer,
            hint: message.hint,
            errno: message.errno.map(Errno::from_raw),
            cause: anyhow::Error::msg(message.text),
        }
    }

    /// The chain alone, `outer: inner: no such file or directory (ENOENT)`.
    pub fn text(&self) -> String {
        let links: Vec<String> = self.cause.chain().map(link_text).collect();
        printable(&links.join(": "))
    }
}

/// One link of a chain, kernel answers in our own words.
fn link_text(link: &(dyn std::error::Error + 'static)) -> String {
    match errno_of(link) {
        Some(errno) => errno_text(errno),
        None => link.to_string(),
    }
}

fn errno_of(link: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    if let Some(errno) = link.downcast_ref::<Errno>() {
        return Some(*errno);
    }
    let raw = link.downcast_ref::<std::io::Error>()?.raw_os_error()?;
    Some(Errno::from_raw(raw))
}

/// `no such file or directory (ENOENT)`: the words that callers of runtimes match on, and the name.
pub fn errno_text(errno: Errno) -> String {
    let mut letters = errno.desc().chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let words: String = first.into_iter().chain(letters).collect();
    format!("{words} ({errno:?})")
}

/// An image can put anything in a file name; a terminal must not act on it, nor show it in another order than it has.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match (c.is_control() && c != '\n' && c != '\t') || reorders(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// Unicode's controls of direction (UAX #9).
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The whole in one line, as people see it and callers match it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())?;
        if let Some(pointer) = &self.pointer {
            write!(f, " [config.json {}]", printable(pointer))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; hint: {}", printable(hint))?;
        }
        Ok(())
    }
}

/// The same line: no debug dump of an error ever reaches a user.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        Self { code: Code::System, pointer: None, hint: None, errno: None, cause: anyhow::Error::new(source) }
    }
}

/// Adds what is known to a failing result, in the order in which one would say it.
pub trait Context<T> {
    /// Says what was being done.
    fn context(self, doing: impl fmt::Display) -> Result<T>;
    /// The same, made only on failure.
    fn with_context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T>;
    /// Names the place in config.json.
    fn at(self, pointer: impl Into<String>) -> Result<T>;
    /// Says what to do about it.
    fn hint(self, hint: impl Into<String>) -> Result<T>;
    /// Gives it a code.
    fn code(self, code: Code) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|e| e.into().context(doing))
    }
    fn with_context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| e.into().context(doing()))
    }
    fn at(self, pointer: impl Into<String>) -> Result<T> {
        self.map_err(|e| e.into().at(pointer))
    }
    fn hint(self, hint: impl Into<String>) -> Result<T> {
        self.map_err(|e| e.into().hint(hint))
    }
    fn code(self, code: Code) -> Result<T> {
        self.map_err(|e| e.into().code(code))
    }
}

/// `return Err(Error::new(code, format!(…)))`.
#[macro_export]
macro_rules! fail {
    ($code:expr, $($text:tt)*) => {
        return Err($crate::report::Error::new($code, format!($($text)*)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_from_the_deed_to_the_kernels_answer() {
        let error = Err::<(), _>(Errno::EPERM)
            .context("mount \"proc\" at \"/proc\"")
            .at("/mounts/0")
            .hint("make a new pid namespace")
            .unwrap_err();
        let expected = "mount \"proc\" at \"/proc\": operation not permitted (EPERM) \
                        [config.json /mounts/0]; hint: make a new pid namespace";
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.errno(), Some(Errno::EPERM));
    }

    #[test]
    fn an_error_survives_the_way_to_another_process() {
        let error = Error::from(Errno::ENOENT).context("open \"x\"").at("/root").code(Code::Bundle);
        let copy = Error::from_message(error.to_message());
        assert_eq!(copy.to_string(), error.to_string());
        assert_eq!(copy.errno(), Some(Errno::ENOENT));
        assert_eq!(copy.kind(), Code::Bundle);
    }

    #[test]
    fn control_characters_in_names_are_escaped() {
        let error = Error::new(Code::System, "open \"\x1b[2J\"");
        assert_eq!(error.to_string(), "open \"\\u{1b}[2J\"");
        let error = Error::new(Code::System, "x").at("/linux/sysctl/\x1bc").hint("\x7f");
        assert_eq!(error.to_string(), "x [config.json /linux/sysctl/\\u{1b}c]; hint: \\u{7f}");
        let error = Error::new(Code::System, "open \"\u{202e}gnp.sh\": \u{e9}\u{2066}");
        assert_eq!(error.to_string(), "open \"\\u{202e}gnp.sh\": \u{e9}\\u{2066}");
    }
}
