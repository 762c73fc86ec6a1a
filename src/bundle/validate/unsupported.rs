//! What a valid config may ask for and this version does not do. Refused, so that nothing is left out silently.

use oci_spec::runtime::Spec;

use super::findings::Findings;

pub fn check(spec: &Spec, findings: &mut Findings) {
    let Some(linux) = spec.linux() else { return };
    if linux.intel_rdt().is_some() {
        findings.add("/linux/intelRdt", "Intel RDT is not supported yet");
    }
}
