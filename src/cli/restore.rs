//! `trug restore`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::checkpoint::{cgroup_mode, check_namespaces, images, network_lock};
use super::values::{container_id, given, given_text, path};
use crate::container::Globals;
use crate::container::checkpoint::{self, Common, RestoreOptions};
use crate::report::Result;

const AFTER: &str = "\
The bundle is that of the checkpointed container, or one like it: its config.json says what of the
host the container gets. In the foreground, as `run`; the container is deleted at its end.

Example:
   trug restore --detach --image-path /images/web --bundle /bundles/web web";

/// restore a container from a previous checkpoint
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
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
    /// Restore TCP connections as closed ones
    #[arg(long)]
    tcp_close: bool,
    /// How packets were kept from connections: iptables, nftables or skip [default: iptables]
    #[arg(long, value_name = "METHOD")]
    network_lock: Option<String>,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Restore {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        check_namespaces(&self.empty_ns)?;
        let options = RestoreOptions {
            common: Common {
                image_path: images(self.image_path),
                work_path: given(self.work_path),
                tcp_established: self.tcp_established,
                external_unix_sockets: self.ext_unix_sk,
                shell_job: self.shell_job,
                file_locks: self.file_locks,
                cgroup_mode: cgroup_mode(self.manage_cgroups_mode)?,
                auto_dedup: self.auto_dedup,
                lazy_pages: self.lazy_pages,
                network_lock: network_lock(self.network_lock)?,
            },
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
