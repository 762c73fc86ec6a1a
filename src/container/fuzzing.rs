//! Doors for the fuzz targets.

use std::ffi::OsStr;
use std::path::{Component, Path};

use oci_spec::runtime::LinuxResources;

use super::exec_process::parse_user;
use super::state::State;
use super::store::ContainerId;
use super::update::merge;
use crate::linux::{mountinfo, scheduler, signal};

/// A state.json: what is understood is written as it was read.
pub fn state(bytes: &[u8]) {
    let Ok(state) = State::from_json(bytes) else { return };
    let Ok(written) = serde_json::to_vec(&state) else { panic!("{state:?} cannot be written") };
    match State::from_json(&written) {
        Ok(again) => assert_eq!(again, state),
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&written)),
    }
}

/// Limits of `update`: read, merged into what is in force, and told to the kernel and to systemd.
pub fn resources(bytes: &[u8]) {
    // Two sets of limits, one after the other.
    let (now, change) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let in_force = crate::bundle::resources::read(now).unwrap_or_default();
    let Ok(change) = crate::bundle::resources::read(change) else { return };
    let change = merge::tidy(change);
    let Ok(merged) = merge::merged(&in_force, &change) else { return };
    let wanted = merge::with_partners(&change, &merged);
    drop(merge::same_fields(&in_force, &wanted));
    // What was changed once is the same when it is changed again.
    if let Ok(twice) = merge::merged(&merged, &change) {
        assert_eq!(twice, merged, "{change:?}");
    }
    for resources in [&in_force, &change, &merged, &wanted, &LinuxResources::default()] {
        crate::cgroup::fuzzing::limits(resources);
    }
}

/// Short texts that name something: the first byte says what.
pub fn ids(bytes: &[u8]) {
    let Some((what, bytes)) = bytes.split_first() else { return };
    let text = &*String::from_utf8_lossy(bytes);
    match what % 8 {
        0 => container_id(text),
        1 => user(text),
        2 => signal_name(text),
        3 => drop(scheduler::parse_cpu_list(text)),
        4 => crate::cgroup::fuzzing::subgroup(text),
        5 => crate::cgroup::fuzzing::unit(text),
        6 => crate::cgroup::fuzzing::annotation(text),
        _ => drop(mountinfo::Mountinfo::parse(bytes)),
    }
}

/// One plain component of a path.
fn container_id(text: &str) {
    let Ok(id) = ContainerId::new(text) else { return };
    let parts: Vec<_> = Path::new(id.as_str()).components().collect();
    assert_eq!(parts, [Component::Normal(OsStr::new(text))]);
    assert!(!text.starts_with('@') && text.len() <= 255 && text.is_ascii());
}

/// Never root unless it says so (CVE-2026-30892, CVE-2024-40635).
fn user(text: &str) {
    let Ok((uid, gid)) = parse_user(text) else { return };
    let is = |id: u32, text: &str| !text.is_empty() && text.trim_start_matches('0') == id_text(id);
    let (uid_text, gid_text) = text.split_once(':').unwrap_or((text, ""));
    assert!(is(uid, uid_text), "{text:?} is {uid}");
    assert!(gid.is_none_or(|gid| is(gid, gid_text)), "{text:?} is of group {gid:?}");
}

/// Without leading zeros; nothing for 0.
fn id_text(id: u32) -> String {
    if id == 0 { String::new() } else { id.to_string() }
}

fn signal_name(text: &str) {
    assert!(signal::parse(text).is_none_or(|number| (0..=64).contains(&number)), "{text:?}");
}
