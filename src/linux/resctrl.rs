//! The resctrl filesystem, by which the kernel divides caches and memory bandwidth among groups of tasks (Linux,
//! Documentation/filesystems/resctrl.rst). Mounting it is the administrator's business, never ours.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use nix::sys::statfs::statfs;

use super::mountinfo::Mountinfo;
use super::procfs::Proc;
use super::{Errno, Result};

/// Where it is mounted as a rule. The directory is there on every kernel and processor that have the facility.
const USUAL: &str = "/sys/fs/resctrl";
/// RDTGROUP_SUPER_MAGIC (linux/magic.h).
const MAGIC: i64 = 0x0765_5821;
/// Mountinfo of a host with very many mounts (fs.mount-max is 100,000).
const MOUNTINFO_BYTES: usize = 64 << 20;
/// Far above any of its files: a line a resource, an entry a cache.
const FILE_BYTES: u64 = 1 << 20;

/// A mounted resctrl filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resctrl {
    root: PathBuf,
}

impl Resctrl {
    /// The one that is mounted, wherever that is. None: no hardware, no kernel support, or not mounted.
    pub fn find(proc: &Proc) -> Result<Option<Self>> {
        let Ok(usual) = statfs(USUAL) else { return Ok(None) };
        // The field is signed on some systems and unsigned on others.
        if i64::from(usual.filesystem_type().0 as u32) == MAGIC {
            return Ok(Some(Self::at(USUAL)));
        }
        let mounts = Mountinfo::parse(&proc.read_self("mountinfo", MOUNTINFO_BYTES)?);
        let found = mounts.iter().find(|mount| mount.filesystem == "resctrl");
        Ok(found.map(|mount| Self::at(&mount.mount_point)))
    }

    /// The one whose root is this directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the hardware can do this: `L3` (cache allocation), `MB` (bandwidth), `L3_MON` (monitoring).
    pub fn has(&self, resource: &str) -> bool {
        self.info(resource).exists()
    }

    /// A file of `info/RESOURCE`, trimmed.
    pub fn read_info(&self, resource: &str, file: &str) -> Result<String> {
        read(&self.info(resource).join(file))
    }

    /// Why the last operation was refused, in the kernel's own words; None where it says nothing.
    pub fn last_status(&self) -> Option<String> {
        read(&self.root.join("info/last_cmd_status")).ok().filter(|text| !text.is_empty() && text != "ok")
    }

    fn info(&self, resource: &str) -> PathBuf {
        self.root.join("info").join(resource)
    }
}

/// Makes a group; false where it is there already. ENOSPC: the hardware has no more.
pub fn make_group(directory: &Path) -> Result<bool> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        made => {
            made.map_err(errno)?;
            #[cfg(test)]
            fake::fill(directory);
            Ok(true)
        }
    }
}

/// Removes a group; what is left of its tasks goes to the group above. One that is gone is fine.
pub fn remove_group(directory: &Path) -> Result<()> {
    #[cfg(test)]
    fake::empty(directory);
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(errno),
    }
}

/// A small file of the tree, trimmed.
pub fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(file).and_then(|file| file.take(FILE_BYTES).read_to_string(&mut text)).map_err(errno)?;
    Ok(text.trim().to_owned())
}

/// The names of the directories in one, sorted.
pub fn directories(of: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(of).map_err(errno)?.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Writes a file of the tree by one write(2): the kernel takes every write as a whole.
pub fn write(file: &Path, text: &str) -> Result<()> {
    let opened = OpenOptions::new().write(true).open(file);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(errno)
}

fn errno(error: io::Error) -> Errno {
    // What has no number is no answer of the kernel: text that is not UTF-8, a write that was cut short.
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// What the kernel does to a directory that is made or removed.
#[cfg(test)]
mod fake {
    use super::*;

    pub fn fill(directory: &Path) {
        fs::write(directory.join("tasks"), "").unwrap();
        if !directory.parent().is_some_and(|parent| parent.ends_with("mon_groups")) {
            fs::write(directory.join("schemata"), "    MB:0=100\n    L3:0=7ff\n").unwrap();
            fs::create_dir(directory.join("mon_groups")).unwrap();
        }
        fs::create_dir_all(directory.join("mon_data/mon_L3_00")).unwrap();
    }

    pub fn empty(directory: &Path) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    #[test]
    fn a_group_is_made_once_and_may_be_gone() {
        let scratch = Scratch::new();
        let group = scratch.path().join("group");
        assert!(make_group(&group).unwrap());
        assert!(!make_group(&group).unwrap());
        write(&group.join("tasks"), "12").unwrap();
        assert_eq!(read(&group.join("tasks")).unwrap(), "12");
        remove_group(&group).unwrap();
        remove_group(&group).unwrap();
        assert!(!group.exists());
    }

    #[test]
    fn what_is_mounted_elsewhere_is_no_resctrl() {
        // No hardware that these tests run on has it; where one has, its root must have a schemata file.
        if let Some(found) = Resctrl::find(&Proc::open().unwrap()).unwrap() {
            assert!(found.root().join("schemata").exists());
        }
    }
}
