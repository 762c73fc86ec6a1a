//! A failure in one sentence: CRIU's own cause, out of its log.

use super::directories::Directories;
use crate::criu::{self, Failure};
use crate::report::{Code, Error};

/// `doing`: `dump`, `restore`.
pub fn explain(doing: &str, failure: Failure, directories: &Directories) -> Error {
    let answer = match failure {
        Failure::Refused(error) => return error,
        Failure::Criu(error) => error,
    };
    let path = directories.log_path();
    let log = directories.log();
    if log.is_empty() {
        let text = format!("criu failed to {doing}: {} (no log at {})", answer.text(), path.display());
        return Error::new(Code::System, text);
    }
    let Some((cause, hint)) = criu::cause(&log) else {
        let text = format!("criu failed to {doing}: {}, see {}", answer.text(), path.display());
        return Error::new(Code::System, text);
    };
    let error = Error::new(Code::System, format!("criu failed to {doing}: {cause}, see {}", path.display()));
    hint.into_iter().fold(error, Error::hint)
}

/// Where it is not installed.
pub fn not_installed() -> Error {
    Error::new(Code::Unsupported, "criu is not installed: there is no such program in $PATH")
        .hint("apt-get install criu (Debian, Ubuntu), dnf install criu (Fedora), zypper install criu (SUSE)")
}
