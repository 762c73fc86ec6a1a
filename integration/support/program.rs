//! Files that are going to be executed, written by another process: while one of ours has such a file open for
//! writing, a child that another thread is just starting inherits that, and until its own execve the kernel answers
//! ETXTBSY to whoever executes the file (`man 2 execve`).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

const BUSYBOX: &str = "/bin/busybox";

/// A copy of a program, with its mode.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new(BUSYBOX).args(["cp", "-p", "--"]).arg(from).arg(to).status();
    let status = status.context("the tests need busybox-static")?;
    ensure!(status.success(), "cannot copy {from:?} to {to:?}");
    Ok(())
}

/// A script that anybody may execute.
pub fn script(place: &Path, text: &str) -> Result<()> {
    let words = ["sh", "-c", "cat > \"$0\" && chmod 0755 \"$0\""];
    let mut writer = Command::new(BUSYBOX).args(words).arg(place).stdin(Stdio::piped()).spawn()?;
    let mut input = writer.stdin.take().context("its standard input")?;
    input.write_all(text.as_bytes())?;
    drop(input);
    ensure!(writer.wait()?.success(), "cannot write {place:?}");
    Ok(())
}
