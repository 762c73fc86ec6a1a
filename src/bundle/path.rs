//! Paths as text. Nothing here looks at a filesystem: what a path names is found out by the step that
//! uses it, inside the root, when it runs.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Absolute and without `.`, `..` and doubled slashes. A relative path counts from `/` (config.md#mounts),
/// and `..` cannot rise above it.
pub fn clean(path: &Path) -> PathBuf {
    cleaned(path).into_owned()
}

fn cleaned(path: &Path) -> Cow<'_, Path> {
    if is_clean(path) {
        return Cow::Borrowed(path);
    }
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Cow::Owned(clean)
}

/// Most paths are as they should be. (Says no of a name that begins with a dot, too.)
fn is_clean(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let ends_well = bytes.len() == 1 || bytes.last() != Some(&b'/');
    bytes.first() == Some(&b'/') && ends_well && !bytes.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// `path` as a container sees it, if it lies in the host directory `root` (or is it); both are cleaned.
pub fn inside(path: &Path, root: &Path) -> Option<PathBuf> {
    let (path, root) = (cleaned(path), cleaned(root));
    if !is_within(&path, &root) {
        return None;
    }
    let rest = path.strip_prefix(&root).ok()?;
    Some(Path::new("/").join(rest))
}

/// Whether `path` lies in `directory` or is it. Both are clean: then it is their text that tells.
pub fn is_within(path: &Path, directory: &Path) -> bool {
    let (path, directory) = (path.as_os_str().as_bytes(), directory.as_os_str().as_bytes());
    match path.strip_prefix(directory) {
        Some(rest) => rest.is_empty() || rest[0] == b'/' || directory == b"/",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_path_is_absolute_and_never_rises_above_the_root() {
        let cases = [
            ("/a//b/./c/", "/a/b/c"),
            ("a/b", "/a/b"),
            ("../../etc", "/etc"),
            ("/a/../../b", "/b"),
            ("/proc/../proc/self", "/proc/self"),
            ("", "/"),
            (".", "/"),
            ("/", "/"),
            ("/a/.b/..c/d.", "/a/.b/..c/d."),
            ("/a/b/", "/a/b"),
            ("/a/b/.", "/a/b"),
            ("/a/b/..", "/a"),
        ];
        for (path, expected) in cases {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn clean_paths_are_within_others_as_their_components_say() {
        let paths = ["/", "/a", "/ab", "/a/b", "/a/bc", "/a/b/c", "/b", "/.a", "/a/.b"].map(Path::new);
        for path in paths {
            for directory in paths {
                assert_eq!(is_within(path, directory), path.starts_with(directory), "{path:?} {directory:?}");
            }
        }
    }

    #[test]
    fn a_path_is_inside_a_directory_by_whole_components() {
        let cases = [
            ("/b/rootfs/mnt", Some("/mnt")),
            ("/b/rootfs", Some("/")),
            ("/b/rootfs2/mnt", None),
            ("/b/rootfs/../x", None),
            ("/mnt", None),
        ];
        for (path, expected) in cases {
            assert_eq!(
                inside(Path::new(path), Path::new("/b/rootfs/")).as_deref(),
                expected.map(Path::new),
                "{path}"
            );
        }
    }
}
