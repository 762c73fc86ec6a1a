//! Who we are: `--version` in runc's layout.

use std::path::Path;

use libseccomp::ScmpVersion;

/// The specification whose configs we read and whose state we write.
pub const SPEC: &str = "1.3.0";
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
    lines(program_name(), COMMIT, libseccomp_version().as_deref())
}

/// Of the library that is linked in.
pub fn libseccomp_version() -> Option<String> {
    ScmpVersion::current().ok().map(|version| version.to_string())
}

fn lines(name: &str, commit: Option<&str>, libseccomp: Option<&str>) -> String {
    let line = |key: &str, value: Option<&str>| value.map(|value| format!("{key}: {value}\n"));
    [
        Some(format!("{name} version {VERSION}\n")),
        line("commit", commit),
        line("spec", Some(SPEC)),
        line("libseccomp", libseccomp),
    ]
    .into_iter()
    .flatten()
    .collect()
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
