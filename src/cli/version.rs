//! Who we are: `--version` in runc's layout.

use std::path::Path;

use crate::bundle::features::OCI_VERSION_MAX;
use crate::plan::seccomp;

/// The commit this was built from, where the build says so (TRUG_COMMIT in its environment).
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

/// Always the same lines: callers count on the second being the commit.
fn lines(name: &str, commit: Option<&str>, libseccomp: Option<&str>) -> String {
    let known = |value: Option<&str>| value.unwrap_or("unknown").to_owned();
    let (commit, libseccomp) = (known(commit), known(libseccomp));
    format!("{name} version {VERSION}\ncommit: {commit}\nspec: {OCI_VERSION_MAX}\nlibseccomp: {libseccomp}\n")
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
        assert_eq!(lines("trug", None, None).lines().nth(1), Some("commit: unknown"));
    }
}
