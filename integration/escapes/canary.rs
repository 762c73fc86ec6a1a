//! What is outside of the container, and must be as it was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::support::Container;

/// A directory of the test's, outside the root filesystem: `secret` and `empty/`.
pub struct Canary {
    pub path: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Canary {
    pub fn new(container: &Container) -> Result<Self> {
        let path = container.path("HOST");
        fs::create_dir(&path)?;
        fs::create_dir(path.join("empty"))?;
        fs::write(path.join("secret"), "of the host\n")?;
        let before = look(&path)?;
        Ok(Self { path, before })
    }

    /// Text of the path, for links and scripts.
    pub fn text(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Claims that nobody was here.
    #[track_caller]
    pub fn is_untouched(&self) -> Result<()> {
        assert_eq!(look(&self.path)?, self.before, "the host was touched");
        Ok(())
    }
}

fn look(path: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut seen = BTreeMap::new();
    let data = fs::symlink_metadata(path)?;
    let content = if data.is_file() { fs::read(path)? } else { Vec::new() };
    let facts = (data.mode(), data.uid(), data.gid(), data.rdev(), data.mtime(), data.mtime_nsec());
    seen.insert(path.to_path_buf(), format!("{facts:?} {content:?}"));
    if data.is_dir() {
        for entry in fs::read_dir(path)? {
            seen.extend(look(&entry?.path())?);
        }
    }
    Ok(seen)
}
