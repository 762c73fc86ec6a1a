//! A new filesystem made and attached by one call (`man 2 mount`), at a directory that is held.
//!
//! The calls of fsopen say what they dislike, and give a mount that can be changed before it is seen. Where nothing is to
//! be changed this costs a third less: they make a mount namespace for each mount, and open and close four descriptors.

use std::os::fd::BorrowedFd;

use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, fchdir};

use super::super::{Errno, Result};
use super::{Atime, Attr, Attributes};

/// Mounts a filesystem over the directory. Its options are as the kernel splits them: by commas, so that no value may have
/// one. The working directory is `/` afterwards.
///
/// # Errors
/// Those of mount(2), which say no more than a number. EINVAL as well for read-only, which would be the filesystem's own.
pub fn mount_at_once(
    directory: BorrowedFd,
    kind: &str,
    source: &str,
    options: &str,
    attributes: Attributes,
) -> Result<()> {
    let flags = flags(attributes).ok_or(Errno::EINVAL)?;
    // There is no call that takes the directory's descriptor; `.` is what it names, whatever its path leads to by now.
    fchdir(directory)?;
    let mounted = mount(Some(source), c".", Some(kind), flags, Some(options));
    chdir(c"/")?;
    mounted
}

/// MS_*, of a mount that has nothing to be cleared yet.
fn flags(attributes: Attributes) -> Option<MsFlags> {
    let names = [
        (Attr::NOSUID, MsFlags::MS_NOSUID),
        (Attr::NODEV, MsFlags::MS_NODEV),
        (Attr::NOEXEC, MsFlags::MS_NOEXEC),
        (Attr::NODIRATIME, MsFlags::MS_NODIRATIME),
    ];
    let mut left = attributes.set;
    let mut flags = match attributes.atime {
        None => MsFlags::empty(),
        Some(Atime::Relatime) => MsFlags::MS_RELATIME,
        Some(Atime::Noatime) => MsFlags::MS_NOATIME,
        Some(Atime::Strictatime) => MsFlags::MS_STRICTATIME,
    };
    for (attribute, flag) in names {
        if left.contains(attribute) {
            left.remove(attribute);
            flags |= flag;
        }
    }
    left.is_empty().then_some(flags)
}
