//! A pseudoterminal that stands for the one a person sits at.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::running::Transcript;

/// The master's side; the slave's side is opened by whoever sits at it.
pub struct Terminal {
    master: File,
    slave_path: PathBuf,
    /// Keeps the terminal alive between two commands.
    keeper: OwnedFd,
    transcript: Arc<Transcript>,
}

impl Terminal {
    pub fn open(rows: u16, columns: u16) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave_path = PathBuf::from(ptsname(&master, Vec::new())?.to_string_lossy().into_owned());
        let keeper = open_slave(&slave_path)?;
        let master = File::from(master);
        let transcript = Transcript::of(master.try_clone()?);
        let terminal = Self { master, slave_path, keeper, transcript };
        terminal.resize(rows, columns)?;
        Ok(terminal)
    }

    /// The slave's side once more.
    pub fn slave(&self) -> Result<OwnedFd> {
        open_slave(&self.slave_path)
    }

    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.master, size)?)
    }

    pub fn write(&self, text: &str) -> Result<()> {
        Ok((&self.master).write_all(text.as_bytes())?)
    }

    pub fn wait_for(&self, text: &str) -> Result<String> {
        self.transcript.wait_for(text)
    }

    /// True where keys are passed on untouched: no line editing, no echo, no signals.
    pub fn is_raw(&self) -> Result<bool> {
        let modes = tcgetattr(&self.keeper)?.local_modes;
        Ok(!modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG))
    }

    /// Every setting, printed, to compare before and after.
    pub fn settings(&self) -> Result<String> {
        Ok(format!("{:?}", tcgetattr(&self.keeper)?))
    }
}

fn open_slave(path: &PathBuf) -> Result<OwnedFd> {
    let flags = OFlags::NOCTTY.bits() as i32;
    Ok(OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?.into())
}
