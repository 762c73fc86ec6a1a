//! The neighbour that swaps two names of a shared directory, as fast as the kernel lets it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// When a race that begins now has been run for long enough: 20 seconds with `TRUG_LONG`.
pub fn end() -> Instant {
    let long = std::env::var_os("TRUG_LONG").is_some();
    Instant::now() + Duration::from_secs(if long { 20 } else { 1 })
}

/// Swaps until it is dropped.
pub struct Racer {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Racer {
    pub fn swap(a: &Path, b: &Path) -> Self {
        let (a, b): (PathBuf, PathBuf) = (a.into(), b.into());
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // One of the two can be missing for a moment; then there is nothing to swap.
                if renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_ok() {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, swaps, thread: Some(thread) }
    }

    /// Repeats `attempt` for as long as a race is to be run, and at least 20 times.
    pub fn against(&self, mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
        let end = end();
        let mut attempts = 0;
        while attempts < 20 || Instant::now() < end {
            attempt()?;
            attempts += 1;
        }
        ensure!(self.swaps.load(Ordering::Relaxed) > attempts, "the racer hardly ran");
        Ok(())
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic.
            let _ = thread.join();
        }
    }
}
