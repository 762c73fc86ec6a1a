//! What the command line says, and what of it both commands tell CRIU alike.

use std::path::PathBuf;

use crate::criu::{CgroupMode, NetworkLock, Options, PageServer};
use crate::linux::namespace::Kind;

/// Of both.
#[derive(Debug, Default)]
pub struct Common {
    /// Paths as given.
    pub image_path: PathBuf,
    /// The image path where there is none.
    pub work_path: Option<PathBuf>,
    pub tcp_established: bool,
    pub external_unix_sockets: bool,
    pub shell_job: bool,
    pub file_locks: bool,
    pub cgroup_mode: Option<CgroupMode>,
    pub auto_dedup: bool,
    pub lazy_pages: bool,
    pub network_lock: Option<NetworkLock>,
}

/// Of `checkpoint`.
#[derive(Debug, Default)]
pub struct CheckpointOptions {
    pub common: Common,
    /// Relative to the image path.
    pub parent_path: Option<PathBuf>,
    pub leave_running: bool,
    pub tcp_skip_in_flight: bool,
    pub link_remap: bool,
    pub status_fd: Option<i32>,
    pub page_server: Option<PageServer>,
    pub pre_dump: bool,
}

/// Of `restore`.
#[derive(Debug, Default)]
pub struct RestoreOptions {
    pub common: Common,
    pub bundle: PathBuf,
    pub console_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub detach: bool,
    pub no_subreaper: bool,
    pub no_pivot: bool,
    pub tcp_close: bool,
    /// `TYPE:NAME`.
    pub lsm_profile: Option<String>,
    pub lsm_mount_context: Option<String>,
}

/// CRIU's level 4: what it does, and what it finds.
const LOG_LEVEL: i32 = 4;

impl Common {
    /// What both tell CRIU.
    pub(super) fn for_criu(&self, log_file: &str) -> Options {
        Options {
            log_level: Some(LOG_LEVEL),
            log_file: Some(log_file.to_string()),
            notify_scripts: Some(true),
            tcp_established: Some(self.tcp_established),
            external_unix_sockets: Some(self.external_unix_sockets),
            shell_job: Some(self.shell_job),
            file_locks: Some(self.file_locks),
            // The older of two ways to say it, which must agree.
            manage_cgroups: Some(true),
            cgroup_mode: Some(self.cgroup_mode.unwrap_or(CgroupMode::Default) as i32),
            // Interfaces and addresses are not the runtime's: hooks give them to the container anew.
            empty_namespaces: Some(Kind::Network.flag() as u32),
            auto_dedup: Some(self.auto_dedup),
            lazy_pages: Some(self.lazy_pages),
            network_lock: self.network_lock.map(|lock| lock as i32),
            // The other side of the container's terminal is outside.
            orphan_pts_master: Some(true),
            ..Options::default()
        }
    }
}
