//! `trug restore`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::criu_flags::CriuFlags;
use super::values::{container_id, given, given_text, path};
use crate::container::Globals;
use crate::container::checkpoint::{self, RestoreOptions};
use crate::report::Result;

const AFTER: &str = "\
The bundle is that of the checkpointed container, or one like it: its config.json says what of the
host the container gets. In the foreground, as `run`; the container is deleted at its end.

Example:
   trug restore --detach --image-path /images/web --bundle /bundles/web web";

/// restore a container from a previous checkpoint
#[derive(Debug, Args)]
#[command(
    after_help = AFTER,
    mut_arg("image_path", |arg| arg.help("Directory with the images [default: ./checkpoint]")),
    mut_arg("manage_cgroups_mode", |arg| {
        arg.help("What is restored of cgroups: soft, full, strict or ignore [default: soft]")
    }),
    mut_arg("empty_ns", |arg| arg.help("Make a namespace without what was in it; can be repeated")),
    mut_arg("auto_dedup", |arg| arg.help("Drop from images what has been restored")),
    mut_arg("lazy_pages", |arg| arg.help("Fetch memory when it is asked for (userfaultfd)")),
    mut_arg("network_lock", |arg| {
        arg.help("How packets were kept from connections: iptables, nftables or skip [default: iptables]")
    }),
)]
pub struct Restore {
    /// The bundle's directory [default: the current directory]
    #[arg(short, long, value_name = "DIRECTORY", value_parser = path())]
    pub(super) bundle: Option<PathBuf>,
    /// Unix socket that is sent the container's terminal
    #[arg(long, value_name = "SOCKET", value_parser = path())]
    pub(super) console_socket: Option<PathBuf>,
    #[command(flatten)]
    criu: CriuFlags,
    /// Leave the container running in the background
    #[arg(short, long)]
    pub(super) detach: bool,
    /// Write the first process's id to this file
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) pid_file: Option<PathBuf>,
    /// Do not adopt the container's orphans
    #[arg(long)]
    pub(super) no_subreaper: bool,
    /// Refuse what is not safe without pivot_root (criu itself pivots)
    #[arg(long)]
    pub(super) no_pivot: bool,
    /// Security module's profile to restore with
    #[arg(long, value_name = "TYPE:NAME")]
    lsm_profile: Option<String>,
    /// SELinux context for the mounts
    #[arg(long, value_name = "CONTEXT")]
    pub(super) lsm_mount_context: Option<String>,
    /// Restore TCP connections as closed ones
    #[arg(long)]
    tcp_close: bool,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Restore {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        let options = RestoreOptions {
            common: self.criu.read()?,
            bundle: given(self.bundle).unwrap_or_else(|| PathBuf::from(".")),
            console_socket: given(self.console_socket),
            pid_file: given(self.pid_file),
            detach: self.detach,
            no_subreaper: self.no_subreaper,
            no_pivot: self.no_pivot,
            tcp_close: self.tcp_close,
            lsm_profile: given_text(self.lsm_profile),
            lsm_mount_context: given_text(self.lsm_mount_context),
        };
        checkpoint::restore(globals, &container_id(&self.id)?, &options)
    }
}
