//! The root filesystem.

use std::path::PathBuf;

use serde::Serialize;

use crate::linux::mount::Propagation;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rootfs {
    /// Absolute, symlinks followed once by the loader.
    pub path: PathBuf,
    pub enter: EnterRoot,
    /// Propagation of the clone of the host's tree (and of every bind) before the configured one.
    pub propagation: Propagation,
}

/// How the root filesystem becomes `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum EnterRoot {
    /// In a mount namespace of its own: pivot_root.
    Pivot,
    /// `--no-pivot`: move the root mount over `/` and chroot.
    Move,
    /// In the host's mount namespace: mount at the root filesystem's own path, and chroot.
    Chroot,
}
