//! What a valid config may ask for and this version does not do. Refused, so that nothing is left out silently.

use oci_spec::runtime::{Mount, Spec};

use super::findings::Findings;
use crate::bundle::mount_options;
use crate::bundle::namespaces::find;
use crate::linux::namespace::Kind;

pub fn check(spec: &Spec, findings: &mut Findings) {
    if let Some((index, _)) = find(spec, Kind::User) {
        findings.add(format!("/linux/namespaces/{index}"), "user namespaces are not supported yet");
    }
    for (index, mount) in spec.mounts().iter().flatten().enumerate() {
        if is_idmapped(mount) {
            findings.add(format!("/mounts/{index}"), "id-mapped mounts are not supported yet");
        }
    }
    let Some(linux) = spec.linux() else { return };
    if linux.time_offsets().as_ref().is_some_and(|offsets| !offsets.is_empty()) {
        findings.add("/linux/timeOffsets", "time namespace offsets are not supported yet");
    }
    if linux.net_devices().as_ref().is_some_and(|devices| !devices.is_empty()) {
        findings.add("/linux/netDevices", "network devices are not supported yet");
    }
    if linux.intel_rdt().is_some() {
        findings.add("/linux/intelRdt", "Intel RDT is not supported yet");
    }
}

fn is_idmapped(mount: &Mount) -> bool {
    let options = mount_options::parse(mount.options().as_deref().unwrap_or_default());
    options.idmap.is_some() || mount.uid_mappings().is_some() || mount.gid_mappings().is_some()
}
