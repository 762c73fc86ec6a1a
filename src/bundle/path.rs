//! Paths as text. Nothing here looks at a filesystem: what a path names is found out by the step that
//! uses it, inside the root, when it runs.

use std::path::{Component, Path, PathBuf};

/// Absolute and without `.`, `..` and doubled slashes. A relative path counts from `/` (config.md#mounts),
/// and `..` cannot rise above it.
pub fn clean(path: &Path) -> PathBuf {
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
    clean
}

/// `path` as a container sees it, if it lies in the host directory `root` (or is it); both are cleaned.
pub fn inside(path: &Path, root: &Path) -> Option<PathBuf> {
    let (path, root) = (clean(path), clean(root));
    let rest = path.strip_prefix(&root).ok()?;
    Some(Path::new("/").join(rest))
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
        ];
        for (path, expected) in cases {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
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
