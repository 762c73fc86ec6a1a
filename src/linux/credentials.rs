//! User, group, groups, umask of this (single-threaded) process: raw system calls.

use super::Result;

pub fn set_groups(groups: &[u32]) -> Result<()> {
    todo!()
}
/// setresgid then setresuid, all three ids each.
pub fn set_ids(uid: u32, gid: u32) -> Result<()> {
    todo!()
}
/// PR_SET_KEEPCAPS.
pub fn keep_capabilities(keep: bool) -> Result<()> {
    todo!()
}
pub fn set_umask(mask: u32) {
    todo!()
}
pub fn effective_uid() -> u32 {
    todo!()
}
