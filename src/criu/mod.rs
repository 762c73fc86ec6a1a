//! CRIU (Checkpoint/Restore In Userspace, criu.org) as a service: `criu swrk`, one process a request, its messages on
//! a socket pair. Knows the wire and the log, not containers.
//!
//! Must never put a request into CRIU's command line, and never trust what an image says: names that go to CRIU are
//! the caller's own.

mod log;
mod messages;
mod program;
mod service;

pub use log::cause;
pub use messages::{
    CgroupMode, CgroupRoot, Features, InheritedDescriptor, JoinedNamespace, NetworkLock, Options, PageServer,
};
pub use program::find;
pub use service::{Failure, Job, Notification, Service, Stdio};
