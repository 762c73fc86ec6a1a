//! Anonymous files.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Whence, lseek};

use super::Result;

/// A close-on-exec memfd that holds `content`, offset 0: standard input for a hook that can neither block nor break a pipe.
pub fn with_content(name: &str, content: &[u8]) -> Result<OwnedFd> {
    let file = memfd_create(name, MFdFlags::MFD_CLOEXEC)?;
    super::fd::write_all(file.as_fd(), content)?;
    lseek(&file, 0, Whence::SeekSet)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::super::fd::read_to_end;
    use super::*;

    #[test]
    fn content_is_read_from_its_start_to_its_end() {
        let file = with_content("state", b"{\"pid\":1}").unwrap();
        assert_eq!(read_to_end(file.as_fd(), 100).unwrap(), b"{\"pid\":1}");
        assert_eq!(read_to_end(file.as_fd(), 100).unwrap(), b"");
    }
}
