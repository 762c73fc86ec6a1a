//! Help for unit tests that change namespaces, credentials, signals or the working directory: they do it in a
//! forked child, so that the other tests of the same program never notice.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::process::exit_now;

/// Runs `body` in a forked child and fails if the child panics, with the child's message and place.
pub fn in_child(body: impl FnOnce()) {
    let (reader, writer) = nix::unistd::pipe().expect("pipe");
    // SAFETY: glibc's fork keeps malloc usable in the child, which is all that `body` needs of the other threads.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            drop(reader);
            let writer = writer.as_fd().try_clone_to_owned().expect("dup");
            let pipe = std::fs::File::from(writer);
            std::panic::set_hook(Box::new(move |info| drop(write!(&pipe, "{info}"))));
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

/// An empty directory that is removed with all its content when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("trug-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("make a scratch directory");
        Self(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
