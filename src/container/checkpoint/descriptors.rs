//! descriptors.json: what standard input, output and error were, so that a restore can put others in their place.
//!
//! The file lies with the images, so it may be anybody's: only what looks like the name of a pipe, a file or a terminal is
//! believed.

use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, major};
use nix::unistd::{Pid, Whence, lseek};

use crate::criu::InheritedDescriptor;
use crate::fail;
use crate::linux::fd;
use crate::linux::mountinfo::{Mountinfo, mount_id};
use crate::linux::procfs::Proc;
use crate::report::{Code, Context, Error, Result};

const FILE: &str = "descriptors.json";
const NULL: &str = "/dev/null";
const LIMIT: usize = 64 << 10;
const MOUNTINFO_LIMIT: usize = 64 << 20;
/// Input, output, error.
const STREAMS: std::ops::Range<i32> = 0..3;
/// Major number of /dev/null and the like (Documentation/admin-guide/devices.txt).
const MEMORY_DEVICES: u64 = 1;

/// What the streams of this process are: the container's, where it has no terminal. With `own_null` it has a /dev/null
/// of its own in the place of the host's, which needs no other.
pub fn of_this_process(proc: &Proc, own_null: bool) -> Result<Vec<String>> {
    let describe =
        |number| describe(proc, number, own_null).context("look at standard input, output and error");
    STREAMS.map(describe).collect()
}

/// `file[MOUNT:INODE]`, CRIU's name for a file of which it knows no more, for what the container may not be able to see:
/// a file, or a device like /dev/null. Else the kernel's own name. Empty: it is closed.
fn describe(proc: &Proc, number: i32, own_null: bool) -> Result<String> {
    let stream = fd::stream(number)?;
    let stat = match fstat(stream) {
        Err(Errno::EBADF) => return Ok(String::new()),
        stat => stat?,
    };
    if stream.is_terminal() {
        return Ok(describe_terminal(&stat));
    }
    if own_null && fd::is_null(&stat) {
        return Ok(NULL.to_string());
    }
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let is_memory_device = kind == SFlag::S_IFCHR && major(stat.st_rdev) == MEMORY_DEVICES;
    if kind != SFlag::S_IFREG && !is_memory_device {
        return Ok(proc.descriptor_name(nix::unistd::getpid(), number)?.to_string_lossy().into_owned());
    }
    Ok(format!("file[{:x}:{:x}]", mount_id(stream)?, stat.st_ino))
}

/// `tty[DEVICE:FILESYSTEM]`, CRIU's name for a terminal that is not the container's.
fn describe_terminal(stat: &FileStat) -> String {
    format!("tty[{:x}:{:x}]", stat.st_rdev, stat.st_dev)
}

/// What a checkpoint knows of the streams.
pub struct Streams {
    /// The file's content.
    names: Vec<String>,
    /// Files of the host that the container cannot see, and terminals.
    pub external: Vec<String>,
}

impl Streams {
    /// `recorded` is what they were when the container was made: what the program has put in their place since is its
    /// own, and it may have put them elsewhere.
    pub fn look(proc: &Proc, init: Pid, recorded: &[String]) -> Result<Self> {
        let text = proc.read_pid(init, "mountinfo", MOUNTINFO_LIMIT).context("read init's mounts")?;
        let mountinfo = Mountinfo::parse(&text);
        let is_external = |name: &&String| {
            names_terminal(name) || mount_of(name).is_some_and(|id| mountinfo.get(id).is_none())
        };
        let mut external: Vec<String> = recorded.iter().filter(is_external).cloned().collect();
        external.sort_unstable();
        external.dedup();
        Ok(Self { names: recorded.to_vec(), external })
    }

    pub fn write(&self, images: &OwnedFd) -> Result<()> {
        let text = serde_json::to_vec(&self.names).context("encode descriptors")?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(images, FILE, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("make {FILE} in the image directory"))?;
        fd::write_all(file.as_fd(), &text).with_context(|| format!("write {FILE}"))
    }
}

/// The mount of `file[MOUNT:INODE]`.
fn mount_of(name: &str) -> Option<u64> {
    let (mount, _) = name.strip_prefix("file[")?.split_once(':')?;
    u64::from_str_radix(mount, 16).ok()
}

