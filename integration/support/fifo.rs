//! A named pipe as a bell: a container writes a line, the test waits for it; or the other way.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use super::{deadline, process};

/// Both ends held open here, so that neither side's open blocks and no end is seen in between.
pub struct Fifo {
    file: File,
    seen: Vec<u8>,
}

impl Fifo {
    pub fn make(path: &Path) -> Result<Self> {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, path, FileType::Fifo, mode, 0).with_context(|| format!("make {path:?}"))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        let flags = OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        Ok(Self { file, seen: Vec::new() })
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.seen.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.seen.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let ready = process::readable_within(self.file.as_fd(), deadline())?;
            ensure!(
                ready,
                "no line within {:?}; so far {:?}",
                deadline(),
                String::from_utf8_lossy(&self.seen)
            );
            let mut buffer = [0; 512];
            let count = self.file.read(&mut buffer)?;
            self.seen.extend_from_slice(&buffer[..count]);
        }
    }

    /// Waits for one byte, and claims that it is this one.
    pub fn byte(&mut self, expected: u8) -> Result<()> {
        let ready = process::readable_within(self.file.as_fd(), deadline())?;
        ensure!(ready, "no byte within {:?}", deadline());
        let mut buffer = [0; 1];
        self.file.read_exact(&mut buffer)?;
        ensure!(buffer[0] == expected, "byte {} came, not {expected}", buffer[0]);
        Ok(())
    }

    /// Lets whoever reads a line go on.
    pub fn ring(&mut self) -> Result<()> {
        self.write("go\n")
    }

    pub fn write(&mut self, text: &str) -> Result<()> {
        Ok(self.file.write_all(text.as_bytes())?)
    }
}
