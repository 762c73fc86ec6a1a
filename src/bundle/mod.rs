//! The bundle: config.json loaded, and validated against the spec and this host.

pub mod annotations;
pub mod default_spec;
pub mod features;
#[cfg(fuzzing)]
pub mod fuzzing;
mod glance;
pub mod hooks;
pub mod load;
mod locate;
mod mend;
pub mod mount_options;
pub mod names;
pub mod namespaces;
pub mod number_list;
#[cfg(test)]
pub mod oracle;
pub mod path;
pub mod pointer;
pub mod proc_mounts;
pub mod resources;
mod shape;
pub mod sysctl;
pub mod validate;
