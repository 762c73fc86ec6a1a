//! Checkpoint and restore through CRIU: a program that counts in its memory alone goes on counting.

mod counter;
mod failures;
mod kinds;
mod options;
mod shared_mounts;

use crate::support::{Outcome, criu, skip};

/// Runs a test where checkpoints can be made.
fn with_criu(test: impl FnOnce() -> Outcome) -> Outcome {
    match criu::lacks() {
        Some(reason) => skip(reason),
        None => test(),
    }
}
