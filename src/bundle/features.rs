//! What of the specification's versions a config may name, for validation and for the `features` command (features.md).

/// The versions of the runtime-spec that a config may name.
pub const OCI_VERSION_MIN: &str = "1.0.0";
pub const OCI_VERSION_MAX: &str = "1.3.0";
