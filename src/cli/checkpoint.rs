//! `trug checkpoint`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::values::{container_id, given, given_text, path};
use crate::container::Globals;
use crate::container::checkpoint::{self, CgroupMode, CheckpointOptions, Common, NetworkLock, PageServer};
use crate::fail;
use crate::report::{Code, Context, Result};

/// Where images are when nobody says.
const DEFAULT_IMAGES: &str = "./checkpoint";

const AFTER: &str = "\
The processes are saved by CRIU, which must be installed (criu.org), and ended unless --leave-running
is given. The images hold all that is in the container's memory: keep them from others.

Examples:
   trug checkpoint --image-path /images/web web
   trug restore --detach --image-path /images/web --bundle /bundles/web web";

/// checkpoint a running container
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
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
    /// How packets are kept from connections meanwhile: iptables, nftables or skip [default: iptables]
    #[arg(long, value_name = "METHOD")]
    network_lock: Option<String>,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Checkpoint {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        check_namespaces(&self.empty_ns)?;
        let options = CheckpointOptions {
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
            parent_path: given(self.parent_path),
            leave_running: self.leave_running,
            tcp_skip_in_flight: self.tcp_skip_in_flight,
            link_remap: self.link_remap,
            // -1 is runc's word for none.
            status_fd: self.status_fd.filter(|number| *number != -1),
            page_server: given_text(self.page_server).map(|text| page_server(&text)).transpose()?,
            pre_dump: self.pre_dump,
        };
        checkpoint::checkpoint(globals, &container_id(&self.id)?, &options)?;
        Ok(0)
    }
}

pub(super) fn images(path: Option<PathBuf>) -> PathBuf {
    given(path).unwrap_or_else(|| PathBuf::from(DEFAULT_IMAGES))
}

/// The words are CRIU's.
pub(super) fn cgroup_mode(text: Option<String>) -> Result<Option<CgroupMode>> {
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
pub(super) fn network_lock(text: Option<String>) -> Result<Option<NetworkLock>> {
    Ok(Some(match given_text(text).as_deref() {
        None => return Ok(None),
        Some("iptables") => NetworkLock::Iptables,
        Some("nftables") => NetworkLock::Nftables,
        Some("skip") => NetworkLock::Skip,
        Some(other) => fail!(Code::Usage, "invalid network-lock value {other:?}"),
    }))
}

/// The network namespace is always made empty, so the flag says nothing new; of others it cannot be.
pub(super) fn check_namespaces(names: &[String]) -> Result<()> {
    match names.iter().find(|name| *name != "network") {
        Some(other) => fail!(Code::Usage, "namespace {other:?} is not supported"),
        None => Ok(()),
    }
}

/// `ADDRESS:PORT`, an IPv6 address in brackets.
fn page_server(text: &str) -> Result<PageServer> {
    let split = text.rsplit_once(':').map(|(address, port)| (address.trim_matches(['[', ']']), port));
    let Some((address, port)) = split.filter(|(address, port)| !address.is_empty() && !port.is_empty())
    else {
        fail!(Code::Usage, "Use --page-server ADDRESS:PORT to specify page server");
    };
    let port: u16 = port.parse().context("Invalid port number").code(Code::Usage)?;
    Ok(PageServer { address: Some(address.to_string()), port: Some(port.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_server_is_an_address_and_a_port() {
        let parsed = |text: &str| page_server(text).ok().map(|server| (server.address, server.port));
        assert_eq!(parsed("10.0.0.1:27"), Some((Some("10.0.0.1".into()), Some(27))));
        assert_eq!(parsed("[::1]:27"), Some((Some("::1".into()), Some(27))));
        for wrong in ["", ":27", "a:", "a", "a:b", "a:70000"] {
            assert!(page_server(wrong).is_err(), "{wrong:?}");
        }
    }

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
