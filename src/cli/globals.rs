//! The flags before the command.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::Args;

use super::values::{boolean, given, path};
use crate::cgroup::Driver;
use crate::container::Globals;
use crate::container::globals::{Flags, Rootless};
use crate::fail;
use crate::report::log::{self, Format};
use crate::report::{Code, Result};

const HEADING: &str = "Global options";

#[derive(Debug, Args)]
pub struct GlobalFlags {
    /// Log what is done, step by step
    #[arg(long, help_heading = HEADING)]
    debug: bool,
    /// Append log lines to this file instead of writing them to standard error
    #[arg(long, value_name = "FILE", value_parser = path(), help_heading = HEADING)]
    log: Option<PathBuf>,
    /// Write log lines as text or json
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = HEADING)]
    log_format: String,
    /// Keep containers in this directory, best on a tmpfs [default: /run/trug, or $XDG_RUNTIME_DIR/trug for users]
    #[arg(long, value_name = "DIRECTORY", value_parser = path(), help_heading = HEADING)]
    root: Option<PathBuf>,
    /// Let systemd make the cgroups; cgroupsPath is then slice:prefix:name
    #[arg(long, help_heading = HEADING)]
    systemd_cgroup: bool,
    /// Bear cgroups that are out of reach: true, false, or auto, which asks what rights we have
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = rootless, help_heading = HEADING)]
    rootless: Rootless,
    /// Who makes the cgroups: cgroupfs, systemd, or disabled for nobody [default: cgroupfs]
    #[arg(long, value_name = "MANAGER", value_parser = driver, help_heading = HEADING)]
    cgroup_manager: Option<Driver>,
    /// An older caller's; criu is found on PATH
    #[arg(long, value_name = "PATH", value_parser = path(), global = true, hide = true)]
    #[allow(dead_code, reason = "read from the command line and ignored, as runc does since 1.4")]
    criu: Option<PathBuf>,
}

impl GlobalFlags {
    pub fn logging(&self) -> Logging {
        Logging { file: given(self.log.clone()), format: self.log_format.clone(), debug: self.debug }
    }

    pub fn resolve(self) -> Result<Globals> {
        let driver = match (self.cgroup_manager, self.systemd_cgroup) {
            (Some(driver), _) => driver,
            (None, true) => Driver::Systemd,
            (None, false) => Driver::Cgroupfs,
        };
        Globals::resolve(Flags { root: self.root, driver, rootless: self.rootless, debug: self.debug })
    }
}

/// Where and how to log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Logging {
    file: Option<PathBuf>,
    format: String,
    debug: bool,
}

impl Logging {
    /// Opens the log for the life of the process.
    pub fn open(&self) -> Result<()> {
        let format = match self.format.as_str() {
            "" | "text" => Format::Text,
            "json" => Format::Json,
            other => {
                log::open(self.file.as_deref(), Format::Text, self.debug)?;
                fail!(Code::Usage, "invalid log-format: {other}");
            }
        };
        log::open(self.file.as_deref(), format, self.debug)
    }

    /// From a line in plain form that could not be read to its end.
    pub fn scan(plain: &[OsString]) -> Self {
        let mut logging = Self::default();
        for token in plain.iter().map(|token| token.as_bytes()).take_while(|token| *token != b"--") {
            if token == b"--debug" {
                logging.debug = true;
            } else if let Some(file) = token.strip_prefix(b"--log=") {
                logging.file = given(Some(OsString::from_vec(file.to_vec()).into()));
            } else if let Some(format) = token.strip_prefix(b"--log-format=") {
                logging.format = String::from_utf8_lossy(format).into_owned();
            }
        }
        logging
    }
}

fn rootless(text: &str) -> std::result::Result<Rootless, &'static str> {
    if text.is_empty() || text.eq_ignore_ascii_case("auto") {
        return Ok(Rootless::Auto);
    }
    match boolean(text) {
        Some(true) => Ok(Rootless::Yes),
        Some(false) => Ok(Rootless::No),
        None => Err("it is auto, true or false"),
    }
}

fn driver(text: &str) -> std::result::Result<Driver, &'static str> {
    match text {
        "cgroupfs" => Ok(Driver::Cgroupfs),
        "systemd" => Ok(Driver::Systemd),
        "disabled" => Ok(Driver::Disabled),
        _ => Err("it is cgroupfs, systemd or disabled"),
    }
}
