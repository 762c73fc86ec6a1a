//! Which devices may be used: the meaning of `linux.resources.devices` (runtime-spec
//! config-linux.md#allowed-device-list).
//!
//! The rules are a list in which a later one overrides an earlier one, from "nothing is allowed" on. Both
//! enforcers, the v1 controller and the v2 program, want something simpler: a default, and exceptions from it
//! that all say the opposite. This file gets from the one to the other, and refuses a list for which there is
//! no such form: an exception from an exception.

use std::collections::BTreeMap;
use std::fmt;

use bitflags::bitflags;
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::write::invalid;
use crate::report::Result;

bitflags! {
    /// What may be done with a device. `M` is mknod(2), not opening.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Access: u8 {
        const R = 1;
        const W = 2;
        const M = 4;
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(Access::R, "r"), (Access::W, "w"), (Access::M, "m")];
        letters.iter().filter(|(bit, _)| self.contains(*bit)).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Char,
    Block,
}

/// One device, or many where a number is left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Devices {
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub kind: Kind,
}

impl Devices {
    fn contain(&self, other: &Devices) -> bool {
        let covers = |ours: Option<u32>, theirs: Option<u32>| ours.is_none() || ours == theirs;
        self.kind == other.kind && covers(self.major, other.major) && covers(self.minor, other.minor)
    }

    fn overlap(&self, other: &Devices) -> bool {
        let meet =
            |ours: Option<u32>, theirs: Option<u32>| ours.is_none() || theirs.is_none() || ours == theirs;
        self.kind == other.kind && meet(self.major, other.major) && meet(self.minor, other.minor)
    }
}

/// `c 1:3`, as the v1 files have it.
impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
        let kind = match self.kind {
            Kind::Char => 'c',
            Kind::Block => 'b',
        };
        write!(f, "{kind} {}:{}", number(self.major), number(self.minor))
    }
}

/// A default and the exceptions from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub allow: bool,
    pub exceptions: BTreeMap<Devices, Access>,
}

impl Policy {
    /// Everything allowed or everything denied.
    pub fn all(allow: bool) -> Self {
        Self { allow, exceptions: BTreeMap::new() }
    }

    /// The policy of a list of rules.
    ///
    /// # Errors
    /// A rule that is malformed, or that would need an exception from an exception.
    pub fn of(rules: &[LinuxDeviceCgroup]) -> Result<Self> {
        let mut policy = Self::all(false);
        for (index, rule) in rules.iter().enumerate() {
            let field = format!("devices/{index}");
            let rule = Rule::parse(rule, &field)?;
            match rule.everything {
                true => policy = Self::all(rule.allow),
                false => rule.devices.iter().try_for_each(|devices| {
                    let hole = |exception: Devices| {
                        let (what, old) = if rule.allow { ("allow", "denies") } else { ("deny", "allows") };
                        let text = format!(
                            "cannot {what} {devices} {} within {exception}, which an earlier rule {old}",
                            rule.access
                        );
                        invalid(&field, text)
                    };
                    policy.change(rule.allow, *devices, rule.access).map_err(hole)
                })?,
            }
        }
        policy.drop_covered();
        Ok(policy)
    }

    /// Err with the exception that would need a hole.
    fn change(&mut self, allow: bool, devices: Devices, access: Access) -> std::result::Result<(), Devices> {
        if allow != self.allow {
            *self.exceptions.entry(devices).or_insert(Access::empty()) |= access;
            return Ok(());
        }
        for (exception, excepted) in &mut self.exceptions {
            if devices.contain(exception) {
                excepted.remove(access);
            } else if devices.overlap(exception) && excepted.intersects(access) {
                return Err(*exception);
            }
        }
        self.exceptions.retain(|_, access| !access.is_empty());
        Ok(())
    }

    /// Drops exceptions that say nothing beside a wider one.
    fn drop_covered(&mut self) {
        let all = self.exceptions.clone();
        self.exceptions.retain(|devices, access| {
            let any_major = Devices { major: None, ..*devices };
            let any_minor = Devices { minor: None, ..*devices };
            let wider = [any_major, any_minor, Devices { major: None, minor: None, ..*devices }];
            let says_it = |other: &Devices| all.get(other).is_some_and(|allowed| allowed.contains(*access));
            !wider.iter().any(|other| other != devices && says_it(other))
        });
    }
}

struct Rule {
    allow: bool,
    everything: bool,
    devices: Vec<Devices>,
    access: Access,
}

