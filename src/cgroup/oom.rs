//! Being told when memory runs out: by an eventfd on v1, by the kernel's wake-up for `memory.events` on v2.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::directory::{is_gone, read_all};
use super::hierarchy::{Hierarchy, unified};
use super::write::keyed_number;
use crate::report::{Code, Context, Result};

const V1_FILE: &str = "memory.oom_control";
const V2_FILE: &str = "memory.events";

/// What has happened since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oom {
    Nothing,
    Happened,
    /// The cgroup is gone; there is nothing more to wait for.
    Over,
}

/// A container's memory, watched.
#[derive(Debug)]
pub struct OomWatch {
    source: Source,
    /// The file itself; it ends with the cgroup.
    file: File,
}

#[derive(Debug)]
enum Source {
    V1(EventFd),
    /// With the number of processes killed so far.
    V2(u64),
}

impl OomWatch {
    /// Watches from now on. None where there is no memory controller, or the cgroup is gone.
    pub fn open(hierarchies: &[Hierarchy]) -> Result<Option<Self>> {
        if let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.has("memory")) {
            return Self::open_v1(hierarchy);
        }
        unified(hierarchies).map_or(Ok(None), Self::open_v2)
    }

    /// `EVENTFD FILE` to `cgroup.event_control` (Documentation/admin-guide/cgroup-v1/memory.rst, chapter 10).
    fn open_v1(hierarchy: &Hierarchy) -> Result<Option<Self>> {
        let Some(directory) = hierarchy.directory()? else { return Ok(None) };
        let what = || format!("watch {:?}", directory.path().join(V1_FILE));
        let file = match directory.open_file(V1_FILE, OFlag::O_RDONLY) {
            Err(errno) if is_gone(errno) => return Ok(None),
            opened => File::from(opened.with_context(what).code(Code::Cgroup)?),
        };
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let events = EventFd::from_value_and_flags(0, flags).context("make an eventfd")?;
        let registration = format!("{} {}", events.as_fd().as_raw_fd(), file.as_raw_fd());
        match directory.write("cgroup.event_control", &registration) {
            Err(errno) if is_gone(errno) => Ok(None),
            written => {
                written.with_context(what).code(Code::Cgroup)?;
                Ok(Some(Self { source: Source::V1(events), file }))
            }
        }
    }

    fn open_v2(hierarchy: &Hierarchy) -> Result<Option<Self>> {
        let Some(directory) = hierarchy.directory()? else { return Ok(None) };
        let what = || format!("watch {:?}", directory.path().join(V2_FILE));
        let mut file = match directory.open_file(V2_FILE, OFlag::O_RDONLY) {
            Err(errno) if is_gone(errno) => return Ok(None),
            opened => File::from(opened.with_context(what).code(Code::Cgroup)?),
        };
        // The read arms the poll.
        match read_again(&mut file) {
            Err(errno) if is_gone(errno) => Ok(None),
            content => {
                let kills = kills(&content.with_context(what).code(Code::Cgroup)?);
                Ok(Some(Self { source: Source::V2(kills), file }))
            }
        }
    }

    /// What to poll for; `look` when it is ready.
    pub fn interest(&self) -> PollFd<'_> {
        match &self.source {
            Source::V1(events) => PollFd::new(events.as_fd(), PollFlags::POLLIN),
            Source::V2(_) => PollFd::new(self.file.as_fd(), PollFlags::POLLPRI),
        }
    }

    /// What has happened since the last look. Never waits.
    pub fn look(&mut self) -> Result<Oom> {
        let content = match read_again(&mut self.file) {
            Err(errno) if is_gone(errno) => return Ok(Oom::Over),
            content => content.context("read what is told of memory").code(Code::Cgroup)?,
        };
        let happened = match &mut self.source {
            // v1 signals the end of the cgroup too: that it is there has been seen above.
            Source::V1(events) => take(events.as_fd()).context("read an eventfd")?,
            Source::V2(before) => {
                let now = kills(&content);
                std::mem::replace(before, now) < now
            }
        };
        Ok(if happened { Oom::Happened } else { Oom::Nothing })
    }
}

fn kills(content: &str) -> u64 {
    keyed_number(content, "oom_kill").unwrap_or(0)
}

fn take(events: BorrowedFd) -> nix::Result<bool> {
    match nix::unistd::read(events, &mut [0; 8]) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn read_again(file: &mut File) -> nix::Result<String> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    file.seek(SeekFrom::Start(0)).map_err(errno)?;
    read_all(file.try_clone().map_err(errno)?)
}
