//! The directories of images and of work files, open, and what CRIU is given of them.
//!
//! Others may be able to write there, and archives of others may have been unpacked there. So CRIU, which writes images
//! and logs as root by their well-known names, follows no symlink in them. What they themselves are called is the caller's
//! to say, by a symlink too.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, UnlinkatFlags, fchown, unlinkat};

use super::images;
use super::options::Common;
use crate::criu::Options;
use crate::fail;
use crate::linux::mount::{self, Attr, Attributes};
use crate::linux::{self, Errno};
use crate::plan::IdMaps;
use crate::report::{Code, Context, Result};

/// A log of a dump of very many processes.
const LOG_LIMIT: usize = 64 << 20;

/// Both of them, and the log that CRIU writes to the second.
pub struct Directories {
    images: OwnedFd,
    image_path: PathBuf,
    work: OwnedFd,
    work_path: PathBuf,
    log: &'static str,
}

/// What CRIU is given of both.
pub struct Views {
    images: OwnedFd,
    work: OwnedFd,
}

impl Views {
    /// Tells CRIU of them: it opens them by our numbers.
    pub fn add_to(&self, options: Options) -> Options {
        Options {
            images_directory: self.images.as_raw_fd(),
            work_directory: Some(self.work.as_raw_fd()),
            ..options
        }
    }
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
        let absolute = |path: &Path| std::path::absolute(path).with_context(|| format!("find {path:?}"));
        let (image_path, work_path) = (absolute(&common.image_path)?, absolute(work_path)?);
        let images = open_directory(&image_path, "image")?;
        let work = open_directory(&work_path, "work")?;
        // An earlier log must not be taken for that of a failure before the first line of this one.
        match unlinkat(&work, log, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => {
                return Err(errno).with_context(|| format!("remove the old {log} in {work_path:?}"));
            }
        }
        Ok(Self { images, image_path, work, work_path, log })
    }

    /// For a dump. The images of one with a parent are found by a symlink in them.
    pub fn views(&self, has_parent: bool) -> Result<Views> {
        let images = match has_parent {
            true => self.images.try_clone().context("open the image directory once more")?,
            false => without_symlinks(&self.images)?,
        };
        Ok(Views { images, work: without_symlinks(&self.work)? })
    }

    /// For a restore, attached in the caller's mount namespace, which must be its own: CRIU mounts in its working
    /// directory, and can only in a namespace of its own.
    pub fn views_here(&self) -> Result<Views> {
        let has_parent = images::check(&self.images)?;
        let images = again(&self.image_path, &self.images)?;
        let work = again(&self.work_path, &self.work)?;
        let images = if has_parent { images } else { attached_without_symlinks(&images)? };
        Ok(Views { images, work: attached_without_symlinks(&work)? })
    }

    /// Restoring into a user namespace, CRIU opens some images as its root, who has no way into a directory that is the
    /// host's root's alone: the group of that root is let through, without seeing what is there.
    pub fn let_in(&self, maps: &IdMaps) -> Result<()> {
        let Some(group) = maps.gids.iter().find(|map| map.container == 0).map(|map| map.host) else {
            return Ok(());
        };
        let doing = || format!("let the container's root into {:?}", self.image_path);
        let mode = fstat(&self.images).with_context(doing)?.st_mode & 0o7777;
        // Whoever gave it to others has seen to that.
        if mode & 0o077 != 0 {
            return Ok(());
        }
        fchown(&self.images, None, Some(Gid::from_raw(group))).with_context(doing)?;
        fchmod(&self.images, Mode::from_bits_truncate(mode | 0o010)).with_context(doing)
    }

    pub fn images(&self) -> &OwnedFd {
        &self.images
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

/// The path is the caller's, and may be a symlink: containerd's work directory is one.
fn open_directory(path: &Path, what: &str) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).with_context(|| format!("open the {what} directory {path:?}"))
}

/// The same directory as the caller's mount namespace has it.
fn again(path: &Path, known: &OwnedFd) -> Result<OwnedFd> {
    let opening = || format!("open {path:?} again");
    let here = open_directory(path, "same")?;
    let identity = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).with_context(opening);
    if identity(&here)? == identity(known)? { Ok(here) } else { Err(Errno::ESTALE).with_context(opening) }
}

/// A view of a directory in which no symlink is followed and no device opened, whoever puts one there and when.
fn without_symlinks(directory: &OwnedFd) -> Result<OwnedFd> {
    let doing = "make a view of the directory for criu";
    let view = mount::open_tree_clone_fd(directory.as_fd(), false).context(doing)?;
    let set = Attr::NOSYMFOLLOW | Attr::NODEV | Attr::NOSUID | Attr::NOEXEC;
    mount::set_attributes(view.as_fd(), Attributes { set, ..Attributes::default() }, false).context(doing)?;
    Ok(view)
}

fn attached_without_symlinks(directory: &OwnedFd) -> Result<OwnedFd> {
    let view = without_symlinks(directory)?;
    mount::move_mount(view.as_fd(), directory.as_fd()).context("attach a view of the directory for criu")?;
    Ok(view)
}

/// With no rights for others: umask only takes away.
fn make(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("make directory {path:?}"))
}
