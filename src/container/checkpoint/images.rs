//! What lies in a directory of images, before a restore takes it for images: the directory may be out of an archive of
//! anybody's, and CRIU opens what has the right name. A symlink would show the container a file of the host, a device
//! what is on it, a fifo would make the restore wait for ever.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::fail;
use crate::linux::Errno;
use crate::report::{Code, Context, Result};

/// CRIU's name for the directory of an earlier dump, in that of the later one.
const PARENT: &str = "parent";
/// What the names of all images end in.
const IMAGE: &[u8] = b".img";
/// More dumps than anybody makes one upon the other: the chain is a ring.
const LONGEST_CHAIN: usize = 1000;

/// Looks at the images and at those of all earlier dumps that they stand on. Whether there are any of these.
///
/// # Errors
/// An image that is no file; a parent by an absolute path.
pub fn check(images: &OwnedFd) -> Result<bool> {
    let mut next = Some(images.try_clone().context("open the image directory once more")?);
    for number in 0..LONGEST_CHAIN {
        let Some(directory) = next else { return Ok(number > 1) };
        check_files(&directory)?;
        next = parent_of(&directory)?;
    }
    fail!(Code::InvalidConfig, "the images stand on more than {LONGEST_CHAIN} earlier dumps")
}

fn check_files(directory: &OwnedFd) -> Result<()> {
    let doing = "look through the image directory";
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut entries = Dir::openat(directory, ".", flags, Mode::empty()).context(doing)?;
    for entry in entries.iter() {
        let entry = entry.context(doing)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !name.as_bytes().ends_with(IMAGE) {
            continue;
        }
        match stat(directory, name).with_context(|| format!("look at the image {name:?}"))? {
            Some(stat) if kind(&stat) != SFlag::S_IFREG => {
                fail!(Code::InvalidConfig, "the image {name:?} is not a file")
            }
            _ => {}
        }
    }
    Ok(())
}

fn parent_of(directory: &OwnedFd) -> Result<Option<OwnedFd>> {
    let doing = "look for the images of an earlier dump";
    let Some(stat) = stat(directory, OsStr::new(PARENT)).context(doing)? else { return Ok(None) };
    if kind(&stat) == SFlag::S_IFLNK {
        let target = readlinkat(directory, PARENT).context(doing)?;
        if Path::new(&target).is_absolute() {
            fail!(Code::InvalidConfig, "the images stand on those at {target:?}, which is not relative");
        }
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(directory, PARENT, flags, Mode::empty()).context("open the images of an earlier dump").map(Some)
}

/// Before a dump: CRIU would keep the link to the parent of what was here before.
pub fn forget_parent(images: &OwnedFd) -> Result<()> {
    let doing = "remove the link to an earlier dump's parent";
    match stat(images, OsStr::new(PARENT)).context(doing)? {
        Some(stat) if kind(&stat) == SFlag::S_IFLNK => {
            unlinkat(images, PARENT, UnlinkatFlags::NoRemoveDir).context(doing)
        }
        _ => Ok(()),
    }
}

fn stat(directory: &OwnedFd, name: &OsStr) -> nix::Result<Option<FileStat>> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir, write};
    use std::os::unix::fs::symlink;

    use nix::unistd::mkfifo;

    use super::*;
    use crate::linux::testing::Scratch;

    fn checked(scratch: &Scratch, name: &str) -> Result<bool> {
        check(&File::open(scratch.join(name)).unwrap().into())
    }

    #[test]
    fn images_are_files_and_nothing_else() {
        let scratch = Scratch::new();
        create_dir(scratch.join("images")).unwrap();
        write(scratch.join("images/core-1.img"), "").unwrap();
        symlink("/etc/passwd", scratch.join("images/of no concern")).unwrap();
        assert!(!checked(&scratch, "images").unwrap());
        let evil = scratch.join("images/pages-1.img");
        symlink("/etc/passwd", &evil).unwrap();
        assert!(checked(&scratch, "images").unwrap_err().to_string().contains("pages-1.img"));
        std::fs::remove_file(&evil).unwrap();
        mkfifo(&evil, Mode::S_IRUSR).unwrap();
        assert!(checked(&scratch, "images").is_err());
    }

    #[test]
    fn earlier_dumps_are_looked_at_too_and_have_an_end() {
        let scratch = Scratch::new();
        for name in ["first", "second"] {
            create_dir(scratch.join(name)).unwrap();
        }
        let link = scratch.join("second/parent");
        symlink("../first", &link).unwrap();
        assert!(checked(&scratch, "second").unwrap());
        symlink("/etc/passwd", scratch.join("first/pages-1.img")).unwrap();
        assert!(checked(&scratch, "second").is_err());
        for target in [".", "/tmp", "nowhere"] {
            std::fs::remove_file(&link).unwrap();
            symlink(target, &link).unwrap();
            assert!(checked(&scratch, "second").is_err(), "{target}");
        }
        forget_parent(&File::open(scratch.join("second")).unwrap().into()).unwrap();
        assert!(!checked(&scratch, "second").unwrap());
    }
}
