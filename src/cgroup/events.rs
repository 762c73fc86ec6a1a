//! Waiting on `cgroup.events` of the unified tree: the kernel wakes a poll(2) for POLLPRI when a line of it
//! changes (Documentation/admin-guide/cgroup-v2.rst). v1 has nothing like it.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::Result;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::directory::{Directory, is_gone, read_all};
use super::write::keyed_number;

/// Waits until the line `key` has the value `wanted`; false if it has not by `end`. A cgroup that is gone, or
/// goes, is taken for one that has it.
pub fn wait(directory: &Directory, key: &str, wanted: u64, end: Instant) -> Result<bool> {
    let mut file = match directory.open_file("cgroup.events", OFlag::O_RDONLY) {
        Err(errno) if is_gone(errno) => return Ok(true),
        opened => File::from(opened?),
    };
    loop {
        // The read arms the poll: what changes from here on wakes it.
        let content = match read_from_start(&mut file) {
            Err(errno) if is_gone(errno) => return Ok(true),
            content => content?,
        };
        if keyed_number(&content, key) == Some(wanted) {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLPRI)], until(end)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn read_from_start(file: &mut File) -> Result<String> {
    file.seek(SeekFrom::Start(0))
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    read_all(file.try_clone().map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?)
}

/// When a time that begins now is over; a time without end is over in a century.
pub fn end_of(time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    Instant::now() + time.min(CENTURY)
}

/// Rounded up to a millisecond, so that the last wait is not cut into many.
fn until(end: Instant) -> PollTimeout {
    let left = end.saturating_duration_since(Instant::now()).as_millis().saturating_add(1);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}
