//! `trug create`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::trace::Trace;
use super::values::{container_id, given, path};
use crate::container::Globals;
use crate::container::create;
use crate::container::options::CreateOptions;
use crate::report::Result;

const AFTER: &str = "\
The program of config.json waits until `trug start` lets it go. The id is yours to choose: letters,
digits and _+.-, one on this host at a time.

Examples:
   trug create mine
   trug create --bundle /bundles/web --pid-file web.pid web";

/// create a container
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Create {
    #[command(flatten)]
    pub(super) flags: CreateFlags,
    /// Name for the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

/// What `run` takes as well.
#[derive(Debug, Args)]
pub struct CreateFlags {
    /// The bundle's directory [default: the current directory]
    #[arg(short, long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) bundle: Option<PathBuf>,
    /// Unix socket that is sent the container's terminal; needed for a terminal when detached
    #[arg(long, value_name = "SOCKET", value_parser = path())]
    pub(super) console_socket: Option<PathBuf>,
    /// Unix socket that is sent a pidfd of the container's first process
    #[arg(long, value_name = "SOCKET", value_parser = path())]
    pub(super) pidfd_socket: Option<PathBuf>,
    /// Write the first process's id to this file
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) pid_file: Option<PathBuf>,
    /// Move the root filesystem instead of pivot_root, for a host that runs from a ramdisk; less safe
    #[arg(long)]
    pub(super) no_pivot: bool,
    /// Keep the caller's session keyring instead of making a new one
    #[arg(long)]
    pub(super) no_new_keyring: bool,
    /// Pass the N descriptors that follow stdio (and those of $LISTEN_FDS) to the container
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) preserve_fds: u32,
    #[command(flatten)]
    pub(super) trace: Trace,
}

impl CreateFlags {
    pub fn options(self) -> CreateOptions {
        CreateOptions {
            bundle: given(self.bundle).unwrap_or_else(|| PathBuf::from(".")),
            console_socket: given(self.console_socket),
            pidfd_socket: given(self.pidfd_socket),
            pid_file: given(self.pid_file),
            no_pivot: self.no_pivot,
            no_new_keyring: self.no_new_keyring,
            preserve_fds: self.preserve_fds,
        }
    }
}

impl Create {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        self.flags.trace.begin()?;
        create::create(globals, &container_id(&self.id)?, &self.flags.options())?;
        Ok(0)
    }
}
