//! The bundle: config.json loaded, and validated against the spec and this host.

pub mod load;
pub mod validate;
