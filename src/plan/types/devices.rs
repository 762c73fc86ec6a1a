//! Nodes of /dev.

use std::path::PathBuf;

use serde::Serialize;

use crate::linux::device;

/// One node of /dev.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    pub path: PathBuf,
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bind the host's node instead of making one (in a user namespace).
    pub bind: bool,
}

impl Device {
    /// What the kernel knows it as.
    pub fn identity(&self) -> device::Node {
        let kind = match self.kind {
            DeviceKind::Char => device::NodeKind::Char,
            DeviceKind::Block => device::NodeKind::Block,
            DeviceKind::Fifo => device::NodeKind::Fifo,
        };
        device::Node { kind, major: self.major, minor: self.minor }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeviceKind {
    Char,
    Block,
    Fifo,
}
