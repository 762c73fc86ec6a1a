//! Doors for the fuzz targets.

use std::path::Component;

use oci_spec::runtime::LinuxResources;

use super::policy::Policy;
use super::subgroup::Place;
pub use super::systemd::fuzzing::{annotation, answers, unit};

/// `exec --cgroup`: never above the container's own cgroup.
pub fn subgroup(text: &str) {
    let arguments: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let Ok(place) = Place::parse(&arguments) else { return };
    let paths = match place {
        Place::Everywhere(path) => vec![path],
        Place::ByController(paths) => paths.into_values().collect(),
    };
    for path in paths {
        let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(is_below, "{text:?} leads to {path:?}");
    }
}

/// Limits as the kernel and as systemd are told of them.
pub fn limits(resources: &LinuxResources) {
    drop(super::systemd::fuzzing::limits(resources));
    let Some(rules) = resources.devices() else { return };
    let Ok(policy) = Policy::of(rules) else { return };
    drop(super::v2::devices::compile(&policy));
}
