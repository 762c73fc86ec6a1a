//! The directories of images and of work files, open.

use std::fs::{DirBuilder, Permissions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::options::Common;
use crate::criu::Options;
use crate::fail;
use crate::linux::{self, Errno};
use crate::report::{Code, Context, Result};

/// A log of a dump of very many processes.
const LOG_LIMIT: usize = 64 << 20;

/// Both of them, and the log that CRIU writes to the second.
pub struct Directories {
    images: OwnedFd,
    work: OwnedFd,
    work_path: PathBuf,
    log: &'static str,
}

impl Directories {
    /// For a checkpoint: made, for root alone, where they are missing. They hold all that the container's memory does.
    pub fn make(common: &Common, log: &'static str) -> Result<Self> {
        make(&common.image_path)?;
        Self::open(common, log)
    }

    /// For a restore: the images must be there.
    pub fn open(common: &Common, log: &'static str) -> Result<Self> {
        let work_path = common.work_path.as_ref().unwrap_or(&common.image_path);
        if work_path != &common.image_path {
            make(work_path)?;
        }
        let open_directory = |path: &Path| {
            open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        };
        let images = open_directory(&common.image_path)
            .with_context(|| format!("open the image directory {:?}", common.image_path))?;
        let work =
            open_directory(work_path).with_context(|| format!("open the work directory {work_path:?}"))?;
        let work_path =
            std::path::absolute(work_path).with_context(|| format!("find {work_path:?}"))?;
        // An earlier log must not be taken for that of a failure before the first line of this one.
        match unlinkat(&work, log, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno).with_context(|| format!("remove the old {log} in {work_path:?}")),
        }
        Ok(Self { images, work, work_path, log })
    }

    pub fn images(&self) -> &OwnedFd {
        &self.images
    }

    /// Tells CRIU of them: it opens them by our numbers.
    pub fn add_to(&self, options: Options) -> Options {
        Options {
            images_directory: self.images.as_raw_fd(),
            work_directory: Some(self.work.as_raw_fd()),
            ..options
        }
    }

    /// Absolute, for people.
    pub fn log_path(&self) -> PathBuf {
        self.work_path.join(self.log)
    }

    /// The log's content; nothing where there is none.
    pub fn log(&self) -> Vec<u8> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let Ok(file) = openat(&self.work, self.log, flags, Mode::empty()) else { return Vec::new() };
        linux::fd::read_to_end(file.as_fd(), LOG_LIMIT).unwrap_or_default()
    }

    /// A parent's images are found from these ones, so its path must be relative, and a directory.
    pub fn check_parent(&self, parent: &Path) -> Result<String> {
        if parent.is_absolute() {
            fail!(Code::Usage, "--parent-path must be relative");
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(&self.images, parent, flags, Mode::empty())
            .with_context(|| format!("invalid --parent-path: {parent:?}, from the image directory"))
            .code(Code::Usage)?;
        match parent.to_str() {
            Some(text) => Ok(text.to_string()),
            None => fail!(Code::Usage, "invalid --parent-path: {parent:?} is not text"),
        }
    }
}

fn make(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o700)))
        .with_context(|| format!("make directory {path:?}"))
}
