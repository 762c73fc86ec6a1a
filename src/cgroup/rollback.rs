//! Taking a change of limits back: what the files held before, written again in the opposite order.
//!
//! The kernel's own values are kept, not those of config.json: a limit that nobody asked for has a value too,
//! and whoever else has changed one gets it back.

use oci_spec::runtime::LinuxResources;

use super::directory::Directory;
use super::hierarchy::{Hierarchy, sole_unified};
use super::limits;
use super::write::{Current, keyed_number};
use crate::report::{Code, Context, Error, Result};

/// Files that have a line for each of several things, whatever those are called.
const TABLES: [&str; 2] = ["rdma.max", "net_prio.ifpriomap"];

/// What the files hold that a change would write.
#[derive(Debug, Default)]
pub struct Former {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    directory: Directory,
    file: String,
    value: String,
}

impl Former {
    /// Of all that `resources` would set, but devices.
    ///
    /// # Errors
    /// Those of setting it, as far as they can be known before anything is written.
    pub fn of(hierarchies: &[Hierarchy], resources: &LinuxResources) -> Result<Self> {
        let mut former = Self::default();
        for (directory, writes) in limits::writes(hierarchies, resources)? {
            for write in writes {
                former.note(&directory, &write.file, &write.value)?;
            }
        }
        if let (Some(hierarchy), Some(files)) = (sole_unified(hierarchies), resources.unified()) {
            let directory = hierarchy.existing()?;
            for (file, text) in files {
                for value in text.lines() {
                    former.note(&directory, file, value)?;
                }
            }
        }
        Ok(former)
    }

    /// Writes it all again. Goes on where one is refused.
    ///
    /// # Errors
    /// The first that was refused.
    pub fn restore(self) -> Result<()> {
        let mut outcome = Ok(());
        for Line { directory, file, value } in self.lines.into_iter().rev() {
            let what = || format!("write {value:?} back to {:?}", directory.path().join(&file));
            outcome = outcome.and(directory.write(&file, &value).with_context(what).code(Code::Cgroup));
        }
        outcome
    }

    fn note(&mut self, directory: &Directory, file: &str, written: &str) -> Result<()> {
        let content = match Current::read(directory, file) {
            Ok(Some(content)) => content,
            // The write itself will say what is wrong with the file.
            Ok(None) => return Ok(()),
            Err(error) if is_write_only(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(value) = former(file, &content, written) {
            let directory =
                directory.open("".as_ref()).context("open the cgroup again").code(Code::Cgroup)?;
            self.lines.push(Line { directory, file: file.to_owned(), value });
        }
        Ok(())
    }
}

fn is_write_only(error: &Error) -> bool {
    use crate::linux::Errno;
    matches!(error.errno(), Some(Errno::EINVAL | Errno::EACCES | Errno::EPERM | Errno::EOPNOTSUPP))
}

/// What to write to get back to `content` after `written` was written. None where nothing does.
fn former(file: &str, content: &str, written: &str) -> Option<String> {
    if file == "memory.oom_control" {
        return keyed_number(content, "oom_kill_disable").map(|disabled| disabled.to_string());
    }
    let key = written.split_whitespace().next()?;
    if !is_device(key) && !TABLES.contains(&file) {
        return content.lines().next().map(str::to_owned);
    }
    let line = content.lines().find(|line| line.split_whitespace().next() == Some(key));
    Some(match line {
        Some(line) => line.to_owned(),
        None => format!("{key} {}", none(file)),
    })
}

/// `8:0`.
fn is_device(key: &str) -> bool {
    key.split_once(':').is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// What a device is set to that has no line.
fn none(file: &str) -> &'static str {
    match file {
        "io.max" => "rbps=max wbps=max riops=max wiops=max",
        "rdma.max" => "hca_handle=max hca_object=max",
        _ if file.contains("weight") => "default",
        _ => "0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_back_in_the_form_that_its_file_is_written_in() {
        for (file, content, written, expected) in [
            ("pids.max", "max\n", "20", "max"),
            ("cpu.max", "max 100000\n", "5000 10000", "max 100000"),
            ("io.weight", "default 100\n8:0 200\n", "333", "default 100"),
            ("io.weight", "default 100\n8:0 200\n", "8:0 333", "8:0 200"),
            ("io.weight", "default 100\n8:0 200\n", "8:16 333", "8:16 default"),
            ("blkio.bfq.weight_device", "", "8:0 333", "8:0 default"),
            ("blkio.throttle.read_bps_device", "8:0 1024\n", "8:0 5", "8:0 1024"),
            ("blkio.throttle.read_bps_device", "8:0 1024\n", "8:1 5", "8:1 0"),
            ("io.max", "", "8:0 rbps=5", "8:0 rbps=max wbps=max riops=max wiops=max"),
            ("io.max", "8:0 rbps=7 wbps=max\n", "8:0 rbps=5", "8:0 rbps=7 wbps=max"),
            (
                "rdma.max",
                "mlx4_0 hca_handle=2 hca_object=max\n",
                "mlx4_0 hca_handle=9",
                "mlx4_0 hca_handle=2 hca_object=max",
            ),
            ("rdma.max", "", "mlx4_0 hca_handle=9", "mlx4_0 hca_handle=max hca_object=max"),
            ("net_prio.ifpriomap", "lo 0\neth0 3\n", "eth0 5", "eth0 3"),
            ("memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 7\n", "0", "1"),
        ] {
            assert_eq!(former(file, content, written).as_deref(), Some(expected), "{file} {written}");
        }
        assert_eq!(former("cpuset.cpus", "", "0-1"), None);
    }
}
