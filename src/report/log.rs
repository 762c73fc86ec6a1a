//! Log lines in runc's two formats, text and JSON, to standard error or to a file.
//!
//! Callers read the file: containerd decodes a stream of objects and takes the last error, podman
//! decodes the whole file as one object. So a failing command writes exactly one error line, last,
//! with the cause in it, in one write.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{Context, Error, Result};

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Warning,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

struct Log {
    file: Option<File>,
    format: Format,
    debug: bool,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Opens the log for the life of the process. Without a `path` lines go to standard error.
///
/// # Errors
/// The file cannot be opened for appending.
pub fn open(path: Option<&Path>, format: Format, debug: bool) -> Result<()> {
    let file = match path {
        None => None,
        Some(path) => Some(
            OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o644)
                .custom_flags(nix::libc::O_SYNC)
                .open(path)
                .with_context(|| format!("open log file {path:?}"))?,
        ),
    };
    // A second call keeps the first log: there is one a process.
    let _ = LOG.set(Log { file, format, debug });
    Ok(())
}

/// True where debug lines are wanted, to save making them.
pub fn debugging() -> bool {
    LOG.get().is_some_and(|log| log.debug)
}

/// True where lines go to a file rather than to standard error.
pub fn to_file() -> bool {
    LOG.get().is_some_and(|log| log.file.is_some())
}

/// A line for who debugs a start.
pub fn debug(text: impl Display) {
    if debugging() {
        write(Level::Debug, &text.to_string(), None);
    }
}

/// A line that says what is odd though the command goes on.
pub fn warn(text: impl Display) {
    write(Level::Warning, &text.to_string(), None);
}

/// The one line that says why a command failed.
pub fn error(error: &Error) {
    write(Level::Error, &error.to_string(), Some(error));
}

/// A line on standard error alone. Nobody may be there to read it: a stream that is closed or full must not hide, by a
/// panic, what the line would have said.
pub fn tell(line: impl Display) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A log that cannot be written must not fail the command: the errors of these writes are dropped.
fn write(level: Level, text: &str, error: Option<&Error>) {
    let (file, format) = match LOG.get() {
        Some(log) => (log.file.as_ref(), log.format),
        None => (None, Format::Text),
    };
    let line = line(format, level, text, error, OffsetDateTime::now_utc());
    let _ = match file {
        Some(mut file) => file.write_all(line.as_bytes()),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
}

/// One line, newline included.
fn line(format: Format, level: Level, text: &str, error: Option<&Error>, now: OffsetDateTime) -> String {
    let time = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default();
    match format {
        Format::Text => format!("time={time:?} level={} msg={text:?}\n", level.name()),
        Format::Json => {
            let mut object = json!({"level": level.name(), "msg": text, "time": time});
            if let Some(error) = error {
                object["code"] = json!(error.kind());
                if let Some(pointer) = error.pointer() {
                    object["pointer"] = json!(pointer);
                }
                if let Some(errno) = error.errno() {
                    object["errno"] = json!(format!("{errno:?}"));
                }
            }
            format!("{object}\n")
        }
    }
}

/// The log file's descriptor, for a child that reports by itself.
pub fn descriptor() -> Option<std::os::fd::BorrowedFd<'static>> {
    LOG.get().and_then(|log| log.file.as_ref()).map(|file| file.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Code;

    #[test]
    fn a_json_line_is_one_object_with_level_msg_and_time() {
        let error = Error::new(Code::NotFound, "container does not exist");
        let now = OffsetDateTime::UNIX_EPOCH;
        let text = line(Format::Json, Level::Error, &error.to_string(), Some(&error), now);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["level"], "error");
        assert_eq!(value["msg"], "container does not exist");
        assert_eq!(value["time"], "1970-01-01T00:00:00Z");
        assert_eq!(value["code"], "not-found");
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn a_text_line_quotes_its_message() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let text = line(Format::Text, Level::Warning, "a \"b\"", None, now);
        assert_eq!(text, "time=\"1970-01-01T00:00:00Z\" level=warning msg=\"a \\\"b\\\"\"\n");
    }
}
