//! The config as a whole: its version, its root, its annotations.

use oci_spec::runtime::Spec;

use super::findings::{Findings, check_text};
use crate::bundle::{annotations, pointer};

pub fn check(spec: &Spec, findings: &mut Findings) {
    check_version(spec.version(), findings);
    match spec.root() {
        None => findings.add("/root", "root must be specified"),
        Some(root) if root.path().as_os_str().is_empty() => {
            findings.add("/root/path", "root path must not be empty");
        }
        Some(_) => {}
    }
    for (key, value) in spec.annotations().iter().flatten() {
        if key.is_empty() {
            findings.add("/annotations/", "annotation keys must not be empty");
        }
        if let Some(reason) = annotations::refusal(key) {
            let text = format!("annotation {key} is not supported: {reason}");
            findings.add(pointer::member("/annotations", key), text);
        }
        check_text(value, pointer::member("/annotations", key), findings);
    }
    if annotations::mount_context(spec).is_none() {
        let text = format!("it is one of {}", annotations::MOUNT_CONTEXTS.join(", "));
        findings.add(pointer::member("/annotations", annotations::MOUNT_CONTEXT_TYPE), text);
    }
}

/// Semantic versioning: whatever is valid for one 1.x is understood by all (config.md#specification-version).
fn check_version(version: &str, findings: &mut Findings) {
    if !is_semantic(version) {
        let text = format!("ociVersion {version:?} is not a version like 1.3.0");
        return findings.add("/ociVersion", text);
    }
    if !version.starts_with("1.") {
        findings.add("/ociVersion", format!("ociVersion {version:?} is not supported: 1.x is"));
    }
}

/// `1.0.2-dev+build`.
fn is_semantic(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-+.".contains(&byte);
    core.split('.').count() == 3 && core.split('.').all(is_number) && version.bytes().all(is_label)
}
