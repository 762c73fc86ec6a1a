//! Programs of the host that we start by `std::process::Command` (hooks, ps).

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// Ties the program's life to ours, and lets it start with every signal unblocked and at its default, whatever we
/// block to read by descriptor. (std restores only what it changed itself.)
pub fn prepare(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let between = move || {
        super::process::set_parent_death_signal(Some(Signal::SIGKILL))?;
        // We may have died before that was set. (A parent in another pid namespace reads as 0.)
        if ![parent, Pid::from_raw(0)].contains(&nix::unistd::getppid()) {
            super::process::exit_now(1);
        }
        super::signal::reset().map_err(std::io::Error::from)
    };
    // SAFETY: the closure runs between fork and exec and makes system calls only: no allocation, no
    // lock, no access to memory that another thread could be changing (there is none).
    unsafe {
        command.pre_exec(between);
    }
}
