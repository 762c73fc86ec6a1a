//! Where criu is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::linux::process;

/// Looked in after $PATH, which daemons often have without the system's own programs.
const SYSTEM: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// The absolute path of the program, by $PATH; None where it is not installed.
pub fn find() -> Option<PathBuf> {
    find_in(&std::env::var_os("PATH").unwrap_or_default())
}

fn find_in(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .chain(std::env::split_paths(SYSTEM))
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("criu"))
        .find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && process::is_executable(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::linux::testing::Scratch;

    #[test]
    fn the_first_executable_file_on_the_path_is_taken() {
        let (one, two) = (Scratch::new(), Scratch::new());
        for (place, mode) in [(&one, 0o644), (&two, 0o755)] {
            write(place.join("criu"), "").unwrap();
            set_permissions(place.join("criu"), Permissions::from_mode(mode)).unwrap();
        }
        let path = format!("relative:{}:{}", one.path().display(), two.path().display());
        assert_eq!(find_in(OsStr::new(&path)), Some(two.join("criu")));
    }
}
