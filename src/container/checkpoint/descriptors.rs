//! descriptors.json: what standard input, output and error were, so that a restore can put others in their place.
//!
//! The file lies with the images, so it may be anybody's: only what looks like the name of a pipe or file is believed.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, major};
use nix::unistd::Pid;

use crate::criu::InheritedDescriptor;
use crate::fail;
use crate::linux::fd;
use crate::linux::mountinfo::{Mountinfo, mount_id};
use crate::linux::procfs::Proc;
use crate::report::{Code, Context, Result};

const FILE: &str = "descriptors.json";
const LIMIT: usize = 64 << 10;
const MOUNTINFO_LIMIT: usize = 64 << 20;
/// Input, output, error.
const STREAMS: std::ops::Range<i32> = 0..3;
/// Major number of /dev/null and the like (Documentation/admin-guide/devices.txt).
const MEMORY_DEVICES: u64 = 1;

/// What the streams of this process are: the container's, where it has no terminal.
pub fn of_this_process(proc: &Proc) -> Result<Vec<String>> {
    of(proc, nix::unistd::getpid())
}

fn of(proc: &Proc, pid: Pid) -> Result<Vec<String>> {
    let name = |number| match proc.open_descriptor(pid, number) {
        Ok((_, name)) => Ok(name.to_string_lossy().into_owned()),
        // A socket or a pipe cannot be opened, only named.
        Err(Errno::ENOENT) => Ok(String::new()),
        Err(errno) => Err(errno).with_context(|| format!("look at descriptor {number}")),
    };
    STREAMS.map(name).collect()
}

/// What a checkpoint knows of the streams.
pub struct Streams {
    /// The file's content.
    names: Vec<String>,
    /// Files of the host that the container cannot see, for CRIU: `file[MOUNT:INODE]`.
    pub external: Vec<String>,
}

impl Streams {
    /// `recorded` is what they were when the container was made; what the program itself has put there since is its own.
    pub fn look(proc: &Proc, init: Pid, recorded: &[String]) -> Result<Self> {
        let mut names = match recorded.is_empty() {
            true => of(proc, init)?,
            false => recorded.to_vec(),
        };
        let text = proc.read_pid(init, "mountinfo", MOUNTINFO_LIMIT).context("read init's mounts")?;
        let mountinfo = Mountinfo::parse(&text);
        let mut external = Vec::new();
        for (number, name) in STREAMS.zip(&mut names) {
            let Some(id) = external_file(proc, init, number, &mountinfo)? else { continue };
            name.clone_from(&id);
            if !external.contains(&id) {
                external.push(id);
            }
        }
        Ok(Self { names, external })
    }

    pub fn write(&self, images: &OwnedFd) -> Result<()> {
        let text = serde_json::to_vec(&self.names).context("encode descriptors")?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(images, FILE, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("make {FILE} in the image directory"))?;
        fd::write_all(file.as_fd(), &text).with_context(|| format!("write {FILE}"))
    }
}

/// CRIU's name of a file, or of a device like /dev/null, that is on none of the container's mounts.
fn external_file(proc: &Proc, init: Pid, number: i32, mountinfo: &Mountinfo) -> Result<Option<String>> {
    let looking = || format!("look at init's descriptor {number}");
    let file = match proc.open_descriptor(init, number) {
        Ok((file, _)) => file,
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(errno).with_context(looking),
    };
    let stat = fstat(&file).with_context(looking)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let is_plain = kind == SFlag::S_IFREG
        || (kind == SFlag::S_IFCHR && major(stat.st_rdev) == MEMORY_DEVICES);
    let mount = mount_id(file.as_fd()).with_context(looking)?;
    let is_external = is_plain && mountinfo.get(mount).is_none();
    Ok(is_external.then(|| format!("file[{mount:x}:{:x}]", stat.st_ino)))
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
            inherited.push(InheritedDescriptor { key, number });
        }
    }
    Ok(inherited)
}

/// `pipe:[7]`, `file[1a:2b]`.
fn is_replaceable(name: &str) -> bool {
    let within = |start: &str| name.strip_prefix(start)?.strip_suffix(']');
    let is_number = |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match (within("pipe:["), within("file[")) {
        (Some(inode), _) => is_number(inode),
        (_, Some(file)) => file.split_once(':').is_some_and(|(mount, inode)| is_number(mount) && is_number(inode)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_pipes_and_files_are_believed() {
        let cases = [
            ("pipe:[123]", true),
            ("file[1a:2bc]", true),
            ("pipe:[]", false),
            ("pipe:[1]]:x", false),
            ("file[1:2:3]", false),
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
    fn a_pipe_is_named_as_the_kernel_does() {
        let proc = Proc::open().unwrap();
        let names = of_this_process(&proc).unwrap();
        assert_eq!(names.len(), 3);
        assert_eq!(names[0], std::fs::read_link("/proc/self/fd/0").unwrap().to_string_lossy());
    }
}
