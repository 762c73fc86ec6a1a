//! A container whose program counts the lines it is given, in its memory, and answers with the count.

use std::path::PathBuf;

use anyhow::Result;

use crate::support::{Config, Container, Fifo, Output, criu};

/// Reads a line from `/ask`, writes the count to `/answer`.
pub const SCRIPT: &str = "i=0; while read line; do i=$((i+1)); echo count $i > /answer; done < /ask";

pub struct Counter {
    pub container: Container,
    ask: Fifo,
    answer: Fifo,
}

impl Counter {
    pub fn new(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let container = Container::with(|config| {
            config.shell(SCRIPT);
            change(config);
        })?;
        Self::of(container)
    }

    pub fn of(container: Container) -> Result<Self> {
        let (ask, answer) = (container.fifo("ask")?, container.fifo("answer")?);
        Ok(Self { container, ask, answer })
    }

    pub fn on_unified(self) -> Self {
        Self { container: self.container.on_unified(), ..self }
    }

    /// Gives it one line, and claims that it is the `expected`th.
    #[track_caller]
    pub fn counts(&mut self, expected: u32) -> Result<()> {
        self.ask.ring()?;
        assert_eq!(self.answer.line()?, format!("count {expected}"));
        Ok(())
    }

    pub fn images(&self) -> PathBuf {
        self.container.path("images")
    }

    /// One command of the two with these flags.
    pub fn command(&self, command: &str, flags: &[&str]) -> Result<Output> {
        criu::command_on(&self.container, command, &self.images(), flags)
    }

    pub fn checkpoint(&self, flags: &[&str]) -> Result<Output> {
        self.command("checkpoint", flags)
    }

    pub fn restore(&self, flags: &[&str]) -> Result<Output> {
        let flags: Vec<&str> = flags.iter().copied().chain(["--detach"]).collect();
        self.command("restore", &flags)
    }

    /// Saved, gone, and back.
    pub fn round_trip(&self) -> Result<()> {
        self.checkpoint(&[])?.ok();
        self.container.command(&["state"])?.fails(1, "does not exist");
        self.restore(&[])?.ok();
        assert_eq!(self.container.status()?, "running");
        Ok(())
    }
}

/// A directory of the host, in the container under the same name, with a fifo `answer` in it: the program's first
/// argument. CRIU finds an outer socket again by the name that it has outside.
pub fn bell(container: &Container) -> Result<Fifo> {
    let place = container.path("bell");
    std::fs::create_dir(&place)?;
    let text = place.to_string_lossy().into_owned();
    container.edit(|config| {
        config.mount(&text, "bind", &text, &["bind"]);
        config.push("/process/args", text.clone().into());
    })?;
    Fifo::make(&place.join("answer"))
}
