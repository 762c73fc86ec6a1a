//! Help for unit tests that change namespaces, credentials, signals or the working directory: they do it in a
//! forked child, so that the other tests of the same program never notice.

use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::process::exit_now;

/// Where a forked child reports a panic; -1 in the test program itself.
static REPORT: AtomicI32 = AtomicI32::new(-1);

/// Runs `body` in a forked child and fails if the child panics, with the child's message and place.
pub fn in_child(body: impl FnOnce()) {
    install_report();
    let (reader, writer) = nix::unistd::pipe().expect("pipe");
    // SAFETY: the C library's fork keeps its malloc, which tests use, usable in the child: all that `body` needs of the
    // other threads.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            drop(reader);
            REPORT.store(writer.as_raw_fd(), Ordering::Relaxed);
            exit_now(i32::from(catch_unwind(AssertUnwindSafe(body)).is_err()));
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut message = String::new();
            std::fs::File::from(reader).read_to_string(&mut message).expect("read the child's panic");
            let status = waitpid(child, None).expect("wait for the child");
            assert_eq!(status, WaitStatus::Exited(child, 0), "in the child: {message}");
        }
    }
}

/// One panic hook for the whole program, set before the first fork: a child cannot set its own, since another thread
/// may hold the hook's lock at the instant of the fork.
fn install_report() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match REPORT.load(Ordering::Relaxed) {
            -1 => usual(info),
            fd => {
                // SAFETY: the child holds its end of the pipe until it exits; if a test closes it, that is EBADF.
                let report = unsafe { BorrowedFd::borrow_raw(fd) };
                // Without a report, the status still tells that it failed.
                let _ = nix::unistd::write(report, info.to_string().as_bytes());
            }
        }));
    });
}

/// An empty directory that is removed with all its content when dropped.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        // A name that no earlier run can have left behind.
        Self(tempfile::Builder::new().prefix("trug-test-").tempdir().expect("make a scratch directory"))
    }
    pub fn path(&self) -> &Path {
        self.0.path()
    }
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}
