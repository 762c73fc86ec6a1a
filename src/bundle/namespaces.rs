//! Which namespaces a config asks for (config-linux.md#namespaces).

use std::path::Path;

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType, Spec};

use crate::linux::namespace::Kind;

/// The kind that a config's word means.
pub fn kind(typ: LinuxNamespaceType) -> Kind {
    match typ {
        LinuxNamespaceType::User => Kind::User,
        LinuxNamespaceType::Pid => Kind::Pid,
        LinuxNamespaceType::Network => Kind::Network,
        LinuxNamespaceType::Ipc => Kind::Ipc,
        LinuxNamespaceType::Uts => Kind::Uts,
        LinuxNamespaceType::Mount => Kind::Mount,
        LinuxNamespaceType::Cgroup => Kind::Cgroup,
        LinuxNamespaceType::Time => Kind::Time,
    }
}

/// The config's own entries, in its order.
pub fn entries(spec: &Spec) -> &[LinuxNamespace] {
    let namespaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    namespaces.map_or(&[], Vec::as_slice)
}

/// The place of the entry of this kind, and the namespace to join if it names one; None where the container
/// shares the caller's. An empty path asks for a new namespace, as no path does.
pub fn find(spec: &Spec, wanted: Kind) -> Option<(usize, Option<&Path>)> {
    let index = entries(spec).iter().position(|entry| kind(entry.typ()) == wanted)?;
    Some((index, path(&entries(spec)[index])))
}

/// The namespace file to join.
pub fn path(entry: &LinuxNamespace) -> Option<&Path> {
    entry.path().as_deref().filter(|path| !path.as_os_str().is_empty())
}

/// True where the container does not share the caller's: new or joined.
pub fn has(spec: &Spec, wanted: Kind) -> bool {
    find(spec, wanted).is_some()
}

/// True where a namespace of this kind is made for the container.
pub fn is_new(spec: &Spec, wanted: Kind) -> bool {
    matches!(find(spec, wanted), Some((_, None)))
}
