//! Namespaces, and what is set up or brought into them.

use std::path::PathBuf;

use serde::Serialize;

use crate::linux::namespace::Kind;
pub use crate::linux::userns::IdMap;

/// A JSON pointer into config.json, `/mounts/3`.
pub type Pointer = String;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JoinedNamespace {
    pub kind: Kind,
    pub path: PathBuf,
    pub pointer: Pointer,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IdMaps {
    pub uids: Vec<IdMap>,
    pub gids: Vec<IdMap>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetDevice {
    /// On the host.
    pub name: String,
    /// In the container; `%d` in it is for the kernel to complete.
    pub new_name: String,
    pub pointer: Pointer,
}

/// How far a clock of the container is ahead of the host's (`man 7 time_namespaces`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    pub seconds: i64,
    pub nanoseconds: u32,
}
