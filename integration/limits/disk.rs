//! A block device of the test's own, on which weights count.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::support::Invocation;

const ROOT: &str = "/sys/fs/cgroup";

pub struct Disk {
    _file: tempfile::NamedTempFile,
    path: String,
    pub major: u32,
    pub minor: u32,
}

impl Disk {
    /// A loop device, scheduled by BFQ where the kernel has that, else by the cost model of v2. None where the machine makes
    /// none.
    pub fn make() -> Result<Option<Self>> {
        let file = tempfile::NamedTempFile::new()?;
        file.as_file().set_len(1 << 20)?;
        let made = Invocation::new(["losetup", "--find", "--show"]).arg(file.path()).output()?;
        if made.status() != 0 {
            return Ok(None);
        }
        let path = made.stdout().trim().to_string();
        let sys = Path::new("/sys/block").join(path.trim_start_matches("/dev/"));
        let number = fs::read_to_string(sys.join("dev"))?;
        let (major, minor) = number.trim().split_once(':').context("MAJOR:MINOR")?;
        let disk = Self { _file: file, path, major: major.parse()?, minor: minor.parse()? };
        // Where there is neither, weights are refused, and their tests find no file.
        if fs::write(sys.join("queue/scheduler"), "bfq").is_err() {
            let _ = fs::write(Path::new(ROOT).join("io.cost.qos"), format!("{} enable=1", disk.number()));
        }
        Ok(Some(disk))
    }

    pub fn number(&self) -> String {
        format!("{}:{}", self.major, self.minor)
    }

    /// Whether cgroups of v2 have BFQ's file.
    pub fn has_bfq_file(&self) -> bool {
        let below = fs::read_dir(ROOT).into_iter().flatten().flatten();
        below.into_iter().any(|entry| entry.path().join("io.bfq.weight").exists())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A loop device whose file has gone is all that could stay.
        let _ = Invocation::new(["losetup", "--detach", &self.path]).output();
    }
}
