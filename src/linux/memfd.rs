//! Anonymous files.
use super::Result;
use std::os::fd::OwnedFd;
/// A close-on-exec memfd that holds `content`, offset 0: standard input for a hook that can neither block nor break a pipe.
pub fn with_content(name: &str, content: &[u8]) -> Result<OwnedFd> {
    todo!()
}
