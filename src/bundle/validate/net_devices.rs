//! `linux.netDevices` (config-linux.md#network-devices).

use oci_spec::runtime::Spec;

use super::Situation;
use super::findings::Findings;
use crate::bundle::namespaces::has;
use crate::bundle::pointer;
use crate::linux::namespace::Kind;

/// IFNAMSIZ (linux/if.h), with the zero at the end.
const NAME_BYTES: usize = 16;

pub fn check(spec: &Spec, situation: Situation, findings: &mut Findings) {
    let devices = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    let Some(devices) = devices.filter(|devices| !devices.is_empty()) else { return };
    let at = "/linux/netDevices";
    if !has(spec, Kind::Network) {
        findings.add(at, "unable to move network devices without a NET namespace");
    }
    if situation.unprivileged {
        findings.add(at, "network devices are not supported for rootless containers");
    }
    let mut names: Vec<_> = devices.iter().collect();
    names.sort_by(|a, b| a.0.cmp(b.0));
    for (name, device) in names {
        let at = pointer::member(at, name);
        if !is_name(name) {
            findings.add(&at, format!("invalid network device name {name:?}"));
        }
        let new = device.name().as_deref().unwrap_or_default();
        if !new.is_empty() && !is_name(new) {
            findings.add(format!("{at}/name"), format!("invalid network device name {new:?}"));
        }
    }
}

/// What the kernel takes (Linux, net/core/dev.c, dev_valid_name).
fn is_name(name: &str) -> bool {
    let is_fine = |letter: char| letter != '/' && letter != ':' && letter != '\0' && !letter.is_whitespace();
    !matches!(name, "" | "." | "..") && name.len() < NAME_BYTES && name.chars().all(is_fine)
}
