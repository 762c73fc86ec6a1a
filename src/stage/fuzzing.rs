//! Doors for the fuzz targets.

use std::os::fd::AsFd;

use super::channel::{self, decode_failure, encode_failure};
use crate::linux::{Result, memfd, socket};
use crate::report::Error;

/// What init says to the parent: the first byte is how many descriptors come along.
pub fn channel(bytes: &[u8]) -> Result<()> {
    let Some((count, bytes)) = bytes.split_first() else { return Ok(()) };
    if bytes.is_empty() {
        return Ok(());
    }
    let (parent, init) = socket::pair()?;
    let fds = (0..count % 4).map(|_| memfd::with_content("fuzz", &[])).collect::<Result<Vec<_>>>()?;
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    socket::send(init.as_fd(), bytes, &fds)?;
    // A message or an error.
    drop(channel::ParentEnd::over(parent).receive());

    // A failure is told as it was told to us, and fits its frame whatever is in it.
    if let Some(message) = decode_failure(bytes) {
        let again = decode_failure(&encode_failure(&message));
        assert!(again.is_some(), "{message:?} is lost on its way");
        // What an image puts into it does nothing to a terminal.
        let line = Error::from_message(message).to_string();
        let acts = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
        assert!(!line.contains(acts), "{line:?}");
    }
    Ok(())
}
