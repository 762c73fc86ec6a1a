//! What the tests of this floor share: cgroups to play with, gone again whatever happens.

use super::directory::Directory;
use crate::linux::testing::Scratch;

/// A plain directory with files that look like a cgroup's.
pub struct Fake(Scratch);

impl Fake {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        for (name, content) in files {
            std::fs::write(scratch.join(name), content).expect("write a test file");
        }
        Self(scratch)
    }

    pub fn directory(&self) -> Directory {
        Directory::pretend(self.0.path())
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("read a test file")
    }
}
