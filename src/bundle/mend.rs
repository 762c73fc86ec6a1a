//! What runc accepts and our types do not, put into the form that they take. Runs only on configs that would else
//! be refused, and on the rare ones in which the types cannot tell absent from zero.
//!
//! Each mend says the same thing in other words; none makes an invalid config valid.

use oci_spec::runtime::{Capability, Process, Spec};
use serde_json::{Map, Value, json};

use super::{names, number_list};

/// True where a value may have been filled in that the config does not have.
pub fn is_in_doubt(spec: &Spec) -> bool {
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let pids = resources.and_then(|resources| resources.pids().as_ref());
    pids.is_some_and(|pids| pids.limit() == 0) || spec.process().as_ref().is_some_and(is_process_in_doubt)
}

/// The same for a process.
pub fn is_process_in_doubt(process: &Process) -> bool {
    process.io_priority().is_some()
}

/// Mends a config; returns what a person should know.
pub fn config(config: &mut Value) -> Vec<String> {
    names::fold(config);
    drop_nulls(config);
    drop_foreign_platforms(config);
    let warnings = config.get_mut("process").map(mend_process).unwrap_or_default();
    if let Some(linux) = config.get_mut("linux").and_then(Value::as_object_mut) {
        mend_linux(linux);
    }
    warnings
}

/// Mends a process.
pub fn process(process: &mut Value) -> Vec<String> {
    names::fold(process);
    drop_nulls(process);
    mend_process(process)
}

fn mend_process(process: &mut Value) -> Vec<String> {
    let Some(process) = process.as_object_mut() else { return Vec::new() };
    process.entry("user").or_insert_with(|| json!({}));
    // Validation says what is wrong with an empty one, in runc's words.
    process.entry("cwd").or_insert_with(|| json!(""));
    mend_scheduler(process);
    mend_affinity(process);
    mark_missing_io_class(process);
    unknown_capabilities(process)
}

/// To Go, null is absent everywhere.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(elements) => elements.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Sections for other systems, and members that the spec does not have but the types do: unknown
/// properties are ignored (config.md#extensibility).
fn drop_foreign_platforms(config: &mut Value) {
    let Some(config) = config.as_object_mut() else { return };
    for name in ["solaris", "windows", "vm", "zos", "uidMappings", "gidMappings"] {
        config.remove(name);
    }
}

/// Capabilities that no kernel has are left out with a warning (runc), in runc's words.
fn unknown_capabilities(process: &mut Map<String, Value>) -> Vec<String> {
    let Some(sets) = process.get_mut("capabilities").and_then(Value::as_object_mut) else {
        return Vec::new();
    };
    let mut unknown: Vec<String> = Vec::new();
    for names in sets.values_mut().filter_map(Value::as_array_mut) {
        names.retain(|name| match name.as_str() {
            Some(text) if serde_json::from_value::<Capability>(name.clone()).is_err() => {
                unknown.push(text.to_string());
                false
            }
            _ => true,
        });
    }
    unknown.sort();
    unknown.dedup();
    match unknown.is_empty() {
        true => Vec::new(),
        false => vec![format!("ignoring unknown or unavailable capabilities: [{}]", unknown.join(" "))],
    }
}

/// Flags that oci-spec spells another way than the spec (config.md#linux-process, scheduler).
const RESPELLED: [(&str, &str); 2] = [
    ("SCHED_FLAG_RESET_ON_FORK", "SCHED_RESET_ON_FORK"),
    ("SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_D_L_OVERRUN"),
];

fn mend_scheduler(process: &mut Map<String, Value>) {
    let flags = process.get_mut("scheduler").and_then(|scheduler| scheduler.get_mut("flags"));
    for flag in flags.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some((_, typed)) = RESPELLED.iter().find(|(spec, _)| flag == spec) {
            *flag = json!(typed);
        }
    }
}

/// Blanks and empty elements in CPU lists say nothing (runc); an empty list is none.
fn mend_affinity(process: &mut Map<String, Value>) {
    let Some(affinity) = process.get_mut("execCPUAffinity").and_then(Value::as_object_mut) else { return };
    affinity.retain(|_, list| list != "");
    for list in affinity.values_mut() {
        if let Some(text) = list.as_str() {
            *list = json!(number_list::tidy(text));
        }
    }
}

/// The types take a missing class for best-effort; the spec requires one, and so the parser shall say.
fn mark_missing_io_class(process: &mut Map<String, Value>) {
    if let Some(priority) = process.get_mut("ioPriority").and_then(Value::as_object_mut) {
        priority.entry("class").or_insert_with(|| json!(""));
    }
}

fn mend_linux(linux: &mut Map<String, Value>) {
    if linux.get("seccomp").is_some_and(is_no_profile) {
        linux.remove("seccomp");
    }
    if let Some(seccomp) = linux.get_mut("seccomp") {
        mend_seccomp(seccomp);
    }
    if let Some(policy) = linux.get_mut("memoryPolicy").and_then(Value::as_object_mut) {
        // The parser shall say that this is no mode.
        policy.entry("mode").or_insert_with(|| json!(""));
    }
    if let Some(resources) = linux.get_mut("resources").and_then(Value::as_object_mut) {
        mend_resources(resources);
    }
}

/// Mends limits that stand alone.
pub fn resources(resources: &mut Value) {
    names::fold(resources);
    drop_nulls(resources);
    if let Some(resources) = resources.as_object_mut() {
        mend_resources(resources);
    }
}

fn mend_resources(resources: &mut Map<String, Value>) {
    if resources.get("pids").is_some_and(|pids| pids.is_object() && pids.get("limit").is_none()) {
        resources.remove("pids");
    }
    for rule in resources.get_mut("devices").and_then(Value::as_array_mut).into_iter().flatten() {
        drop_empty(rule, "type");
    }
}

/// Neither a default nor a rule (runc: seccomp is off).
fn is_no_profile(seccomp: &Value) -> bool {
    let default = seccomp.get("defaultAction").and_then(Value::as_str).unwrap_or_default();
    let rules = seccomp.get("syscalls").and_then(Value::as_array).map_or(0, Vec::len);
    seccomp.is_object() && default.is_empty() && rules == 0
}

/// Numbers left out are zero; names left out are none, which validation refuses in its own words.
fn mend_seccomp(seccomp: &mut Value) {
    for rule in seccomp.get_mut("syscalls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(rule) = rule.as_object_mut() else { continue };
        rule.entry("names").or_insert_with(|| json!([]));
        for argument in rule.get_mut("args").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(argument) = argument.as_object_mut() else { continue };
            argument.entry("index").or_insert_with(|| json!(0));
            argument.entry("value").or_insert_with(|| json!(0));
        }
    }
}

fn drop_empty(object: &mut Value, name: &str) {
    if let Some(members) =
        object.as_object_mut().filter(|members| members.get(name).is_some_and(|it| it == ""))
    {
        members.remove(name);
    }
}
