//! Handing a container's v2 cgroup to the user that its processes run as, so that it can make cgroups below
//! (`man 7 cgroups`, "Cgroups delegation: delegating a hierarchy to a less privileged user").
//!
//! The limits' own files stay ours: who is limited must not set the limit.

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{Uid, fchownat};

use super::directory::read_all;
use super::hierarchy::{Hierarchy, unified};
use crate::report::{Code, Context, Result};

/// Names the files that may be handed over (Linux 4.15).
const LIST: &str = "/sys/kernel/cgroup/delegate";

/// Makes `owner`, by the host's number, the owner of the directory and of the files that the kernel names. On v1
/// there is no safe way to delegate.
pub fn delegate(hierarchies: &[Hierarchy], owner: u32) -> Result<()> {
    let Some(hierarchy) = unified(hierarchies) else { return Ok(()) };
    let directory = hierarchy.existing()?;
    let list =
        std::fs::File::open(LIST).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
    let list = list.and_then(read_all).with_context(|| format!("read {LIST}")).code(Code::Cgroup)?;
    let owner = Uid::from_raw(owner);
    let what = |name: &str| format!("make user {owner} the owner of {:?}", directory.path().join(name));
    for name in ["."].into_iter().chain(list.lines().filter(|name| !name.is_empty() && !name.contains('/'))) {
        match fchownat(&directory, name, Some(owner), None, AtFlags::AT_SYMLINK_NOFOLLOW) {
            // A controller's, that is not there.
            Err(Errno::ENOENT) => {}
            done => done.with_context(|| what(name)).code(Code::Cgroup)?,
        }
    }
    Ok(())
}
