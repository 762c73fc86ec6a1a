//! `trug checkpoint`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::criu_flags::CriuFlags;
use super::values::{container_id, given, given_text, path};
use crate::container::Globals;
use crate::container::checkpoint::{self, CheckpointOptions, PageServer};
use crate::fail;
use crate::report::{Code, Context, Result};

const AFTER: &str = "\
The processes are saved by CRIU, which must be installed (criu.org), and ended unless --leave-running
is given. The images hold all that is in the container's memory: keep them from others.

Examples:
   trug checkpoint --image-path /images/web web
   trug restore --detach --image-path /images/web --bundle /bundles/web web";

/// checkpoint a running container
#[derive(Debug, Args)]
#[command(
    after_help = AFTER,
    mut_arg("image_path", |arg| arg.help("Directory for the images [default: ./checkpoint]")),
    mut_arg("manage_cgroups_mode", |arg| {
        arg.help("What is kept of cgroups: soft, full, strict or ignore [default: soft]")
    }),
    mut_arg("empty_ns", |arg| arg.help("Save a namespace without what is in it; can be repeated")),
    mut_arg("auto_dedup", |arg| arg.help("Drop from earlier images what this one has anew")),
    mut_arg("lazy_pages", |arg| arg.help("Leave memory behind until it is asked for (userfaultfd)")),
    mut_arg("network_lock", |arg| {
        arg.help("How packets are kept from connections meanwhile: iptables, nftables or skip [default: iptables]")
    }),
)]
pub struct Checkpoint {
    #[command(flatten)]
    criu: CriuFlags,
    /// Directory of the images of an earlier pre-dump, relative to the image path
    #[arg(long, value_name = "DIRECTORY", value_parser = path())]
    parent_path: Option<PathBuf>,
    /// Let the container run on afterwards
    #[arg(long)]
    pub(super) leave_running: bool,
    /// Skip TCP connections that are being made
    #[arg(long)]
    tcp_skip_in_flight: bool,
    /// Link unlinked files back where that is possible
    #[arg(long)]
    link_remap: bool,
    /// Descriptor that is written to once lazy pages are served
    #[arg(long, value_name = "FD")]
    status_fd: Option<i32>,
    /// Page server that takes the memory
    #[arg(long, value_name = "ADDRESS:PORT")]
    page_server: Option<String>,
    /// Save the memory only, and let the container run on
    #[arg(long)]
    pre_dump: bool,
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub(super) id: OsString,
}

impl Checkpoint {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        let options = CheckpointOptions {
            common: self.criu.read()?,
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
}
