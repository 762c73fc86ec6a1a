//! What a restored container must not have got: the flags of its mounts come from the images, and who can write those
//! could make a read-only place of the host writable.

use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::fail;
use crate::linux::mountinfo::{Mount, Mountinfo};
use crate::linux::procfs::Proc;
use crate::report::{Code, Context as _, Result};

/// mountinfo of a container with very many mounts.
const MOUNTINFO_LIMIT: usize = 64 << 20;

/// A part of a filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub device: (u32, u32),
    pub root: PathBuf,
}

impl Part {
    pub fn of(mount: &Mount) -> Self {
        Self { device: mount.device, root: mount.root.clone() }
    }

    fn has(&self, mount: &Mount) -> bool {
        self.device == mount.device && mount.root.starts_with(&self.root)
    }
}

/// What the config gives the container to read alone, and what to write.
#[derive(Debug, Default)]
pub struct Guard {
    pub(super) read_only: Vec<Part>,
    pub(super) writable: Vec<Part>,
    pub(super) read_only_root: bool,
}

impl Guard {
    /// Looks at the mounts of a restored container, before it runs.
    ///
    /// # Errors
    /// A mount that shows writable what the config has as read-only.
    pub fn check(&self, proc: &Proc, init: Pid) -> Result<()> {
        let text = proc.read_pid(init, "mountinfo", MOUNTINFO_LIMIT).context("read init's mounts")?;
        match Mountinfo::parse(&text).iter().find(|mount| self.forbids(mount)) {
            Some(mount) => fail!(
                Code::InvalidConfig,
                "the checkpoint makes the mount at {:?} writable, which config.json has as read-only",
                mount.mount_point
            ),
            None => Ok(()),
        }
    }

    fn forbids(&self, mount: &Mount) -> bool {
        if mount.read_only {
            return false;
        }
        if mount.mount_point == Path::new("/") {
            return self.read_only_root;
        }
        self.read_only.iter().any(|part| part.has(mount)) && !self.writable.iter().any(|part| part.has(mount))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_config_has_as_read_only_stays_so_wherever_it_is_mounted() {
        let part = |device, root: &str| Part { device, root: root.into() };
        let guard = Guard {
            read_only: vec![part((8, 1), "/srv/secret"), part((8, 1), "/srv/both")],
            writable: vec![part((8, 1), "/srv/both"), part((8, 1), "/srv/secret/rootfs")],
            read_only_root: false,
        };
        let cases = [
            ("8:1 /srv/secret /x ro", false),
            ("8:1 /srv/secret /x rw", true),
            ("8:1 /srv/secret/below /x rw", true),
            ("8:1 /srv/secrets /x rw", false),
            ("8:2 /srv/secret /x rw", false),
            ("8:1 /srv/both /x rw", false),
            ("8:1 /srv/secret/rootfs / rw", false),
        ];
        for (line, forbidden) in cases {
            let mountinfo = Mountinfo::parse(format!("2 1 {line} - ext4 x rw\n").as_bytes());
            assert_eq!(guard.forbids(mountinfo.iter().next().unwrap()), forbidden, "{line}");
        }
    }

    #[test]
    fn a_root_that_is_to_be_read_only_is() {
        let guard = Guard { read_only_root: true, ..Guard::default() };
        for (line, forbidden) in [("/ / rw", true), ("/ / ro", false), ("/ /data rw", false)] {
            let mountinfo = Mountinfo::parse(format!("2 1 8:1 {line} - ext4 x rw\n").as_bytes());
            assert_eq!(guard.forbids(mountinfo.iter().next().unwrap()), forbidden, "{line}");
        }
    }
}
