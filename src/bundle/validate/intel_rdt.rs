//! linux.intelRdt (config-linux.md#intelrdt). What is in a group that is there already is looked at when it is joined.

use oci_spec::runtime::{LinuxIntelRdt, Spec};

use super::findings::{Findings, check_text};
use super::host::{Host, ResctrlFacts};

pub fn check(spec: &Spec, host: &Host, findings: &mut Findings) {
    let Some(config) = spec.linux().as_ref().and_then(|linux| linux.intel_rdt().as_ref()) else { return };
    let resctrl = (host.resctrl)();
    if !resctrl.mounted {
        let text = "intelRdt is specified in config, but Intel RDT is not enabled";
        findings.add("/linux/intelRdt", format!("{text}: no resctrl filesystem is mounted"));
    }
    check_class(config, findings);
    check_schemata(config, resctrl, findings);
}

fn check_class(config: &LinuxIntelRdt, findings: &mut Findings) {
    let at = "/linux/intelRdt/closID";
    let Some(class) = config.clos_id().as_deref() else { return };
    // The root of the filesystem is a class, too; these are directories of the kernel.
    let reserved = matches!(class, "." | ".." | "info" | "mon_groups" | "mon_data");
    if reserved || (class.len() > 1 && class.contains('/')) {
        findings.add(at, format!("invalid intelRdt.ClosID {class:?}"));
    }
    check_text(class, at, findings);
}

fn check_schemata(config: &LinuxIntelRdt, resctrl: ResctrlFacts, findings: &mut Findings) {
    let given = |schema: &Option<String>| schema.clone().filter(|schema| !schema.is_empty());
    if given(config.l3_cache_schema()).is_some() && resctrl.mounted && !resctrl.cache {
        let text = "intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled";
        findings.add("/linux/intelRdt/l3CacheSchema", text);
    }
    if let Some(schema) = given(config.mem_bw_schema()) {
        let at = "/linux/intelRdt/memBwSchema";
        if resctrl.mounted && !resctrl.bandwidth {
            let text = "intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled";
            findings.add(at, text);
        }
        if !schema.starts_with("MB:") || schema.contains('\n') {
            findings.add(at, format!("memBwSchema {schema:?} is not one line that starts with MB:"));
        }
    }
    for (index, line) in config.schemata().iter().flatten().enumerate() {
        if line.contains('\n') {
            findings
                .add(format!("/linux/intelRdt/schemata/{index}"), format!("{line:?} is more than one line"));
        }
    }
}
