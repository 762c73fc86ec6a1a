//! Doors for the fuzz targets.

use std::collections::BTreeMap;

use oci_spec::runtime::LinuxResources;

use super::bus::{Bus, fuzzing as bus};
use super::manager::Systemd;
use super::unit::{Instance, Unit};
use super::{annotations, devices, properties, variant_text};
use crate::cgroup::policy::Policy;
use crate::cgroup::write::Nothing;
use crate::cgroup::{v1, v2};
use crate::report::Result;

/// A bus's answers: the first byte says what was asked.
pub fn answers(bytes: &[u8]) -> std::io::Result<()> {
    let Some((what, bytes)) = bytes.split_first() else { return Ok(()) };
    let Ok(unit) = Unit::of(None, "box", Instance::System) else { return Ok(()) };
    // An answer or an error, and both are well.
    match what % 7 {
        0 => bus::message(bytes),
        1 => bus::greeting(bytes)?,
        what => converse(what, bytes, &unit)?,
    }
    Ok(())
}

fn converse(what: u8, bytes: &[u8], unit: &Unit) -> std::io::Result<()> {
    let (bus, _other_side) = Bus::that_says(bytes)?;
    let mut systemd = Systemd::over(bus, None);
    match what {
        2 => drop(systemd.version()),
        3 => drop(systemd.control_group()),
        4 => drop(systemd.start(unit, &[])),
        5 => drop(systemd.stop(unit)),
        _ => drop(systemd.knows(unit)),
    }
    Ok(())
}

/// Names of units: one component below their slice, in letters that systemd takes.
pub fn unit(text: &str) {
    let Ok(unit) = Unit::of(Some(text), "box", Instance::System) else { return };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter);
    assert!(unit.name.chars().all(fits) && !unit.name.contains('/'), "{unit:?}");
    let Ok(path) = unit.path() else { panic!("{unit:?} has no place") };
    let last = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    assert!(
        path.is_relative() && [unit.name.clone(), format!("_{}", unit.name)].contains(&last.to_owned()),
        "{path:?}"
    );
    assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{path:?}");
}

/// An annotation `org.systemd.property.NAME: value`.
pub fn annotation(text: &str) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    drop(annotations::properties(&BTreeMap::from([(name.to_owned(), value.to_owned())])));
    drop(variant_text::parse(text));
}

/// What systemd is told of limits.
pub fn limits(resources: &LinuxResources) -> Result<()> {
    const VERSION: u32 = 257;
    let rounded = properties::round_quota(resources, 100_000);
    let unified = v2::CONTROLLERS.iter().map(|(_, rules)| rules(&rounded, &Nothing));
    let unified = unified.collect::<Result<Vec<_>>>();
    drop(unified.and_then(|writes| {
        properties::of_unified(&writes.concat(), resources.unified().as_ref(), &Nothing, VERSION)
    }));
    let legacy = v1::CONTROLLERS.iter().map(|(_, rules)| rules(&rounded, &Nothing));
    let legacy = legacy.collect::<Result<Vec<_>>>();
    drop(legacy.and_then(|writes| properties::of_legacy(&writes.concat(), 100_000, VERSION)));
    if let Some(rules) = resources.devices() {
        drop(devices::properties(&Policy::of(rules)?));
    }
    Ok(())
}