fn names_terminal(name: &str) -> bool {
    name.starts_with("tty[")
}

/// Which of our streams take the place of which of the checkpoint's.
pub fn inherited(images: &OwnedFd) -> Result<Vec<InheritedDescriptor>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(images, FILE, flags, Mode::empty())
        .with_context(|| format!("open {FILE} in the image directory"))
        .hint("this is no directory of a checkpoint: see --image-path")?;
    let text = fd::read_to_end(file.as_fd(), LIMIT).with_context(|| format!("read {FILE}"))?;
    let names: Vec<String> =
        serde_json::from_slice(&text).with_context(|| format!("read {FILE}")).code(Code::InvalidConfig)?;
    if names.len() > STREAMS.len() {
        fail!(Code::InvalidConfig, "{FILE} has {} descriptors, not {}", names.len(), STREAMS.len());
    }
    let mut inherited: Vec<InheritedDescriptor> = Vec::new();
    for (number, key) in STREAMS.zip(names) {
        if is_replaceable(&key) && inherited.iter().all(|other| other.key != key) {
            require_alike(&key, number)?;
            inherited.push(InheritedDescriptor { key, number });
        }
    }
    Ok(inherited)
}

/// CRIU sets the position in what was a file, and the modes of what was a terminal.
fn require_alike(key: &str, number: i32) -> Result<()> {
    let stream = fd::stream(number)?;
    let name = match number {
        0 => "input",
        1 => "output",
        _ => "error",
    };
    let (was, hint) = match () {
        () if names_terminal(key) && !stream.is_terminal() => ("a terminal", "restore it at a terminal"),
        () if mount_of(key).is_some() && lseek(stream, 0, Whence::SeekCur) == Err(Errno::ESPIPE) => {
            ("a file", "redirect it to a file, or to /dev/null")
        }
        () => return Ok(()),
    };
    let text = format!("standard {name} was {was} when the container was saved, and must be one again");
    Err(Error::new(Code::Usage, text).hint(hint))
}

/// `pipe:[7]`, `file[1a:2b]`, `tty[8801:17]`.
fn is_replaceable(name: &str) -> bool {
    let within = |start: &str| name.strip_prefix(start)?.strip_suffix(']');
    let is_number =
        |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match (within("pipe:["), within("file[").or_else(|| within("tty["))) {
        (Some(inode), _) => is_number(inode),
        (_, Some(pair)) => {
            pair.split_once(':').is_some_and(|(one, other)| is_number(one) && is_number(other))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn only_names_of_pipes_files_and_terminals_are_believed() {
        let cases = [
            ("pipe:[123]", true),
            ("file[1a:2bc]", true),
            ("pipe:[]", false),
            ("pipe:[1]]:x", false),
            ("tty[8801:17]", true),
            ("file[1:2:3]", false),
            ("tty[1]", false),
            ("tty[1:2]:x", false),
            ("file[1]", false),
            ("/dev/null", false),
            ("socket:[1]", false),
            ("extRootNetNS", false),
            ("", false),
        ];
        for (name, believed) in cases {
            assert_eq!(is_replaceable(name), believed, "{name}");
        }
    }

    #[test]
    fn a_file_is_named_for_criu_and_a_pipe_as_the_kernel_does() {
        let proc = Proc::open().unwrap();
        let names = of_this_process(&proc, false).unwrap();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| !name.is_empty()));
        let null = std::fs::File::open("/dev/null").unwrap();
        let described = describe(&proc, null.as_raw_fd(), false).unwrap();
        assert!(is_replaceable(&described) && mount_of(&described).is_some(), "{described}");
        assert_eq!(describe(&proc, null.as_raw_fd(), true).unwrap(), NULL);
        let (pipe, _writer) = nix::unistd::pipe().unwrap();
        let inode = fstat(&pipe).unwrap().st_ino;
        assert_eq!(describe(&proc, pipe.as_raw_fd(), true).unwrap(), format!("pipe:[{inode}]"));
        assert_eq!(describe(&proc, i32::MAX, true).unwrap(), "");
    }
}
