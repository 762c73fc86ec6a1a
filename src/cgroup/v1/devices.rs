//! devices of v1: from the policy in force to the wanted one by the fewest writes to `devices.allow` and
//! `devices.deny`.
//!
//! Denying or allowing everything first would be simpler, but for a moment a running container could not open
//! its own /dev/null; and the kernel refuses it once the container has sub-cgroups. So what stays is not
//! touched, and what comes is allowed before what goes is denied.

use std::collections::BTreeMap;

use oci_spec::runtime::LinuxResources;

use crate::cgroup::policy::{Access, Devices, Kind, Policy};
use crate::cgroup::write::{Current, List, Write, pointer};
use crate::fail;
use crate::report::{Code, Error, Result};

const FIELD: &str = "devices";
const LIST: &str = "devices.list";

pub fn writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("devices");
    let Some(rules) = resources.devices() else { return list.done() };
    let wanted = Policy::of(rules)?;
    // A new cgroup allows everything, and so does one whose list cannot be read: start from scratch.
    let present = match now.read(LIST)? {
        Some(text) => parse(&text)?,
        None => Policy::all(true),
    };
    transition(&present, &wanted, &mut list);
    list.done()
}

/// Reads the policy back and compares: what protects the host is not left to hope.
pub fn verify(resources: &LinuxResources, now: &dyn Current) -> Result<()> {
    let Some(rules) = resources.devices() else { return Ok(()) };
    let wanted = Policy::of(rules)?;
    let present = parse(&now.read(LIST)?.unwrap_or_default())?;
    // The list of a cgroup that allows by default does not tell what it denies.
    let same = present.allow == wanted.allow && (present.allow || present.exceptions == wanted.exceptions);
    if !same {
        let text = "resulting devices cgroup doesn't precisely match target";
        return Err(Error::new(Code::Cgroup, text).at(pointer(FIELD)));
    }
    Ok(())
}

fn transition(present: &Policy, wanted: &Policy, list: &mut List) {
    let none = BTreeMap::new();
    // Where the default allows, the list hides the exceptions, so there is nothing to build on.
    let start_over = present.allow || wanted.allow;
    let (except, restore) = match wanted.allow {
        true => ("devices.deny", "devices.allow"),
        false => ("devices.allow", "devices.deny"),
    };
    let before = if start_over { &none } else { &present.exceptions };
    if start_over {
        list.push(restore, "a", FIELD);
    }
    each_missing(&wanted.exceptions, before, |line| list.push(except, line, FIELD));
    each_missing(before, &wanted.exceptions, |line| list.push(restore, line, FIELD));
}

/// What `some` has and `others` lacks.
fn each_missing(
    some: &BTreeMap<Devices, Access>,
    others: &BTreeMap<Devices, Access>,
    mut each: impl FnMut(String),
) {
    for (devices, access) in some {
        let missing = access.difference(others.get(devices).copied().unwrap_or(Access::empty()));
        if !missing.is_empty() {
            each(format!("{devices} {missing}"));
        }
    }
}

/// `devices.list`: `a *:* rwm` alone, or one allowed exception a line.
fn parse(text: &str) -> Result<Policy> {
    let mut policy = Policy::all(false);
    for line in text.lines() {
        let Some((devices, access)) = parse_line(line) else {
            fail!(Code::Cgroup, "malformed line {line:?} in {LIST}");
        };
        match devices {
            None => return Ok(Policy::all(true)),
            Some(devices) => *policy.exceptions.entry(devices).or_insert(Access::empty()) |= access,
        }
    }
    Ok(policy)
}

