//! The root filesystem: attached, mounted into, entered. Every path is resolved once, inside the
//! root, to a descriptor; every act is on the descriptor. No absolute path but `/` reaches the kernel.

mod cgroup;
mod devices;
mod masks;
mod mounts;
mod root;

pub use devices::{link_ptmx, make_device, make_symlink, use_own_null};
pub use masks::{Masks, mask_path, readonly_path};
pub use mounts::{mount, remount_readonly};
pub use root::{attach, enter, enter_directory, find_place, make_directory, set_root_propagation};

use super::context::Context;
use crate::linux::path::Root;
use crate::report::{Code, Error, Result};

/// The root filesystem, once it is attached.
pub(super) fn root(context: &Context) -> Result<&Root> {
    context
        .root
        .as_ref()
        .ok_or_else(|| Error::new(Code::Internal, "a step needs the root filesystem before it is attached"))
}
