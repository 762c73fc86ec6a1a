//! What every test stands on: a bundle in a directory of its own, the runtime under test run with a
//! deadline, and a look at the machine afterwards that nothing is left.
//!
//! A test never sleeps: it waits for an event (a process's end, a line, a descriptor) with a deadline.
//! It touches only what it made: its own directory, container ids and cgroup names.

pub mod cgroup;
pub mod config;
pub mod container;
pub mod criu;
pub mod fifo;
pub mod invocation;
pub mod leftovers;
pub mod log;
pub mod output;
pub mod process;
pub mod program;
pub mod rootfs;
pub mod running;
pub mod socket;
pub mod strace;
pub mod terminal;

use std::io::Write;
use std::time::Duration;

pub use config::Config;
pub use container::Container;
pub use fifo::Fifo;
pub use invocation::Invocation;
pub use output::Output;
pub use process::Process;
pub use running::Running;
pub use socket::DescriptorSocket;
pub use terminal::Terminal;

/// What a test answers.
pub type Outcome = anyhow::Result<()>;

/// How long anything may take before it counts as hung: `TRUG_TEST_DEADLINE` seconds, where a machine is slow.
pub fn deadline() -> Duration {
    let given = std::env::var("TRUG_TEST_DEADLINE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(30))
}

/// How often to do what is done `wanted` times: `TRUG_TEST_ROUNDS` at most, where a machine is slow.
pub fn rounds(wanted: u32) -> u32 {
    let most = std::env::var("TRUG_TEST_ROUNDS").ok().and_then(|text| text.parse().ok());
    wanted.min(most.unwrap_or(wanted))
}

/// Ends a test that cannot run here, and says why: on standard error (past libtest's capture), and
/// in the file that `integration/run-tests.sh` counts.
pub fn skip(reason: &str) -> Outcome {
    let thread = std::thread::current();
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    std::io::stderr().write_all(line.as_bytes())?;
    if let Some(path) = std::env::var_os("TRUG_TEST_SKIPS") {
        std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// True where the runtime under test is not trug but a peer, named by `TRUG_BIN`: the suite can be
/// calibrated on one, without the tests of what trug does better.
pub fn is_peer() -> bool {
    std::env::var_os("TRUG_BIN").is_some() && std::env::var_os("TRUG_BIN_IS_TRUG").is_none()
}
