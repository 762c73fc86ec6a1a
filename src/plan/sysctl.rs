//! linux.sysctl: kernel parameters of the container's own namespaces.

use oci_spec::runtime::Spec;

use super::types::{Action, Step};
use crate::bundle::{pointer, sysctl};

/// Sorted by key: a JSON object has no order.
pub fn write(spec: &Spec) -> Vec<Step> {
    let linux = spec.linux().as_ref();
    let mut sysctls: Vec<_> = linux.and_then(|linux| linux.sysctl().as_ref()).into_iter().flatten().collect();
    sysctls.sort();
    let step = |(key, value): (&String, &String)| {
        let action = Action::WriteSysctl { key: sysctl::path(key), value: value.clone() };
        action.at(pointer::member("/linux/sysctl", key))
    };
    sysctls.into_iter().map(step).collect()
}
