//! The flags that `checkpoint` and `restore` have in common. Where the two mean different things by one, each has its own
//! words in its help.

use std::path::PathBuf;

use clap::Args;

use super::values::{given, given_text, path};
use crate::container::checkpoint::{CgroupMode, Common, NetworkLock};
use crate::fail;
use crate::report::{Code, Result};

/// Where images are when nobody says.
const DEFAULT_IMAGES: &str = "./checkpoint";

#[derive(Debug, Args)]
pub struct CriuFlags {
    /// Directory of the images [default: ./checkpoint]
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    image_path: Option<PathBuf>,
    /// Directory for work files and logs
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    work_path: Option<PathBuf>,
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
    /// What becomes of cgroups: soft, full, strict or ignore [default: soft]
    #[arg(long, value_name = "MODE")]
    manage_cgroups_mode: Option<String>,
    /// Treat a namespace as empty; can be repeated
    #[arg(long, value_name = "NAMESPACE")]
    empty_ns: Vec<String>,
    /// Keep no memory twice
    #[arg(long)]
    auto_dedup: bool,
    /// Leave memory until it is asked for (userfaultfd)
    #[arg(long)]
    lazy_pages: bool,
    /// How packets are kept from connections: iptables, nftables or skip [default: iptables]
    #[arg(long, value_name = "METHOD")]
    network_lock: Option<String>,
}

impl CriuFlags {
    pub fn read(self) -> Result<Common> {
        check_namespaces(&self.empty_ns)?;
        Ok(Common {
            image_path: given(self.image_path).unwrap_or_else(|| PathBuf::from(DEFAULT_IMAGES)),
            work_path: given(self.work_path),
            tcp_established: self.tcp_established,
            external_unix_sockets: self.ext_unix_sk,
            shell_job: self.shell_job,
            file_locks: self.file_locks,
            cgroup_mode: cgroup_mode(self.manage_cgroups_mode)?,
            auto_dedup: self.auto_dedup,
            lazy_pages: self.lazy_pages,
            network_lock: network_lock(self.network_lock)?,
        })
    }
}

/// The words are CRIU's.
fn cgroup_mode(text: Option<String>) -> Result<Option<CgroupMode>> {
    Ok(Some(match given_text(text).as_deref() {
        None => return Ok(None),
        Some("soft") => CgroupMode::Soft,
        Some("full") => CgroupMode::Full,
        Some("strict") => CgroupMode::Strict,
        Some("ignore") => CgroupMode::Ignore,
        Some(other) => fail!(Code::Usage, "invalid manage-cgroups-mode value {other:?}"),
    }))
}

/// crun's flag.
fn network_lock(text: Option<String>) -> Result<Option<NetworkLock>> {
    Ok(Some(match given_text(text).as_deref() {
        None => return Ok(None),
        Some("iptables") => NetworkLock::Iptables,
        Some("nftables") => NetworkLock::Nftables,
        Some("skip") => NetworkLock::Skip,
        Some(other) => fail!(Code::Usage, "invalid network-lock value {other:?}"),
    }))
}

/// The network namespace is always made empty, so the flag says nothing new; of others it cannot be.
fn check_namespaces(names: &[String]) -> Result<()> {
    match names.iter().find(|name| *name != "network") {
        Some(other) => fail!(Code::Usage, "namespace {other:?} is not supported"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_criu_s_words() {
        assert_eq!(cgroup_mode(Some("ignore".into())).unwrap(), Some(CgroupMode::Ignore));
        assert_eq!(cgroup_mode(Some(String::new())).unwrap(), None);
        assert!(cgroup_mode(Some("hard".into())).is_err());
        assert_eq!(network_lock(Some("skip".into())).unwrap(), Some(NetworkLock::Skip));
        assert!(network_lock(Some("none".into())).is_err());
        assert!(check_namespaces(&["network".into()]).is_ok());
        assert!(check_namespaces(&["network".into(), "pid".into()]).is_err());
    }
}
