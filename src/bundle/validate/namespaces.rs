//! Namespaces, and what needs one of the container's own.

use oci_spec::runtime::Spec;

use super::Situation;
use super::findings::{Findings, check_text};
use crate::bundle::namespaces::{self as wanted, entries, has, kind};
use crate::linux::namespace::Kind;

pub fn check(spec: &Spec, situation: Situation, findings: &mut Findings) {
    check_entries(spec, findings);
    check_names(spec, findings);
    check_mappings(spec, findings);
    if situation.rootless && !has(spec, Kind::User) {
        findings.add("/linux/namespaces", "rootless container requires user namespaces");
    }
}

fn check_entries(spec: &Spec, findings: &mut Findings) {
    for (index, entry) in entries(spec).iter().enumerate() {
        let at = format!("/linux/namespaces/{index}");
        if entries(spec)[..index].iter().any(|earlier| earlier.typ() == entry.typ()) {
            let text = format!("malformed spec file: duplicated ns {:?}", kind(entry.typ()).spec_name());
            findings.add(&at, text);
        }
        let Some(path) = wanted::path(entry) else { continue };
        check_text(&path.to_string_lossy(), format!("{at}/path"), findings);
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
        let at = format!("/{field}");
        if !has(spec, Kind::Uts) {
            findings.add(&at, format!("unable to set {field} without a private UTS namespace"));
        }
        // __NEW_UTS_LEN (linux/utsname.h).
        if name.len() > 64 {
            findings.add(&at, format!("{field} is longer than 64 bytes"));
        }
        check_text(name, at, findings);
    }
}

fn check_mappings(spec: &Spec, findings: &mut Findings) {
    let Some(linux) = spec.linux() else { return };
    let given = [("uidMappings", linux.uid_mappings()), ("gidMappings", linux.gid_mappings())];
    let given =
        given.iter().find(|(_, mappings)| mappings.as_ref().is_some_and(|mappings| !mappings.is_empty()));
    match (has(spec, Kind::User), given) {
        (false, Some((field, _))) => {
            let text = "user namespace mappings specified, but user namespace isn't enabled in the config";
            findings.add(format!("/linux/{field}"), text);
        }
        (true, None) if wanted::is_new(spec, Kind::User) => {
            let text =
                "user namespaces enabled, but no namespace path to join nor mappings to apply specified";
            findings.add("/linux/uidMappings", text);
        }
        _ => {}
    }
}
