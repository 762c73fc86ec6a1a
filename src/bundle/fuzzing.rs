//! Doors for the fuzz targets.

use super::mount_options::parse;

/// The options of one mount, a line each.
pub fn mount_options(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.lines().collect();
    let mut options = parse(&words);
    // Of opposites one stands: the kernel refuses both, and no reader could tell which is meant.
    assert!(!options.set.intersects(options.clear), "{words:?}: {options:?}");
    let recursive = options.recursive;
    assert!(!recursive.set.intersects(recursive.clear), "{words:?}: {options:?}");
    options.flatten();
    assert!(!options.set.intersects(options.clear), "{words:?}: {options:?}");
}
