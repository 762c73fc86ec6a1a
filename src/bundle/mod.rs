//! The bundle: config.json loaded, and validated against the spec and this host.

pub mod load;
pub mod mount_options;
pub mod namespaces;
pub mod path;
pub mod pointer;
pub mod validate;
