//! /proc through a handle that is known to be a real procfs (security rule R6): opened once, before anything
//! hostile exists; every file below it by openat2 BENEATH|NO_XDEV|NO_MAGICLINKS|NO_SYMLINKS.
//! Nothing here may follow a link or a mount that a container could have put there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::Pid;
use procfs::FromRead;

use super::syscall::over_interrupts;
use super::{Errno, Result, fd};

/// PROC_ROOT_INO (linux/proc_fs.h): the root directory of every procfs.
const PROC_ROOT_INODE: u64 = 1;
/// NSFS_MAGIC (linux/magic.h).
const NSFS_MAGIC: FsType = FsType(libc::NSFS_MAGIC as _);
/// A stat file is one line of some 50 numbers and a name of 16 bytes.
const STAT_BYTES: usize = 4096;

pub struct Proc(OwnedFd);

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Proc {
    /// Opens /proc (O_PATH) and proves that it is the root of a procfs; EXDEV if not.
    pub fn open() -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let proc = fd::open("/proc", flags)?;
        require(&proc, PROC_SUPER_MAGIC)?;
        if fstat(&proc)?.st_ino != PROC_ROOT_INODE {
            return Err(Errno::EXDEV);
        }
        Ok(Self(proc))
    }

    /// Another descriptor of it.
    pub fn try_clone(&self) -> Result<Self> {
        self.0
            .try_clone()
            .map(Self)
            .map_err(|error| error.raw_os_error().map_or(Errno::EBADF, Errno::from_raw))
    }

    /// A file of the calling process: `open_self("attr/exec", …)`. Works in a child pid namespace too: this procfs
    /// knows the caller by its own number, which `self` tells and getpid does not.
    pub fn open_self(&self, name: &str, flags: OFlag) -> Result<OwnedFd> {
        self.open_pid(self.own_pid()?, name, flags)
    }

    /// ENOENT or ESRCH: there is no such process (any more).
    pub fn open_pid(&self, pid: Pid, name: &str, flags: OFlag) -> Result<OwnedFd> {
        require_plain(name)?;
        self.open_below(&format!("{pid}/{name}"), flags)
    }

    /// A namespace file of a process (a magic link, allowed here alone, by O_PATH of `ns` and one component).
    pub fn open_namespace(&self, pid: Pid, name: &str) -> Result<OwnedFd> {
        let directory = self.open_pid(pid, "ns", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let namespace = open_link(&directory, name, OFlag::O_RDONLY)?;
        require(&namespace, NSFS_MAGIC)?;
        Ok(namespace)
    }

    /// A namespace file of the calling process: `time_for_children` and the like.
    pub fn open_own_namespace(&self, name: &str) -> Result<OwnedFd> {
        self.open_namespace(self.own_pid()?, name)
    }

    /// The root directory that a process sees, in its own mount namespace (a magic link, as above).
    pub fn open_root(&self, pid: Pid) -> Result<OwnedFd> {
        let directory = self.open_pid(pid, "", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        open_link(&directory, "root", OFlag::O_PATH | OFlag::O_DIRECTORY)
    }

    /// What the kernel calls that which a descriptor of a process is open on (`pipe:[7]`, a path of that process).
    /// ENOENT: it has no such descriptor.
    pub fn descriptor_name(&self, pid: Pid, number: i32) -> Result<PathBuf> {
        let directory = self.open_pid(pid, "fd", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        readlinkat(&directory, number.to_string().as_str()).map(PathBuf::from)
    }

    /// The program that this process runs: the file itself, whatever its name says today.
    pub fn open_own_executable(&self, flags: OFlag) -> Result<OwnedFd> {
        open_link(&self.own_directory()?, "exe", flags)
    }

    /// What the kernel calls that file: only a hint, as names go (` (deleted)` at the end, or of another root).
    pub fn own_executable_name(&self) -> Result<PathBuf> {
        readlinkat(self.own_directory()?, "exe").map(PathBuf::from)
    }

    /// One write(2) to a file of the calling process; EIO if the kernel did not take it whole.
    pub fn write_self(&self, name: &str, value: &[u8]) -> Result<()> {
        write_once(self.open_self(name, OFlag::O_WRONLY)?, value)
    }

    pub fn write_pid(&self, pid: Pid, name: &str, value: &[u8]) -> Result<()> {
        write_once(self.open_pid(pid, name, OFlag::O_WRONLY)?, value)
    }

    /// One write(2) to /proc/sys/`key` (with slashes) of the caller's namespaces.
    pub fn write_sysctl(&self, key: &str, value: &str) -> Result<()> {
        write_once(self.open_below(&format!("sys/{key}"), OFlag::O_WRONLY)?, value.as_bytes())
    }

    /// EFBIG above `limit` bytes, as for all that read here.
    pub fn read_self(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        read_whole(self.open_self(name, OFlag::O_RDONLY)?, limit)
    }

    pub fn read_pid(&self, pid: Pid, name: &str, limit: usize) -> Result<Vec<u8>> {
        read_whole(self.open_pid(pid, name, OFlag::O_RDONLY)?, limit)
    }

    /// A file outside the process directories: `read("sys/kernel/random/boot_id")`, `read("filesystems")`.
    pub fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        read_whole(self.open_below(name, OFlag::O_RDONLY)?, limit)
    }

    /// State, parent and start time of a process. ENOENT or ESRCH: there is no such process (any more).
    pub fn stat(&self, pid: Pid) -> Result<ProcessStat> {
        // One line, which the kernel makes whole for the first read that has room for it.
        let mut line = [0; STAT_BYTES];
        let count = super::fd::read(self.open_pid(pid, "stat", OFlag::O_RDONLY)?.as_fd(), &mut line)?;
        ProcessStat::parse(&line[..count]).ok_or(Errno::EBADMSG)
    }

    /// The caller's pid as this procfs counts. ENOENT: the caller is not in its pid namespace, nor in one below.
    fn own_pid(&self) -> Result<Pid> {
        let target = readlinkat(&self.0, "self")?;
        let number = target.to_str().and_then(|target| target.parse().ok()).ok_or(Errno::EBADMSG)?;
        Ok(Pid::from_raw(number))
    }

    fn own_directory(&self) -> Result<OwnedFd> {
        self.open_self("", OFlag::O_PATH | OFlag::O_DIRECTORY)
    }

    fn open_below(&self, name: &str, flags: OFlag) -> Result<OwnedFd> {
        require_plain(name)?;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_XDEV
                | ResolveFlag::RESOLVE_NO_MAGICLINKS
                | ResolveFlag::RESOLVE_NO_SYMLINKS,
        );
        over_interrupts(|| openat2(&self.0, name, how))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    /// `R`, `S`, `D`, `Z`, …
    pub state: char,
    pub parent: i32,
    /// Field 22, clock ticks since boot.
    pub start_time: u64,
}

impl ProcessStat {
    /// `man 5 proc_pid_stat`. The name of the program, field 2, may hold spaces and parentheses: the last one ends it.
    fn parse(text: &[u8]) -> Option<Self> {
        let stat = procfs::process::Stat::from_read(text).ok()?;
        Some(Self { state: stat.state, parent: stat.ppid, start_time: stat.starttime })
    }
}

/// RESOLVE_BENEATH would let `net/../kernel` be: a name means the file that it names.
fn require_plain(name: &str) -> Result<()> {
    let plain = Path::new(name).components().all(|component| matches!(component, Component::Normal(_)));
    if plain { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Follows one magic link of a verified directory.
fn open_link(directory: &OwnedFd, name: &str, flags: OFlag) -> Result<OwnedFd> {
    if name.is_empty() || name.contains('/') || name == ".." {
        return Err(Errno::EINVAL);
    }
    openat(directory, name, flags | OFlag::O_CLOEXEC, Mode::empty())
}

fn require(fd: &OwnedFd, filesystem: FsType) -> Result<()> {
    if fstatfs(fd)?.filesystem_type() == filesystem { Ok(()) } else { Err(Errno::EXDEV) }
}

fn write_once(file: OwnedFd, value: &[u8]) -> Result<()> {
    let written = over_interrupts(|| nix::unistd::write(&file, value))?;
    if written == value.len() { Ok(()) } else { Err(Errno::EIO) }
}

fn read_whole(file: OwnedFd, limit: usize) -> Result<Vec<u8>> {
    super::fd::read_to_end(file.as_fd(), limit)
}

#[cfg(test)]
mod tests {
    use nix::unistd::getpid;

    use super::super::clone::{CloneArgs, Cloned, clone3};
    use super::super::namespace::{Kind, kind_of, unshare};
    use super::super::pidfd::{Exit, reap};
    use super::super::process::exit_now;
    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn names_that_leave_their_directory_are_refused() {
        let proc = Proc::open().unwrap();
        for key in ["net/../kernel/hostname", "../self/comm", "/etc/passwd", "..", "./kernel/hostname"] {
            assert_eq!(proc.read(key, 100), Err(Errno::EINVAL), "{key}");
            assert_eq!(proc.write_self(key, b""), Err(Errno::EINVAL), "{key}");
        }
    }

    #[test]
    fn links_are_never_followed_but_namespaces() {
        let proc = Proc::open().unwrap();
        for name in ["exe", "cwd", "root", "fd/0", "ns/net"] {
            assert_eq!(proc.open_self(name, OFlag::O_RDONLY).unwrap_err(), Errno::ELOOP, "{name}");
        }
        assert_eq!(proc.read("self/comm", 100), Err(Errno::ELOOP));
        assert_eq!(proc.read("mounts", 100), Err(Errno::ELOOP));
        let net = proc.open_namespace(getpid(), "net").unwrap();
        assert_eq!(kind_of(net.as_fd()), Some(Kind::Network));
        for name in ["..", "net/../mnt", "", "."] {
            assert!(proc.open_namespace(getpid(), name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_own_executable_is_this_program() {
        let exe = Proc::open().unwrap().open_own_executable(OFlag::O_PATH).unwrap();
        let expected = nix::sys::stat::stat("/proc/self/exe").unwrap();
        let stat = fstat(exe).unwrap();
        assert_eq!((stat.st_dev, stat.st_ino), (expected.st_dev, expected.st_ino));
    }

    #[test]
    fn a_handle_from_outside_finds_the_caller_in_a_child_pid_namespace() {
        in_child(|| {
            let proc = Proc::open().unwrap();
            let args = CloneArgs { namespaces: &[Kind::Pid], cgroup: None, sibling: false };
            match clone3(&args).unwrap() {
                Cloned::Child => {
                    // Its own pid is 1 here; the handle must not show it the host's process 1.
                    let written = proc.write_self("comm", b"innermost");
                    let name = proc.read_self("comm", 100);
                    exit_now(i32::from(written.is_err() || name.as_deref() != Ok(b"innermost\n")));
                }
                Cloned::Parent { pidfd, .. } => assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Code(0))),
            }
        });
    }

    #[test]
    fn a_mount_over_a_file_is_not_crossed() {
        in_child(|| {
            let before = Proc::open().unwrap();
            unshare(Kind::Mount).unwrap();
            private_tree();
            let proc = Proc::open().unwrap();
            proc.write_self("oom_score_adj", b"0").unwrap();
            let own = format!("/proc/{}", getpid());
            bind("/proc/version", &format!("{own}/oom_score_adj"));
            bind("/etc", "/proc/sys");
            assert_eq!(proc.write_self("oom_score_adj", b"0"), Err(Errno::EXDEV));
            assert_eq!(proc.write_sysctl("kernel/hostname", "x"), Err(Errno::EXDEV));
            bind("/etc/passwd", &format!("{own}/comm"));
            assert_eq!(proc.read_self("comm", 100), Err(Errno::EXDEV));
            assert!(
                before.write_self("oom_score_adj", b"0").is_ok(),
                "mounts made later are not on an older handle"
            );
        });
    }

    #[test]
    fn what_only_looks_like_procfs_is_not_opened() {
        in_child(|| {
            unshare(Kind::Mount).unwrap();
            private_tree();
            bind("/proc/sys", "/proc");
            assert_eq!(Proc::open().map(drop), Err(Errno::EXDEV), "a procfs, but not its root");
            bind("/etc", "/proc");
            assert_eq!(Proc::open().map(drop), Err(Errno::EXDEV));
        });
    }

    #[test]
    fn a_sysctl_is_written_in_the_callers_namespace() {
        in_child(|| {
            let proc = Proc::open().unwrap();
            let before = proc.read("sys/kernel/hostname", 100).unwrap();
            unshare(Kind::Uts).unwrap();
            proc.write_sysctl("kernel/hostname", "inside").unwrap();
            assert_eq!(proc.read("sys/kernel/hostname", 100).unwrap(), b"inside\n");
            assert_eq!(proc.write_sysctl("kernel/nonexistent", "1"), Err(Errno::ENOENT));
            assert_ne!(before, b"inside\n");
        });
    }

    #[test]
    fn stat_is_parsed_around_any_program_name() {
        let tail = "S 42 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 98765 0 0 18446744073709551615 1 1 0 0 0 0 0 0 0 \
                    0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let expected = ProcessStat { state: 'S', parent: 42, start_time: 98765 };
        for name in ["sh", "a b", ") (", "x) R 1 (y", ""] {
            assert_eq!(
                ProcessStat::parse(format!("7 ({name}) {tail}\n").as_bytes()),
                Some(expected),
                "{name}"
            );
        }
        for text in ["", "7 (sh", "7 (sh) S 42", "7 (sh) S x 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 98765"]
        {
            assert_eq!(ProcessStat::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_live_process_has_a_stat_and_a_reaped_one_has_none() {
        let proc = Proc::open().unwrap();
        let own = proc.stat(getpid()).unwrap();
        assert_eq!(own.parent, nix::unistd::getppid().as_raw());
        assert!(own.start_time > 0);
        assert_eq!(proc.stat(Pid::from_raw(i32::MAX)), Err(Errno::ENOENT));
    }

    fn private_tree() {
        use super::super::mount::{Propagation, PropagationKind, set_root_propagation};
        set_root_propagation(Propagation { kind: PropagationKind::Private, recursive: true }).unwrap();
    }

    fn bind(source: &str, target: &str) {
        use nix::mount::{MsFlags, mount};
        mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
}
