//! Namespaces, and what needs one of the container's own.

use oci_spec::runtime::Spec;

use super::findings::{Findings, check_text};
use crate::bundle::namespaces::{self as wanted, entries, has, kind};
use crate::linux::namespace::Kind;

pub fn check(spec: &Spec, findings: &mut Findings) {
    check_entries(spec, findings);
    check_names(spec, findings);
    check_time(spec, findings);
}

fn check_entries(spec: &Spec, findings: &mut Findings) {
    for (index, entry) in entries(spec).iter().enumerate() {
        let at = format_args!("/linux/namespaces/{index}");
        if entries(spec)[..index].iter().any(|earlier| earlier.typ() == entry.typ()) {
            let text = format!("malformed spec file: duplicated ns {:?}", kind(entry.typ()).spec_name());
            findings.add(at, text);
        }
        let Some(path) = wanted::path(entry) else { continue };
        check_text(&path.to_string_lossy(), format_args!("{at}/path"), findings);
        if !path.is_absolute() {
            findings.add(format!("{at}/path"), format!("namespace path {path:?} is not absolute"));
        }
    }
}

/// A name set in the caller's namespace would rename the host.
fn check_names(spec: &Spec, findings: &mut Findings) {
    let names = [("hostname", spec.hostname()), ("domainname", spec.domainname())];
    for (field, name) in names {
        let Some(name) = name.as_ref().filter(|name| !name.is_empty()) else { continue };
        let at = format_args!("/{field}");
        if !has(spec, Kind::Uts) {
            findings.add(at, format!("unable to set {field} without a private UTS namespace"));
        }
        // __NEW_UTS_LEN (linux/utsname.h).
        if name.len() > 64 {
            findings.add(at, format!("{field} is longer than 64 bytes"));
        }
        check_text(name, at, findings);
    }
}

/// Offsets are for a time namespace that is made here (config-linux.md#offset-for-time-namespaces).
fn check_time(spec: &Spec, findings: &mut Findings) {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    let Some(offsets) = offsets.filter(|offsets| !offsets.is_empty()) else { return };
    let at = "/linux/timeOffsets";
    match wanted::find(spec, Kind::Time) {
        None => findings.add(
            at,
            "time namespace offsets specified, but time namespace isn't enabled in the config",
        ),
        Some((_, Some(_))) => findings.add(
            at,
            "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
        ),
        Some((_, None)) => {}
    }
    for (clock, offset) in offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            findings.add(format!("{at}/{clock}"), format!("there are no offsets for clock {clock:?}"));
        }
        if offset.nanosecs().is_some_and(|nanoseconds| nanoseconds >= 1_000_000_000) {
            findings.add(format!("{at}/{clock}/nanosecs"), "nanosecs must be below 1000000000");
        }
    }
}
