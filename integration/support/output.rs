//! What a command answered, and the claims a test makes about it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::ExitStatus;

use std::os::unix::process::ExitStatusExt;

use serde_json::Value;

/// The end of one command. Standard output and error are files, not pipes: a detached container keeps
/// them open, and what it writes later can still be read here.
pub struct Output {
    pub command: String,
    pub exit: ExitStatus,
    stdout: File,
    stderr: File,
}

impl Output {
    pub fn new(command: String, exit: ExitStatus, stdout: File, stderr: File) -> Self {
        Self { command, exit, stdout, stderr }
    }

    /// The exit status; -N where signal N ended the process.
    pub fn status(&self) -> i32 {
        self.exit.code().unwrap_or_else(|| -self.exit.signal().unwrap_or(0))
    }

    /// Standard output up to now, as it is.
    pub fn raw_stdout(&self) -> String {
        text_of(&self.stdout)
    }

    /// Standard output up to now, without the blank space around it.
    pub fn stdout(&self) -> String {
        self.raw_stdout().trim().replace("\r\n", "\n")
    }

    /// Standard error up to now.
    pub fn stderr(&self) -> String {
        text_of(&self.stderr).trim().to_string()
    }

    /// Both, for who does not care which.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout(), self.stderr())
    }

    /// The lines of standard output.
    pub fn lines(&self) -> Vec<String> {
        self.stdout().lines().map(str::to_string).collect()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.stdout();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// Claims that it succeeded.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        assert_eq!(self.status(), 0, "it should have succeeded: {self}");
        self
    }

    /// Claims that it succeeded and printed exactly this.
    #[track_caller]
    pub fn prints(&self, expected: &str) -> &Self {
        self.ok();
        assert_eq!(self.stdout(), expected, "{self}");
        self
    }

    /// Claims that it succeeded and printed this among other things.
    #[track_caller]
    pub fn says(&self, expected: &str) -> &Self {
        self.ok();
        assert!(self.stdout().contains(expected), "{expected:?} should be in: {self}");
        self
    }

    /// Claims an exit status.
    #[track_caller]
    pub fn exits(&self, status: i32) -> &Self {
        assert_eq!(self.status(), status, "{self}");
        self
    }

    /// Claims that it failed with this status and said this on standard error.
    #[track_caller]
    pub fn fails(&self, status: i32, text: &str) -> &Self {
        self.exits(status);
        assert!(self.stderr().contains(text), "{text:?} should be on standard error: {self}");
        self
    }

    /// Claims that it failed, whatever it said, with an answer rather than a crash.
    #[track_caller]
    pub fn refused(&self) -> &Self {
        let status = self.status();
        assert!(matches!(status, 1 | 255), "it should have been refused: {self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stdout, stderr) = (self.raw_stdout(), self.stderr());
        writeln!(f, "`{}` exited with {}", self.command, self.status())?;
        write!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

/// The whole of a file, without moving the offset that a writer may share with us.
fn text_of(file: &File) -> String {
    let length = file.metadata().map(|data| data.len()).unwrap_or(0);
    let mut bytes = vec![0; length as usize];
    let read = file.read_at(&mut bytes, 0).unwrap_or(0);
    bytes.truncate(read);
    String::from_utf8_lossy(&bytes).into_owned()
}
