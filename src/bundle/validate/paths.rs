//! linux.maskedPaths, readonlyPaths and rootfsPropagation: what is done to the container's own mounts.

use oci_spec::runtime::Spec;

use super::Situation;
use super::findings::{Findings, check_text};
use crate::bundle::{mount_options, namespaces::has};
use crate::linux::mount::PropagationKind;
use crate::linux::namespace::Kind;

pub fn check(spec: &Spec, situation: Situation, findings: &mut Findings) {
    let Some(linux) = spec.linux() else { return };
    let lists = [("maskedPaths", linux.masked_paths()), ("readonlyPaths", linux.readonly_paths())];
    for (field, paths) in lists {
        let paths = paths.as_deref().unwrap_or_default();
        if !paths.is_empty() && !has(spec, Kind::Mount) {
            // They would hide the host's own /proc from the host.
            let text = "unable to restrict sys entries without a private MNT namespace";
            findings.add(format!("/linux/{field}"), text);
        }
        for (index, path) in paths.iter().enumerate() {
            let at = format_args!("/linux/{field}/{index}");
            if !path.starts_with('/') {
                findings.add(at, format!("path {path:?} is not absolute"));
            }
            check_text(path, at, findings);
        }
    }
    if let Some(word) = linux.rootfs_propagation().as_deref().filter(|word| !word.is_empty()) {
        check_propagation(word, has(spec, Kind::Mount), situation, findings);
    }
}

fn check_propagation(word: &str, own_mounts: bool, situation: Situation, findings: &mut Findings) {
    let at = "/linux/rootfsPropagation";
    let Some(propagation) = mount_options::propagation_of(word) else {
        return findings.add(at, format!("rootfsPropagation={word} is not supported"));
    };
    if !own_mounts {
        findings.add(at, "unable to set rootfsPropagation without a private MNT namespace");
    }
    if situation.no_pivot && propagation.kind == PropagationKind::Private {
        // The host's mounts stay in the namespace, and would stay reachable.
        findings.add(at, "rootfsPropagation of [r]private is not safe without pivot_root");
    }
}
