//! linux.devices (config-linux.md#devices).

use std::fmt::Arguments;
use std::path::Path;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Spec};

use super::findings::{Findings, check_text};
use crate::bundle::path;

/// MINORBITS and what is left of 32 (linux/kdev_t.h).
const MAJOR_MAX: i64 = (1 << 12) - 1;
const MINOR_MAX: i64 = (1 << 20) - 1;

pub fn check(spec: &Spec, findings: &mut Findings) {
    let devices = spec.linux().as_ref().and_then(|linux| linux.devices().as_ref());
    for (index, device) in devices.into_iter().flatten().enumerate() {
        let at = format_args!("/linux/devices/{index}");
        check_path(device, at, findings);
        check_numbers(device, at, findings);
        for (field, id) in [("uid", device.uid()), ("gid", device.gid())] {
            if id == Some(u32::MAX) {
                findings.add(format!("{at}/{field}"), format!("{} is not an id", u32::MAX));
            }
        }
    }
}

fn check_path(device: &LinuxDevice, at: Arguments, findings: &mut Findings) {
    let pointer = format_args!("{at}/path");
    let device_path = device.path();
    if !device_path.is_absolute() || path::clean(device_path) == Path::new("/") {
        findings.add(pointer, format!("device path {device_path:?} is not an absolute path of a file"));
    }
    check_text(&device_path.to_string_lossy(), pointer, findings);
}

/// A fifo has no numbers: whatever is given is ignored.
fn check_numbers(device: &LinuxDevice, at: Arguments, findings: &mut Findings) {
    match device.typ() {
        LinuxDeviceType::P => return,
        LinuxDeviceType::A => return findings.add(format!("{at}/type"), "invalid device type \"a\""),
        LinuxDeviceType::B | LinuxDeviceType::C | LinuxDeviceType::U => {}
    }
    let numbers = [("major", device.major(), MAJOR_MAX), ("minor", device.minor(), MINOR_MAX)];
    for (field, number, max) in numbers {
        if !(0..=max).contains(&number) {
            findings
                .add(format!("{at}/{field}"), format!("device {field} {number} is not between 0 and {max}"));
        }
    }
}