impl Rule {
    fn parse(rule: &LinuxDeviceCgroup, field: &str) -> Result<Self> {
        let access = parse_access(rule.access().as_deref().unwrap_or_default(), field)?;
        let major = parse_number(rule.major(), &format!("{field}/major"))?;
        let minor = parse_number(rule.minor(), &format!("{field}/minor"))?;
        let kinds: &[Kind] = match rule.typ().unwrap_or(LinuxDeviceType::A) {
            LinuxDeviceType::A => &[Kind::Char, Kind::Block],
            LinuxDeviceType::B => &[Kind::Block],
            LinuxDeviceType::C => &[Kind::Char],
            other => {
                let text = format!("invalid cgroup device type {:?}", other.as_str());
                return Err(invalid(&format!("{field}/type"), text));
            }
        };
        let devices: Vec<Devices> = kinds.iter().map(|kind| Devices { major, minor, kind: *kind }).collect();
        let everything = kinds.len() == 2 && major.is_none() && minor.is_none() && access.is_all();
        Ok(Self { allow: rule.allow(), everything, devices, access })
    }
}

/// Letters other than these three mean nothing, as in runc: a rule says less then, never more.
fn parse_access(text: &str, field: &str) -> Result<Access> {
    let field = format!("{field}/access");
    let access = text.chars().fold(Access::empty(), |access, letter| match letter {
        'r' => access | Access::R,
        'w' => access | Access::W,
        'm' => access | Access::M,
        _ => access,
    });
    match access.is_empty() {
        true if text.is_empty() => Err(invalid(&field, "device access cannot be empty")),
        true => Err(invalid(&field, format!("invalid device access {text:?}: only r, w and m are known"))),
        false => Ok(access),
    }
}

