//! Device rules as properties, for v1.
//!
//! On v2 none are set, on purpose: a scope without DevicePolicy= and DeviceAllow= gets no filter from systemd,
//! and ours, which is attached to the cgroup, is the only one that ever decides. So `systemctl daemon-reload`,
//! which puts systemd's own filters back in place, can take no device away, whatever has changed ours since.
//! On v1 there is but one list, and systemd writes it anew at such times: it has to know the rules.

use super::bus::{Type, Value};
use super::manager::Property;
use crate::cgroup::policy::{Access, Devices, Kind, Policy};
use crate::report::log;

/// What systemd has to be told of a policy.
pub fn properties(policy: &Policy) -> Vec<Property> {
    let pair = Type::Struct(vec![Type::TEXT, Type::TEXT]);
    let allow = |rules: Vec<Value>| Property::new("DeviceAllow", Value::Array(pair.clone(), rules));
    // An empty list clears what was there, and does not add to it.
    let cleared = allow(vec![]);
    if policy.allow {
        if !policy.exceptions.is_empty() {
            log::warn("systemd does not support deny rules for devices: a daemon-reload will lift them");
        }
        return vec![Property::new("DevicePolicy", Value::text("auto")), cleared];
    }
    let mut rules = Vec::new();
    for (devices, access) in &policy.exceptions {
        match name(devices) {
            Some(name) => rules.push(rule(name, *access)),
            None => log::warn(format!(
                "systemd has no name for devices {devices}: a daemon-reload will deny them"
            )),
        }
    }
    vec![Property::new("DevicePolicy", Value::text("strict")), cleared, allow(rules)]
}

fn rule(name: String, access: Access) -> Value {
    Value::Struct(vec![Value::Text(name), Value::Text(access.to_string())])
}

/// systemd.resource-control(5), DeviceAllow=: one node, all of a major number, or all of a kind.
fn name(devices: &Devices) -> Option<String> {
    let kind = match devices.kind {
        Kind::Char => "char",
        Kind::Block => "block",
    };
    match (devices.major, devices.minor) {
        (Some(major), Some(minor)) => Some(format!("/dev/{kind}/{major}:{minor}")),
        (Some(major), None) => Some(format!("{kind}-{major}")),
        (None, None) => Some(format!("{kind}-*")),
        (None, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(rules: serde_json::Value) -> Vec<String> {
        let rules: Vec<oci_spec::runtime::LinuxDeviceCgroup> = serde_json::from_value(rules).unwrap();
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::Array(_, rules) => {
                let rule = |rule: &Value| match rule {
                    Value::Struct(parts) => {
                        parts.iter().filter_map(Value::as_text).collect::<Vec<_>>().join(" ")
                    }
                    other => format!("{other:?}"),
                };
                format!("[{}]", rules.iter().map(rule).collect::<Vec<_>>().join(", "))
            }
            other => format!("{other:?}"),
        };
        let properties = properties(&Policy::of(&rules).unwrap());
        properties.iter().map(|property| format!("{}={}", property.name, text(&property.value))).collect()
    }

    #[test]
    fn rules_become_the_names_that_systemd_has() {
        let rules = json!([{"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "access": "m"}, {"allow": true, "type": "b", "major": 8, "access": "rw"},
            {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"},
            {"allow": true, "type": "c", "minor": 9, "access": "rw"}]);
        let expected =
            ["DevicePolicy=strict", "DeviceAllow=[]", "DeviceAllow=[char-* m, /dev/char/1:3 rw, block-8 rw]"];
        let mut found = shown(rules);
        found.sort_by_key(|text| !text.starts_with("DevicePolicy"));
        assert_eq!(found, expected);
    }

    #[test]
    fn everything_allowed_is_no_policy() {
        let expected = ["DevicePolicy=auto", "DeviceAllow=[]"];
        assert_eq!(shown(json!([{"allow": true, "access": "rwm"}])), expected);
        let but = json!([{"allow": true, "access": "rwm"}, {"allow": false, "type": "c", "major": 1, "access": "w"}]);
        assert_eq!(shown(but), expected);
    }
}
