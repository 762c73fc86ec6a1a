//! `org.systemd.property.NAME=VALUE`: properties that the config's annotations ask for, for the unit's start.

use std::collections::BTreeMap;

use super::bus::Value;
use super::manager::Property;
use super::variant_text;
use crate::bundle::annotations::SYSTEMD_PROPERTY;
use crate::bundle::pointer;
use crate::report::{Code, Error, Result};

const MICROSECONDS: u64 = 1_000_000;

/// The properties among the annotations.
///
/// # Errors
/// A name or a value that no property can have.
pub fn properties(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>> {
    let ours =
        annotations.iter().filter_map(|(key, text)| Some((key, key.strip_prefix(SYSTEMD_PROPERTY)?, text)));
    ours.map(|(key, name, text)| {
        let refuse =
            |what: String| Error::new(Code::InvalidConfig, what).at(pointer::member("/annotations", key));
        property(name, text).map_err(|(part, why)| match part {
            Part::Name => refuse(format!("annotation {key} name incorrect: {why}")),
            Part::Value => refuse(format!("annotation {key}={text} value parse error: {why}")),
        })
    })
    .collect()
}

enum Part {
    Name,
    Value,
}

fn property(name: &str, text: &str) -> std::result::Result<Property, (Part, String)> {
    if name.len() < 3 {
        return Err((Part::Name, "too short".into()));
    }
    if !name.chars().all(|letter| letter.is_ascii_alphabetic()) {
        return Err((Part::Name, "contains non-alphabetic character".into()));
    }
    let value = variant_text::parse(text).map_err(|why| (Part::Value, why))?;
    match name.strip_suffix("Sec") {
        // The documentation has TimeoutStopSec, the bus TimeoutStopUSec.
        Some(stem) if stem.ends_with(|letter: char| letter.is_ascii_lowercase()) => {
            let value = microseconds(&value).ok_or((Part::Value, "not a number".to_owned()))?;
            Ok(Property { name: format!("{stem}USec"), value: Value::U64(value) })
        }
        _ => Ok(Property { name: name.to_owned(), value }),
    }
}

/// None where it is no number, or none that fits.
fn microseconds(seconds: &Value) -> Option<u64> {
    let whole = match seconds {
        Value::Byte(value) => u64::from(*value),
        Value::U16(value) => u64::from(*value),
        Value::U32(value) => u64::from(*value),
        Value::U64(value) => *value,
        Value::I16(value) => u64::try_from(*value).ok()?,
        Value::I32(value) => u64::try_from(*value).ok()?,
        Value::I64(value) => u64::try_from(*value).ok()?,
        Value::Double(value) if *value >= 0.0 => return Some((value * MICROSECONDS as f64) as u64),
        _ => return None,
    };
    whole.checked_mul(MICROSECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Result<Vec<Property>> {
        properties(&BTreeMap::from([
            (format!("{SYSTEMD_PROPERTY}{name}"), text.to_owned()),
            ("other".into(), "x".into()),
        ]))
    }

    #[test]
    fn annotations_with_the_prefix_are_properties() {
        for (name, text, property, value) in [
            ("CollectMode", "'inactive-or-failed'", "CollectMode", Value::text("inactive-or-failed")),
            ("TimeoutStopUSec", "uint64 123456789", "TimeoutStopUSec", Value::U64(123_456_789)),
            ("TimeoutStopSec", "10", "TimeoutStopUSec", Value::U64(10_000_000)),
            ("TimeoutStopSec", "double 1.5", "TimeoutStopUSec", Value::U64(1_500_000)),
            // No lower-case letter before it: it is not the suffix.
            ("USec", "1", "USec", Value::I32(1)),
            ("After", "['a.service']", "After", Value::texts(["a.service"])),
        ] {
            assert_eq!(of(name, text).unwrap(), [Property::new(property, value)], "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_annotation() {
        for (name, text, expected) in [
            ("Xy", "1", "name incorrect: too short"),
            ("Stop2", "1", "name incorrect: contains non-alphabetic character"),
            ("Delegate", "yes", "=yes value parse error: unknown word"),
            ("TimeoutStopSec", "'covfefe'", "value parse error: not a number"),
            ("TimeoutStopSec", "-1", "value parse error: not a number"),
            ("TimeoutStopSec", "uint64 18446744073709551615", "value parse error: not a number"),
        ] {
            let error = of(name, text).unwrap_err();
            assert!(error.text().contains(expected), "{error}");
            assert_eq!(error.pointer(), Some(format!("/annotations/{SYSTEMD_PROPERTY}{name}").as_str()));
        }
    }
}