/// None and -1 are every number.
fn parse_number(number: Option<i64>, field: &str) -> Result<Option<u32>> {
    match number {
        None | Some(-1) => Ok(None),
        Some(number) => match u32::try_from(number) {
            // The v1 interface keeps "any" as the highest number.
            Ok(number) if number != u32::MAX => Ok(Some(number)),
            _ => Err(invalid(field, format!("invalid device number {number}"))),
        },
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// What the specification says: the last rule that speaks of this device and this one kind of access.
    pub fn allowed_by_rules(
        rules: &[LinuxDeviceCgroup],
        kind: Kind,
        major: u32,
        minor: u32,
        access: Access,
    ) -> bool {
        let speaks = |rule: &&LinuxDeviceCgroup| {
            let letters = rule.access().as_deref().unwrap_or_default();
            let kind_matches = match rule.typ().unwrap_or(LinuxDeviceType::A) {
                LinuxDeviceType::A => true,
                LinuxDeviceType::B => kind == Kind::Block,
                _ => kind == Kind::Char,
            };
            kind_matches
                && rule.major().is_none_or(|number| number == -1 || number == i64::from(major))
                && rule.minor().is_none_or(|number| number == -1 || number == i64::from(minor))
                && letters.contains(&access.to_string())
        };
        rules.iter().rev().find(speaks).is_some_and(|rule| rule.allow())
    }

    /// A small deterministic source of test cases (xorshift).
    pub struct Random(pub u64);

    impl Random {
        pub fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }

        /// A rule over a world so small that rules meet often.
        pub fn rule(&mut self) -> LinuxDeviceCgroup {
            let access = ["r", "w", "m", "rw", "rwm", "rwm", "wm"][self.below(7) as usize];
            let kind = ["a", "b", "c", "c"][self.below(4) as usize];
            let numbers = |draw: u64| if draw == 0 { -1 } else { draw as i64 };
            let (major, minor) = (numbers(self.below(3)), numbers(self.below(3)));
            let rule = serde_json::json!({"allow": self.below(2) == 0, "type": kind, "major": major,
                                          "minor": minor, "access": access});
            serde_json::from_value(rule).expect("rule")
        }

        pub fn rules(&mut self) -> Vec<LinuxDeviceCgroup> {
            (0..1 + self.below(6)).map(|_| self.rule()).collect()
        }
    }

    /// Every request that tells two policies over that world apart.
    pub fn requests() -> Vec<(Kind, u32, u32, Access)> {
        let mut requests = Vec::new();
        for kind in [Kind::Char, Kind::Block] {
            for (major, minor) in (1..4).flat_map(|major| (1..4).map(move |minor| (major, minor))) {
                requests.extend([Access::R, Access::W, Access::M].map(|access| (kind, major, minor, access)));
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(rules: serde_json::Value) -> Result<Policy> {
        let rules: Vec<LinuxDeviceCgroup> = serde_json::from_value(rules).expect("rules");
        Policy::of(&rules)
    }

    fn text(policy: &Policy) -> Vec<String> {
        policy.exceptions.iter().map(|(devices, access)| format!("{devices} {access}")).collect()
    }

    #[test]
    fn no_rule_denies_everything() {
        assert_eq!(policy(json!([])).unwrap(), Policy::all(false));
    }

    #[test]
    fn a_rule_for_everything_forgets_what_was_before() {
        let rules = json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                           {"allow": true, "access": "rwm"}]);
        assert_eq!(policy(rules).unwrap(), Policy::all(true));
        let rules = json!([{"allow": true, "access": "mwr"},
                           {"allow": false, "type": "a", "major": -1, "access": "rwm"}]);
        assert_eq!(policy(rules).unwrap(), Policy::all(false));
    }

    #[test]
    fn a_rule_of_any_type_with_numbers_is_not_a_rule_for_everything() {
        let found = policy(json!([{"allow": true, "type": "a", "major": 8, "access": "rw"}])).unwrap();
        assert!(!found.allow);
        assert_eq!(text(&found), ["c 8:* rw", "b 8:* rw"]);
    }

    #[test]
    fn access_adds_up_and_what_a_wider_rule_says_is_dropped() {
        let rules = json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"},
                           {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "w"},
                           {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "m"},
                           {"allow": true, "type": "c", "access": "m"}]);
        assert_eq!(text(&policy(rules).unwrap()), ["c *:* m", "c 1:3 rw"]);
    }

    #[test]
    fn a_wider_denial_takes_narrower_permissions_back() {
        let rules = json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                           {"allow": true, "type": "b", "major": 8, "minor": 0, "access": "m"},
                           {"allow": false, "access": "m"}]);
        assert_eq!(text(&policy(rules).unwrap()), ["c 1:3 rw"]);
    }

    #[test]
    fn an_exception_from_an_exception_is_refused_with_its_rule() {
        for rules in [
            json!([{"allow": true, "type": "c", "access": "rwm"},
                   {"allow": false, "type": "c", "major": 1, "minor": 3, "access": "w"}]),
            json!([{"allow": true, "type": "c", "major": 1, "access": "rwm"},
                   {"allow": false, "type": "c", "minor": 3, "access": "w"}]),
            json!([{"allow": true, "access": "rwm"}, {"allow": false, "type": "b", "access": "rwm"},
                   {"allow": true, "type": "b", "major": 8, "minor": 0, "access": "r"}]),
        ] {
            let count = rules.as_array().unwrap().len() - 1;
            let error = policy(rules).unwrap_err();
            assert_eq!(
                error.pointer(),
                Some(format!("/linux/resources/devices/{count}").as_str()),
                "{error}"
            );
        }
    }

    #[test]
    fn letters_that_are_no_access_mean_nothing() {
        let rules = json!([{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"},
                           {"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rwa"}]);
        assert_eq!(text(&policy(rules).unwrap()), ["c 1:11 m"]);
    }

    #[test]
    fn malformed_rules_are_refused_by_field() {
        for (rule, field) in [
            (json!({"allow": true}), "access"),
            (json!({"allow": true, "access": ""}), "access"),
            (json!({"allow": true, "access": "xa"}), "access"),
            (json!({"allow": true, "access": "r", "type": "p"}), "type"),
            (json!({"allow": true, "access": "r", "major": -2}), "major"),
            (json!({"allow": true, "access": "r", "minor": 4_294_967_295_u32}), "minor"),
        ] {
            let error = policy(json!([rule])).unwrap_err();
            assert_eq!(
                error.pointer(),
                Some(format!("/linux/resources/devices/0/{field}").as_str()),
                "{error}"
            );
        }
    }

    #[test]
    fn a_policy_means_what_its_rules_say() {
        let mut random = testing::Random(0x5eed);
        let mut refused = 0;
        for _ in 0..3000 {
            let rules = random.rules();
            let Ok(policy) = Policy::of(&rules) else {
                refused += 1;
                continue;
            };
            for (kind, major, minor, access) in testing::requests() {
                let device = Devices { major: Some(major), minor: Some(minor), kind };
                let excepted = |(devices, allowed): (&Devices, &Access)| {
                    devices.contain(&device) && allowed.contains(access)
                };
                let allowed = policy.exceptions.iter().any(excepted) != policy.allow;
                let expected = testing::allowed_by_rules(&rules, kind, major, minor, access);
                assert_eq!(allowed, expected, "{device} {access} by {rules:?}");
            }
        }
        assert!(refused < 1500, "too few of the cases are tested: {refused} refused");
    }
}
