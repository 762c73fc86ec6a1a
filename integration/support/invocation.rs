//! One run of a program: its words, environment and standard streams, with a deadline.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Output, Running, Terminal, deadline, process};

/// The runtime under test: `TRUG_BIN`, or the trug that cargo has just built.
pub fn runtime() -> PathBuf {
    std::env::var_os("TRUG_BIN").map_or_else(|| env!("CARGO_BIN_EXE_trug").into(), PathBuf::from)
}

/// A command to be run.
pub struct Invocation {
    words: Vec<OsString>,
    wrapper: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    stdin: Vec<u8>,
}

impl Invocation {
    /// A program and its arguments. The environment is small and the same for everyone.
    pub fn new<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let environment = vec![("PATH".into(), path.into()), ("HOME".into(), "/root".into())];
        let words = words.into_iter().map(|word| word.as_ref().to_os_string()).collect();
        let (wrapper, directory, stdin) = (Vec::new(), None, Vec::new());
        Self { words, wrapper, environment, directory, stdin }
    }

    /// The runtime under test with these arguments.
    pub fn runtime<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut invocation = Self::new([runtime()]);
        invocation.words.extend(arguments.into_iter().map(|word| word.as_ref().to_os_string()));
        invocation
    }

    /// Runs it through another command (`strace …`, `sh -c 'exec 7</x "$@"' sh`); the last one
    /// given is the outermost.
    pub fn under<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        let mut wrapper: Vec<_> = words.into_iter().map(|word| word.as_ref().to_os_string()).collect();
        wrapper.append(&mut self.wrapper);
        self.wrapper = wrapper;
        self
    }

    /// Runs it from a shell that has first done `set_up` (redirections, umask, ulimit, trap).
    pub fn after(self, set_up: &str) -> Self {
        self.under(["/bin/bash", "-c", &format!("{set_up}; exec \"$@\""), "bash"])
    }

    /// One more word.
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_os_string());
        self
    }

    /// Runs it where the unified cgroup tree of a hybrid machine stands alone at /sys/fs/cgroup, in a
    /// mount namespace of its own.
    pub fn on_unified_alone(self) -> Self {
        let set_up = "mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup";
        self.after(set_up).under(["unshare", "--mount"])
    }

    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((key.into(), value.as_ref().to_os_string()));
        self
    }

    /// Starts in this directory.
    pub fn from(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_path_buf());
        self
    }

    pub fn stdin(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdin = text.as_ref().to_vec();
        self
    }

    /// Runs it to its end; kills it at the deadline, which fails the test.
    pub fn output(&self) -> Result<Output> {
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut command = self.command();
        command.stdin(self.stdin_file()?).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("start {}", self.label()))?;
        let ended = process::ends_within(&child, deadline())?;
        if !ended {
            process::kill_group(&child);
        }
        let output = Output::new(self.label(), child.wait()?, stdout, stderr);
        match ended {
            true => Ok(output),
            false => bail!("still running after {:?}, killed: {output}", deadline()),
        }
    }

    /// Starts it with pipes for all three streams.
    pub fn spawn(&self) -> Result<Running> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = command.spawn().with_context(|| format!("start {}", self.label()))?;
        Running::new(self.label(), child)
    }

    /// Starts it as the leader of a session whose controlling terminal, and stdio, is `terminal`.
    pub fn spawn_on(&self, terminal: &Terminal) -> Result<Running> {
        let mut words: Vec<OsString> = vec!["setsid".into(), "--ctty".into()];
        words.extend(self.all_words());
        let mut command = command_of(&words);
        self.dress(&mut command);
        let side = || -> Result<OwnedFd> { terminal.slave() };
        command.stdin(side()?).stdout(side()?).stderr(side()?);
        let child = command.spawn().with_context(|| format!("start {} on a terminal", self.label()))?;
        Running::new(self.label(), child)
    }

    fn command(&self) -> Command {
        let mut command = command_of(&self.all_words());
        self.dress(&mut command);
        command
    }

    fn dress(&self, command: &mut Command) {
        command.env_clear().envs(self.environment.iter().map(|(key, value)| (key, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
    }

    fn all_words(&self) -> Vec<OsString> {
        self.wrapper.iter().chain(&self.words).cloned().collect()
    }

    fn label(&self) -> String {
        let words: Vec<_> = self.all_words().iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    fn stdin_file(&self) -> Result<Stdio> {
        if self.stdin.is_empty() {
            return Ok(Stdio::null());
        }
        let mut file: File = tempfile::tempfile()?;
        file.write_all(&self.stdin)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file.into())
    }
}

fn command_of(words: &[OsString]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}
