//! seccomp(2): installing a compiled filter.
use super::Result;
use std::os::fd::OwnedFd;
/// Installs `program` (an array of struct sock_filter, as libseccomp's export writes it) with SECCOMP_FILTER_FLAG_* `flags`; the listener descriptor
/// if SECCOMP_FILTER_FLAG_NEW_LISTENER was among them.
pub fn install(program: &[u8], flags: u64) -> Result<Option<OwnedFd>> {
    todo!()
}
