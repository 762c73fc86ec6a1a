//! Which network interfaces of the host the container gets.

use oci_spec::runtime::Spec;

use super::types::NetDevice;
use crate::bundle::pointer;

/// Sorted by their names on the host.
pub fn net_devices(spec: &Spec) -> Vec<NetDevice> {
    let devices = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    let mut devices: Vec<NetDevice> = devices
        .into_iter()
        .flatten()
        .map(|(name, device)| NetDevice {
            name: name.clone(),
            new_name: device.name().clone().filter(|new| !new.is_empty()).unwrap_or_else(|| name.clone()),
            pointer: pointer::member("/linux/netDevices", name),
        })
        .collect();
    devices.sort_by(|a, b| a.name.cmp(&b.name));
    devices
}
