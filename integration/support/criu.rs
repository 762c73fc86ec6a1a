//! The criu that works here: `integration/criu` has made it, or the machine has it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::Result;

use super::{Container, Invocation, Outcome, Output, skip};

/// Where `integration/criu` puts one that is newer than the distribution's.
fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criu/bin")
}

/// $PATH with the criu to use first.
pub fn path() -> String {
    let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    match own().join("criu").exists() {
        true => format!("{}:{system}", own().display()),
        false => system.to_string(),
    }
}

/// Why no checkpoint can be made here, if so. Asked of criu once; which one it is, is told then, past libtest's capture.
pub fn lacks() -> Option<&'static str> {
    static REASON: OnceLock<Option<&str>> = OnceLock::new();
    *REASON.get_or_init(|| {
        if is_filtered() {
            return Some("criu cannot suspend a program's seccomp filter from under one of its own");
        }
        if !run(&["check"]) {
            return Some("there is no criu that works with this kernel (see integration/criu)");
        }
        // Nobody need be there to read it.
        let _ = writeln!(std::io::stderr(), "criu: {}", version());
        None
    })
}

/// Whether a seccomp filter is in force for these tests, as in `make test-older-kernel` (`man 5 proc_pid_status`).
fn is_filtered() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp:\t2\n"))
}

/// Runs a test where checkpoints can be made.
pub fn with_criu(test: impl FnOnce() -> Outcome) -> Outcome {
    match lacks() {
        Some(reason) => skip(reason),
        None => test(),
    }
}

/// `checkpoint` or `restore` of a container, with these images and flags.
pub fn invocation(container: &Container, command: &str, images: &Path, flags: &[&str]) -> Invocation {
    let images = images.to_string_lossy().into_owned();
    let words = [command, "--image-path", &images].into_iter().chain(flags.iter().copied());
    container.runtime(words.chain([container.id.as_str()])).env("PATH", path())
}

/// What it answers.
pub fn command_on(container: &Container, command: &str, images: &Path, flags: &[&str]) -> Result<Output> {
    invocation(container, command, images, flags).output()
}

/// Whether it finds a feature in this kernel (`criu check --feature`).
pub fn has(feature: &str) -> bool {
    run(&["check", "--feature", feature])
}

/// `4.2.1`, and the first places that it is looked for in.
fn version() -> String {
    let output = Command::new("criu").arg("--version").env("PATH", path()).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("Version: ").to_string();
    format!("{first}, by PATH={}", path())
}

fn run(arguments: &[&str]) -> bool {
    let mut command = Command::new("criu");
    command.args(arguments).env("PATH", path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
