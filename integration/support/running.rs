//! A command that is under way, its output read as it comes.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{deadline, process};

/// What a reader thread has seen so far, and a bell for who waits for more.
#[derive(Default)]
pub struct Transcript {
    seen: Mutex<Seen>,
    bell: Condvar,
}

#[derive(Default)]
struct Seen {
    text: String,
    ended: bool,
}

impl Transcript {
    /// Reads `source` to its end on a thread of its own.
    pub fn of(mut source: impl Read + Send + 'static) -> Arc<Self> {
        let transcript = Arc::new(Self::default());
        let writer = Arc::clone(&transcript);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                // A terminal's master answers EIO when its last slave is closed: that is its end.
                let count = source.read(&mut buffer).unwrap_or(0);
                let mut seen = writer.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                seen.text.push_str(&String::from_utf8_lossy(&buffer[..count]));
                seen.ended = count == 0;
                writer.bell.notify_all();
                if seen.ended {
                    return;
                }
            }
        });
        transcript
    }

    pub fn text(&self) -> String {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).text.clone()
    }

    /// Waits until `wanted` has come, and answers all text up to now.
    pub fn wait_for(&self, wanted: &str) -> Result<String> {
        self.wait(|seen| seen.text.contains(wanted), &format!("{wanted:?}"))
    }

    /// Waits for the end, and answers all text.
    pub fn wait_end(&self) -> Result<String> {
        self.wait(|seen| seen.ended, "the end")
    }

    fn wait(&self, reached: impl Fn(&Seen) -> bool, what: &str) -> Result<String> {
        let end = Instant::now() + deadline();
        let mut seen = self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        loop {
            if reached(&seen) {
                return Ok(seen.text.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if seen.ended || left.is_zero() {
                bail!("waited for {what}, but saw only {:?}", seen.text);
            }
            let waited = self.bell.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

/// A child of ours; killed when dropped.
pub struct Running {
    label: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Arc<Transcript>>,
    stderr: Option<Arc<Transcript>>,
}

impl Running {
    pub fn new(label: String, mut child: Child) -> Result<Self> {
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(Transcript::of);
        let stderr = child.stderr.take().map(Transcript::of);
        Ok(Self { label, child, stdin, stdout, stderr })
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.pid()).context("a pid is positive")?;
        Ok(kill_process(pid, signal)?)
    }

    pub fn write(&mut self, text: &str) -> Result<()> {
        self.stdin.as_mut().context("standard input is closed")?.write_all(text.as_bytes())?;
        Ok(())
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until this has been written to standard output.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        let transcript = self.stdout.as_ref().context("standard output is not a pipe")?;
        transcript.wait_for(text).with_context(|| format!("{}; stderr: {}", self.label, self.stderr()))
    }

    /// The same of standard error.
    pub fn wait_for_error(&self, text: &str) -> Result<String> {
        let transcript = self.stderr.as_ref().context("standard error is not a pipe")?;
        transcript.wait_for(text).with_context(|| self.label.clone())
    }

    pub fn stderr(&self) -> String {
        self.stderr.as_ref().map(|transcript| transcript.text()).unwrap_or_default()
    }

    /// Waits for its end; kills it at the deadline, which fails the test.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.stdin = None;
        if process::ends_within(&self.child, deadline())? {
            return Ok(self.child.wait()?);
        }
        bail!("{} still runs after {:?}; stderr: {}", self.label, deadline(), self.stderr());
    }

    /// Waits for its end and of what it writes, and answers the status (-N for signal N) and
    /// standard output.
    pub fn finish(&mut self) -> Result<(i32, String)> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.wait()?;
        let text = match &self.stdout {
            Some(transcript) => transcript.wait_end()?,
            None => String::new(),
        };
        Ok((status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)), text))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            process::kill_group(&self.child);
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
