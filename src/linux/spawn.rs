//! Programs of the host that we start by `std::process::Command` (hooks, ps).

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the program start with every signal unblocked and at its default, whatever we block to read
/// by descriptor. (std restores only what it changed itself.)
pub fn reset_signals(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes system calls only: no allocation, no
    // lock, no access to memory that another thread could be changing (there is none).
    unsafe {
        command.pre_exec(|| super::signal::reset().map_err(std::io::Error::from));
    }
}
