//! clone3: the one fork of trug (`man 2 clone3`).
//! Only a single-threaded process may call it: the child goes on in the same image, and a lock that another
//! thread held would stay locked for ever.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::unistd::Pid;

use super::Result;
use super::namespace::Kind;
use super::syscall::value;

/// CLONE_INTO_CGROUP (linux/sched.h), Linux 5.7; wider than the `c_int` of libc's constant.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args` of linux/sched.h, as of CLONE_ARGS_SIZE_VER2 (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct RawCloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What the new process gets.
pub struct CloneArgs<'a> {
    pub namespaces: &'a [Kind],
    /// CLONE_INTO_CGROUP: the directory of a v2 cgroup.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// CLONE_PARENT: a sibling, child of our own parent.
    pub sibling: bool,
}

pub enum Cloned {
    Parent { pid: Pid, pidfd: OwnedFd },
    Child,
}

/// Forks with clone3(CLONE_PIDFD | …, SIGCHLD). The pidfd is close-on-exec.
///
/// Errors are those of the manual page; EBUSY and EOPNOTSUPP are the cgroup's refusal.
pub fn clone3(args: &CloneArgs) -> Result<Cloned> {
    debug_assert!(cfg!(test) || is_single_threaded(), "clone3 in a process with threads");
    let mut pidfd: RawFd = -1;
    let mut raw = RawCloneArgs {
        flags: args.namespaces.iter().fold(libc::CLONE_PIDFD as u64, |flags, kind| flags | kind.flag()),
        pidfd: (&raw mut pidfd).addr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..RawCloneArgs::default()
    };
    if let Some(cgroup) = args.cgroup {
        raw.flags |= CLONE_INTO_CGROUP;
        raw.cgroup = cgroup.as_raw_fd() as u64;
    }
    if args.sibling {
        // The kernel gives a sibling our own exit signal, and refuses one of its own.
        raw.flags |= libc::CLONE_PARENT as u64;
        raw.exit_signal = 0;
    }
    // SAFETY: no CLONE_VM and no new stack, so the child has its own copy of everything and returns here as after
    // fork; `raw` and `pidfd` outlive the call.
    let pid = value(unsafe { libc::syscall(libc::SYS_clone3, &raw mut raw, size_of::<RawCloneArgs>()) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: CLONE_PIDFD stored a new descriptor there.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent { pid: Pid::from_raw(pid as libc::pid_t), pidfd })
}

/// unshare(CLONE_THREAD) changes nothing in a process of one thread and is EINVAL in any other (`man 2 unshare`).
fn is_single_threaded() -> bool {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_THREAD).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::super::pidfd::{Exit, reap};
    use super::super::process::exit_now;
    use super::super::testing::in_child;
    use super::*;

    fn plain() -> CloneArgs<'static> {
        CloneArgs { namespaces: &[], cgroup: None, sibling: false }
    }

    #[test]
    fn a_clone_is_a_child_with_a_close_on_exec_pidfd() {
        in_child(|| match clone3(&plain()).unwrap() {
            Cloned::Child => exit_now(7),
            Cloned::Parent { pid, pidfd } => {
                assert!(pid.as_raw() > 0);
                let flags = nix::fcntl::fcntl(&pidfd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
                assert_eq!(flags, libc::FD_CLOEXEC);
                assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Code(7)));
            }
        });
    }

    #[test]
    fn a_clone_in_a_new_pid_namespace_is_process_one() {
        in_child(|| match clone3(&CloneArgs { namespaces: &[Kind::Pid, Kind::Ipc], ..plain() }).unwrap() {
            Cloned::Child => exit_now(nix::unistd::getpid().as_raw()),
            Cloned::Parent { pidfd, .. } => assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Code(1))),
        });
    }

    #[test]
    fn an_abort_ends_the_clone_and_not_its_parent() {
        in_child(|| match clone3(&plain()).unwrap() {
            Cloned::Child => std::process::abort(),
            Cloned::Parent { pidfd, .. } => assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Signal(libc::SIGABRT))),
        });
    }

    #[test]
    fn a_sibling_is_a_child_of_our_parent() {
        in_child(|| {
            let (reader, writer) = nix::unistd::pipe().unwrap();
            let me = nix::unistd::getpid();
            match clone3(&plain()).unwrap() {
                Cloned::Child => match clone3(&CloneArgs { sibling: true, ..plain() }) {
                    Ok(Cloned::Child) => exit_now(i32::from(nix::unistd::getppid() != me)),
                    Ok(Cloned::Parent { pid, .. }) => {
                        let written = nix::unistd::write(&writer, &pid.as_raw().to_ne_bytes());
                        exit_now(i32::from(written != Ok(4)))
                    }
                    Err(_) => exit_now(9),
                },
                Cloned::Parent { pidfd, .. } => {
                    let mut pid = [0; 4];
                    nix::unistd::read(&reader, &mut pid).unwrap();
                    let sibling = Pid::from_raw(i32::from_ne_bytes(pid));
                    let sibling = super::super::pidfd::open(sibling).unwrap();
                    assert_eq!(reap(pidfd.as_fd()), Ok(Exit::Code(0)));
                    assert_eq!(reap(sibling.as_fd()), Ok(Exit::Code(0)));
                }
            }
        });
    }

    #[test]
    fn threads_are_noticed() {
        std::thread::spawn(|| assert!(!is_single_threaded())).join().unwrap();
        in_child(|| assert!(is_single_threaded()));
    }

    #[test]
    fn a_descriptor_that_is_no_cgroup_is_an_error() {
        in_child(|| {
            let root = std::fs::File::open("/").unwrap();
            let cloned = clone3(&CloneArgs { cgroup: Some(root.as_fd()), ..plain() });
            assert!(cloned.is_err_and(|errno| errno == super::super::Errno::EBADF));
        });
    }
}