/// No devices are all of them.
fn parse_line(line: &str) -> Option<(Option<Devices>, Access)> {
    let mut words = line.split(' ');
    let (kind, numbers, letters) = (words.next()?, words.next()?, words.next()?);
    let access = letters.chars().try_fold(Access::empty(), |access, letter| match letter {
        'r' => Some(access | Access::R),
        'w' => Some(access | Access::W),
        'm' => Some(access | Access::M),
        _ => None,
    })?;
    let kind = match kind {
        "a" => return Some((None, access)),
        "b" => Kind::Block,
        "c" => Kind::Char,
        _ => return None,
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        digits => digits.parse().ok().map(Some),
    };
    let (major, minor) = numbers.split_once(':')?;
    Some((Some(Devices { major: number(major)?, minor: number(minor)?, kind }), access))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::policy::testing::{Random, allowed_by_rules, requests};
    use crate::cgroup::write::testing::{files, lines, resources};

    const FRESH: &str = "a *:* rwm\n";

    /// The kernel's side (security/device_cgroup.c): exceptions match exactly when changed, and by reach when
    /// asked.
    struct Kernel {
        allow: bool,
        exceptions: Vec<(Devices, Access)>,
    }

    impl Kernel {
        fn fresh() -> Self {
            Self { allow: true, exceptions: Vec::new() }
        }

        fn write(&mut self, file: &str, line: &str) {
            let allow = file == "devices.allow";
            if line == "a" {
                *self = Self { allow, exceptions: Vec::new() };
                return;
            }
            let (devices, access) = parse_line(line).expect("a rule");
            let devices = devices.expect("devices");
            let known = self.exceptions.iter_mut().find(|(known, _)| *known == devices);
            match (allow != self.allow, known) {
                (true, Some((_, excepted))) => *excepted |= access,
                (true, None) => self.exceptions.push((devices, access)),
                (false, Some((_, excepted))) => excepted.remove(access),
                (false, None) => {}
            }
            self.exceptions.retain(|(_, access)| !access.is_empty());
        }

        fn list(&self) -> String {
            match self.allow {
                true => FRESH.to_owned(),
                false => {
                    self.exceptions.iter().map(|(devices, access)| format!("{devices} {access}\n")).collect()
                }
            }
        }

        fn allows(&self, kind: Kind, major: u32, minor: u32, access: Access) -> bool {
            let reaches = |(devices, excepted): &(Devices, Access)| {
                devices.kind == kind
                    && devices.major.is_none_or(|number| number == major)
                    && devices.minor.is_none_or(|number| number == minor)
                    && if self.allow { excepted.intersects(access) } else { excepted.contains(access) }
            };
            self.exceptions.iter().any(reaches) != self.allow
        }
    }

    fn planned(rules: serde_json::Value, list: &str) -> Vec<String> {
        lines(writes(&resources(json!({"devices": rules})), &files(&[(LIST, list)])))
    }

    #[test]
    fn a_new_cgroup_is_closed_and_then_opened_device_by_device() {
        let rules = json!([{"allow": false, "access": "rwm"},
                           {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                           {"allow": true, "type": "b", "access": "m"}]);
        assert_eq!(
            planned(rules, FRESH),
            ["devices.deny a", "devices.allow b *:* m", "devices.allow c 1:3 rwm"]
        );
    }

    #[test]
    fn what_is_right_already_is_not_written() {
        let rules = json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]);
        assert!(planned(rules.clone(), "c 1:3 rwm\n").is_empty());
        assert_eq!(planned(rules, "c 1:3 rw\nc 1:5 r\n"), ["devices.allow c 1:3 m", "devices.deny c 1:5 r"]);
    }

    #[test]
    fn all_devices_are_one_write() {
        assert_eq!(planned(json!([{"allow": true, "access": "rwm"}]), FRESH), ["devices.allow a"]);
        assert_eq!(planned(json!([{"allow": true, "access": "rwm"}]), "c 1:3 r\n"), ["devices.allow a"]);
        assert_eq!(planned(json!([]), FRESH), ["devices.deny a"]);
        assert!(planned(json!([]), "").is_empty());
    }

    #[test]
    fn no_rules_at_all_leave_devices_alone() {
        assert!(lines(writes(&resources(json!({})), &files(&[(LIST, FRESH)]))).is_empty());
    }

    #[test]
    fn the_kernels_state_equals_the_rules_from_any_state_before() {
        let mut random = Random(0xdeb1ce);
        for _ in 0..500 {
            let mut kernel = Kernel::fresh();
            for _ in 0..3 {
                let rules = random.rules();
                let config = resources(json!({"devices": rules}));
                let list = kernel.list();
                let Ok(writes) = writes(&config, &files(&[(LIST, &list)])) else { continue };
                writes.iter().for_each(|write| kernel.write(&write.file, &write.value));
                verify(&config, &files(&[(LIST, &kernel.list())])).expect("the list is as wanted");
                for (kind, major, minor, access) in requests() {
                    let expected = allowed_by_rules(&rules, kind, major, minor, access);
                    assert_eq!(
                        kernel.allows(kind, major, minor, access),
                        expected,
                        "{kind:?} {major}:{minor} {access} by {rules:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_device_that_stays_allowed_is_allowed_in_between_too() {
        let mut random = Random(0xface);
        for _ in 0..500 {
            let (first, second) = (random.rules(), random.rules());
            let (Ok(one), Ok(two)) = (Policy::of(&first), Policy::of(&second)) else { continue };
            if one.allow || two.allow {
                continue;
            }
            let mut kernel = Kernel { allow: false, exceptions: one.exceptions.into_iter().collect() };
            let list = kernel.list();
            let writes = writes(&resources(json!({"devices": second})), &files(&[(LIST, &list)])).unwrap();
            for write in writes {
                kernel.write(&write.file, &write.value);
                for (kind, major, minor, access) in requests() {
                    let stays = allowed_by_rules(&first, kind, major, minor, access)
                        && allowed_by_rules(&second, kind, major, minor, access);
                    assert!(
                        !stays || kernel.allows(kind, major, minor, access),
                        "{kind:?} {major}:{minor} {access}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_list_that_is_not_what_was_wanted_is_an_error() {
        let config = resources(
            json!({"devices": [{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"}]}),
        );
        for list in ["", "c 1:3 rw\n", FRESH, "c 1:3 r\nc 1:5 r\n"] {
            assert!(verify(&config, &files(&[(LIST, list)])).is_err(), "{list:?}");
        }
        assert!(verify(&config, &files(&[(LIST, "c 1:3 r\n")])).is_ok());
    }
}
