//! linux.cgroupsPath and linux.resources: what no cgroup could be given. What depends on the limits in force is
//! found out when they are set.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, LinuxResources, Spec};

use super::Situation;
use super::findings::{Findings, check_text};
use super::host::Host;
use crate::bundle::pointer;

/// Far above what a container needs, and as many as are turned into a filter within a second.
const RULES: usize = 10_000;

pub fn check(spec: &Spec, situation: Situation, host: &Host, findings: &mut Findings) {
    let Some(linux) = spec.linux() else { return };
    if let Some(path) = linux.cgroups_path().as_ref().filter(|path| !path.as_os_str().is_empty()) {
        let path = path.to_string_lossy();
        check_text(&path, "/linux/cgroupsPath", findings);
        if situation.systemd_cgroup && path.split(':').count() != 3 {
            let text = format!(
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {path:?} instead"
            );
            findings.add("/linux/cgroupsPath", text);
        }
    }
    let Some(resources) = linux.resources() else { return };
    let rules = resources.devices().as_ref().map_or(0, Vec::len);
    if rules > RULES {
        let text =
            format!("{rules} device rules are more than the {RULES} that are compared with each other");
        return findings.add("/linux/resources/devices", text);
    }
    for (index, rule) in resources.devices().iter().flatten().enumerate() {
        check_rule(rule, index, findings);
    }
    check_unified(resources, host, findings);
    check_pairs(resources, findings);
}

fn check_rule(rule: &LinuxDeviceCgroup, index: usize, findings: &mut Findings) {
    let at = format_args!("/linux/resources/devices/{index}");
    let access = rule.access().as_deref().unwrap_or_default();
    if access.is_empty() {
        findings.add(format!("{at}/access"), format!("device access at {index} field cannot be empty"));
    }
    // Other letters beside them mean nothing, as in runc.
    if !access.is_empty() && !access.contains(['r', 'w', 'm']) {
        findings.add(
            format!("{at}/access"),
            format!("device access {access:?} has none of the letters r, w and m"),
        );
    }
    if let Some(typ @ (LinuxDeviceType::U | LinuxDeviceType::P)) = rule.typ() {
        findings.add(format!("{at}/type"), format!("invalid cgroup device type {:?}", typ.as_str()));
    }
    for (field, number) in [("major", rule.major()), ("minor", rule.minor())] {
        // -1 is any number (runc).
        if number.is_some_and(|number| number < -1 || number > i64::from(u32::MAX)) {
            findings.add(format!("{at}/{field}"), format!("device {field} is out of range"));
        }
    }
}

fn check_unified(resources: &LinuxResources, host: &Host, findings: &mut Findings) {
    let Some(unified) = resources.unified() else { return };
    let at = "/linux/resources/unified";
    if !(host.unified_cgroups)() {
        findings.add(at, "invalid configuration: cannot use unified on cgroup v1");
    }
    let mut keys: Vec<&String> = unified.keys().collect();
    keys.sort();
    for key in keys {
        if key.is_empty() || key.contains(['/', '\0']) || key == ".." || key == "." {
            let text = format!("unified resource {key:?} must be a file name (no slashes)");
            findings.add(pointer::member(at, key), text);
        }
    }
}

/// Entries that must say at least one of two things.
fn check_pairs(resources: &LinuxResources, findings: &mut Findings) {
    let weights = resources.block_io().as_ref().and_then(|io| io.weight_device().as_ref());
    for (index, device) in weights.into_iter().flatten().enumerate() {
        if device.weight().is_none() && device.leaf_weight().is_none() {
            let at = format_args!("/linux/resources/blockIO/weightDevice/{index}");
            findings.add(at, "neither weight nor leafWeight is given");
        }
    }
    for (name, limits) in resources.rdma().iter().flatten() {
        if limits.hca_handles().is_none() && limits.hca_objects().is_none() {
            let at = pointer::member("/linux/resources/rdma", name);
            findings.add(at, "neither hcaHandles nor hcaObjects is given");
        }
    }
    for (index, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        let at = format_args!("/linux/resources/hugepageLimits/{index}");
        if !is_page_size(limit.page_size()) {
            findings.add(format!("{at}/pageSize"), format!("invalid huge page size {:?}", limit.page_size()));
        }
        if limit.limit() < 0 {
            findings.add(format!("{at}/limit"), format!("{} is no number of bytes", limit.limit()));
        }
    }
}

/// `2MB`, as the kernel names them (config-linux.md#huge-page-limits).
fn is_page_size(text: &str) -> bool {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|number| {
        !number.starts_with('0') && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}
