//! Where the container's cgroup is and what it may use.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, LinuxResources, Spec};
use serde_json::Value;

use super::devices;

/// linux.cgroupsPath; an empty one is none.
pub fn cgroups_path(spec: &Spec) -> Option<PathBuf> {
    let path = spec.linux().as_ref()?.cgroups_path().clone();
    path.filter(|path| !path.as_os_str().is_empty())
}

/// The config's limits, with device rules that start from nothing and end with what every container needs.
pub fn resources(spec: &Spec) -> LinuxResources {
    let mut resources = spec.linux().as_ref().and_then(|linux| linux.resources().clone()).unwrap_or_default();
    let configured = resources.devices().clone().unwrap_or_default();
    let rules = deny_all_first(&configured).into_iter().chain(configured).chain(default_rules(spec));
    resources.set_devices(Some(rules.collect()));
    resources
}

/// Devices are denied unless a rule allows them (GHSA-g54h-m393-cpwq). A list that starts with a rule for
/// everything says so itself.
fn deny_all_first(configured: &[LinuxDeviceCgroup]) -> Option<LinuxDeviceCgroup> {
    let starts_from_all = configured.first().is_some_and(|rule| {
        matches!(rule.typ(), None | Some(LinuxDeviceType::A))
            && rule.major().is_none()
            && rule.minor().is_none()
    });
    (!starts_from_all).then(|| rule(LinuxDeviceType::A, None, None, "rwm", false))
}

/// Appended as runc does (libcontainer/specconv, AllowedDevices): a config cannot take these away. A default
/// device that the config describes itself is its own business.
fn default_rules(spec: &Spec) -> Vec<LinuxDeviceCgroup> {
    let char = |major, minor, access| rule(LinuxDeviceType::C, major, minor, access, true);
    let mut rules = vec![char(None, None, "m"), rule(LinuxDeviceType::B, None, None, "m", true)];
    let defaults = devices::DEFAULTS.iter().filter(|(path, ..)| !devices::is_configured(spec, path));
    rules.extend(defaults.map(|(_, major, minor)| char(Some(*major), Some(*minor), "rwm")));
    rules.push(char(Some(136), None, "rwm")); // /dev/pts/*
    rules.push(char(Some(5), Some(2), "rwm")); // /dev/ptmx
    rules.push(char(Some(10), Some(200), "rwm")); // /dev/net/tun: engines rely on it
    rules
}

fn rule(
    typ: LinuxDeviceType,
    major: Option<u32>,
    minor: Option<u32>,
    access: &str,
    allow: bool,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow).set_typ(Some(typ)).set_access(Some(access.to_string()));
    rule.set_major(major.map(i64::from)).set_minor(minor.map(i64::from));
    rule
}

/// The first field of `resources` that sets a limit, device rules apart; None if nothing needs a cgroup.
pub fn first_limit(resources: &LinuxResources) -> Option<String> {
    let mut limits = resources.clone();
    limits.set_devices(None);
    // Most configs have none.
    if limits == LinuxResources::default() {
        return None;
    }
    let fields = serde_json::to_value(&limits).ok()?;
    let says_something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => all.values().any(|value| !value.is_null()),
        _ => true,
    };
    let mut fields = fields.as_object()?.iter();
    fields.find(|(_, value)| says_something(value)).map(|(name, _)| name.clone())
}
