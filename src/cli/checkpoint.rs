//! `trug checkpoint`: flags only, so far.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::values::path;
use crate::fail;
use crate::report::{Code, Result};

/// checkpoint a running container
#[derive(Debug, Args)]
#[allow(dead_code, reason = "read from the command line, and refused until there are checkpoints")]
pub struct Checkpoint {
    /// Directory for the images [default: ./checkpoint]
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) image_path: Option<PathBuf>,
    /// Directory for work files and logs
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) work_path: Option<PathBuf>,
    /// Directory of the images of an earlier pre-dump, relative to the image path
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    parent_path: Option<PathBuf>,
    /// Let the container run on afterwards
    #[arg(long)]
    pub(super) leave_running: bool,
    /// Allow open TCP connections
    #[arg(long)]
    tcp_established: bool,
    /// Skip TCP connections that are being made
    #[arg(long)]
    tcp_skip_in_flight: bool,
    /// Link unlinked files back where that is possible
    #[arg(long)]
    link_remap: bool,
    /// Allow Unix sockets with a peer outside
    #[arg(long)]
    ext_unix_sk: bool,
    /// Allow a terminal of a session outside
    #[arg(long)]
    shell_job: bool,
    /// Leave memory behind until it is asked for (userfaultfd)
    #[arg(long)]
    lazy_pages: bool,
    /// Descriptor that is written to once lazy pages are served
    #[arg(long, value_name = "FD")]
    status_fd: Option<i32>,
    /// Page server that takes the memory
    #[arg(long, value_name = "ADDRESS:PORT")]
    page_server: Option<String>,
    /// Allow file locks
    #[arg(long)]
    file_locks: bool,
    /// Save the memory only, and let the container run on
    #[arg(long)]
    pre_dump: bool,
    /// What is kept of cgroups: soft, full, strict or ignore [default: soft]
    #[arg(long, value_name = "MODE")]
    manage_cgroups_mode: Option<String>,
    /// Save a namespace without what is in it; can be repeated
    #[arg(long, value_name = "NAMESPACE")]
    empty_ns: Vec<String>,
    /// Drop from earlier images what this one has anew
    #[arg(long)]
    auto_dedup: bool,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Checkpoint {
    pub fn carry_out(self) -> Result<u8> {
        fail!(Code::Unsupported, "checkpoint is not supported yet")
    }
}
