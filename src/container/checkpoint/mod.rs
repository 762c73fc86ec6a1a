//! `checkpoint` and `restore`: a container's processes saved in files by CRIU, and made anew from them.
//!
//! A checkpoint that fails leaves the container as it was; a restore that fails leaves nothing. What CRIU is told of the
//! host (mounts, namespaces, descriptors) goes by opaque names, and what comes back from images is taken for an
//! image's word: looked at before it is believed.

mod common;
mod descriptors;
mod detour;
mod directories;
mod dump;
mod explain;
mod images;
mod namespaces;
mod options;
mod restore;
mod restoring;

pub use descriptors::of_this_process;
pub use dump::checkpoint;
pub use options::{CheckpointOptions, Common, RestoreOptions};
pub use restore::restore;

pub use crate::criu::{CgroupMode, NetworkLock, PageServer};

/// Whether checkpoints can be made on this machine.
pub fn is_available() -> bool {
    crate::criu::find().is_some()
}
