//! Who we are: `--version` in runc's layout.

use std::path::Path;

use crate::bundle::features::OCI_VERSION_MAX;
use crate::plan::seccomp;

/// The commit this was built from, where the build says so.
pub const COMMIT: Option<&str> = option_env!("TRUG_COMMIT");
/// Our own.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
const NAME: &str = "trug";
/// Installed under this name, we stand in for it: callers look for it in messages and versions.
const STAND_IN: &str = "runc";

/// The name to use in messages.
pub fn program_name() -> &'static str {
    let called = std::env::args_os().next().unwrap_or_default();
    match Path::new(&called).file_name() {
        Some(name) if name == STAND_IN => STAND_IN,
        _ => NAME,
    }
}

/// Lines of `--version`.
pub fn text() -> String {
    let libseccomp = seccomp::library_version().ok();
    lines(program_name(), COMMIT, libseccomp.as_deref())
}

/// What is not known has no line.
fn lines(name: &str, commit: Option<&str>, libseccomp: Option<&str>) -> String {
    let line = |key, value: Option<&str>| value.map(|value| format!("{key}: {value}\n")).unwrap_or_default();
    let (commit, spec) = (line("commit", commit), line("spec", Some(OCI_VERSION_MAX)));
    format!("{name} version {VERSION}\n{commit}{spec}{}", line("libseccomp", libseccomp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_the_lines_that_callers_read() {
        let text = lines("runc", Some("abc"), Some("2.5.4"));
        let expected = concat!(
            "runc version ",
            env!("CARGO_PKG_VERSION"),
            "\ncommit: abc\nspec: 1.3.0\nlibseccomp: 2.5.4\n"
        );
        assert_eq!(text, expected);
        assert!(!lines("trug", None, Some("2.5.4")).contains("commit"));
    }
}
