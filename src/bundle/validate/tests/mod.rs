//! Changes to a valid config, and what is found in each.

mod document;
mod files;
mod kernel;
mod process;
mod schema;
mod user_namespace;

use serde_json::{Value, json};

use super::host::ResctrlFacts;
use super::*;
use crate::bundle::load;

const HOST: Host =
    Host { selinux: || false, apparmor: || false, unified_cgroups: || false, resctrl: ResctrlFacts::default };

/// Valid, with every namespace that is needed for what the cases ask.
fn config() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["sh"], "user": {}},
        "linux": {"namespaces": [
            {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]},
    })
}

/// RFC 7386: objects are merged, null removes, all else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        match value {
            Value::Null => drop(target.as_object_mut().unwrap().remove(name)),
            _ => merge(&mut target[name], value),
        }
    }
}

#[track_caller]
fn found(patch: &Value, situation: Situation, host: &Host) -> Vec<String> {
    let mut config = config();
    merge(&mut config, patch);
    let spec = match load::parse(config.to_string().as_bytes()) {
        Ok(spec) => spec,
        Err(error) => panic!("{patch}: {error}"),
    };
    spec_on(&spec, situation, host).texts()
}

/// Each patch makes exactly the one finding; None: none at all.
#[track_caller]
fn check(cases: &[(Value, Option<&str>)]) {
    for (patch, expected) in cases {
        let found = found(patch, Situation::default(), &HOST);
        assert_eq!(found, expected.iter().map(ToString::to_string).collect::<Vec<_>>(), "{patch}");
    }
}

fn without_namespaces() -> Value {
    json!({"linux": {"namespaces": []}})
}

#[test]
fn the_default_configs_are_valid() {
    for rootless in [false, true] {
        let spec = load::parse(crate::bundle::default_spec::text(rootless).as_bytes()).unwrap();
        let situation = Situation { unprivileged: rootless, ..Situation::default() };
        assert_eq!(spec_on(&spec, situation, &HOST).texts(), Vec::<String>::new());
    }
}

#[test]
fn a_version_is_semantic_and_1_x() {
    let version = |text: &str| json!({"ociVersion": text});
    let malformed = |text: &str| format!("ociVersion {text:?} is not a version like 1.3.0 [/ociVersion]");
    for valid in ["1.0.0", "1.0.2-dev", "1.3.0", "1.9.12", "1.0.0-rc.1+build.5"] {
        check(&[(version(valid), None)]);
    }
    for wrong in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1..0", "1.0.0 ", "1.0.0\n", "a.b.c"] {
        check(&[(version(wrong), Some(&malformed(wrong)))]);
    }
    check(&[(version("2.0.0"), Some("ociVersion \"2.0.0\" is not supported: 1.x is [/ociVersion]"))]);
    check(&[(version("0.9.0"), Some("ociVersion \"0.9.0\" is not supported: 1.x is [/ociVersion]"))]);
}

#[test]
fn what_must_be_there_is_asked_for_in_runcs_words() {
    check(&[
        (json!({"process": null}), Some("process property must not be empty [/process]")),
        (json!({"process": {"cwd": null}}), Some("Cwd property must not be empty [/process/cwd]")),
        (json!({"process": {"cwd": "tmp"}}), Some("Cwd must be an absolute path [/process/cwd]")),
        (json!({"process": {"args": null}}), Some("args must not be empty [/process/args]")),
        (json!({"process": {"args": []}}), Some("args must not be empty [/process/args]")),
        (json!({"root": null}), Some("root must be specified [/root]")),
        (json!({"root": {"path": ""}}), Some("root path must not be empty [/root/path]")),
        (json!({"annotations": {"": "x"}}), Some("annotation keys must not be empty [/annotations/]")),
    ]);
}

#[test]
fn every_finding_is_named_and_the_first_gives_the_place() {
    let mut config = config();
    merge(&mut config, &json!({"process": {"cwd": "x", "args": []}, "hostname": "a", "linux": null}));
    let spec = load::parse(config.to_string().as_bytes()).unwrap();
    let error = spec_on(&spec, Situation::default(), &HOST).refuse().unwrap_err();
    assert_eq!(
        error.text(),
        "Cwd must be an absolute path [/process/cwd]; args must not be empty [/process/args]; \
         unable to set hostname without a private UTS namespace [/hostname]"
    );
    assert_eq!(error.pointer(), Some("/process/cwd"));
    assert_eq!(error.kind(), crate::report::Code::InvalidConfig);
}

#[test]
fn zero_bytes_are_refused_wherever_text_goes_to_the_kernel() {
    let cases = [
        (json!({"process": {"args": ["sh", "\0"]}}), "/process/args/1"),
        (json!({"process": {"cwd": "/\0"}}), "/process/cwd"),
        (json!({"hostname": "a\0"}), "/hostname"),
        (json!({"mounts": [{"destination": "/a\0", "type": "tmpfs"}]}), "/mounts/0/destination"),
        (json!({"mounts": [{"destination": "/a", "type": "tmpfs", "source": "\0"}]}), "/mounts/0/source"),
        (json!({"mounts": [{"destination": "/a", "type": "tmp\0fs"}]}), "/mounts/0/type"),
        (
            json!({"mounts": [{"destination": "/a", "type": "tmpfs", "options": ["\0"]}]}),
            "/mounts/0/options/0",
        ),
        (json!({"hooks": {"poststop": [{"path": "/\0"}]}}), "/hooks/poststop/0/path"),
        (json!({"hooks": {"poststop": [{"path": "/x", "env": ["A=\0"]}]}}), "/hooks/poststop/0/env/0"),
        (json!({"linux": {"maskedPaths": ["/\0"]}}), "/linux/maskedPaths/0"),
        (json!({"linux": {"cgroupsPath": "/\0"}}), "/linux/cgroupsPath"),
    ];
    for (patch, at) in cases {
        check(&[(patch, Some(&format!("contains a zero byte [{at}]")))]);
    }
}
