//! `trug restore`: flags only, so far.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::values::path;
use crate::fail;
use crate::report::{Code, Result};

/// restore a container from a previous checkpoint
#[derive(Debug, Args)]
#[allow(dead_code, reason = "read from the command line, and refused until there are checkpoints")]
pub struct Restore {
    /// The bundle's directory [default: the current directory]
    #[arg(short, long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) bundle: Option<PathBuf>,
    /// Unix socket that is sent the container's terminal
    #[arg(long, value_name = "SOCKET", value_parser = path())]
    pub(super) console_socket: Option<PathBuf>,
    /// Directory with the images [default: ./checkpoint]
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) image_path: Option<PathBuf>,
    /// Directory for work files and logs
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) work_path: Option<PathBuf>,
    /// Allow open TCP connections
    #[arg(long)]
    tcp_established: bool,
    /// Allow Unix sockets with a peer outside
    #[arg(long)]
    ext_unix_sk: bool,
    /// Allow a terminal of a session outside
    #[arg(long)]
    shell_job: bool,
    /// Allow file locks
    #[arg(long)]
    file_locks: bool,
    /// What is restored of cgroups: soft, full, strict or ignore [default: soft]
    #[arg(long, value_name = "MODE")]
    manage_cgroups_mode: Option<String>,
    /// Leave the container running in the background
    #[arg(short, long)]
    pub(super) detach: bool,
    /// Write the first process's id to this file
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) pid_file: Option<PathBuf>,
    /// Do not adopt the container's orphans
    #[arg(long)]
    pub(super) no_subreaper: bool,
    /// Move the root filesystem instead of pivot_root
    #[arg(long)]
    pub(super) no_pivot: bool,
    /// Make a namespace without what was in it; can be repeated
    #[arg(long, value_name = "NAMESPACE")]
    empty_ns: Vec<String>,
    /// Drop from images what has been restored
    #[arg(long)]
    auto_dedup: bool,
    /// Fetch memory when it is asked for (userfaultfd)
    #[arg(long)]
    lazy_pages: bool,
    /// Security module's profile to restore with
    #[arg(long, value_name = "TYPE:NAME")]
    lsm_profile: Option<String>,
    /// SELinux context for the mounts
    #[arg(long, value_name = "CONTEXT")]
    pub(super) lsm_mount_context: Option<String>,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Restore {
    pub fn carry_out(self) -> Result<u8> {
        fail!(Code::Unsupported, "restore is not supported yet")
    }
}
