//! Checkpoint and restore through CRIU: a program that counts in its memory alone goes on counting.

mod connections;
mod counter;
mod failures;
mod foreground;
mod kinds;
mod memory;
mod namespaces;
mod open_files;
mod options;
mod shared_mounts;
mod stand_in;
mod terminals;
mod told;

use crate::support::{Outcome, is_peer, skip};

/// Runs a test in which another program stands for CRIU.
fn with_stand_in(test: impl FnOnce() -> Outcome) -> Outcome {
    match is_peer() {
        true => skip("a peer talks to criu in another order"),
        false => test(),
    }
}
