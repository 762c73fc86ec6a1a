//! What the process is and may.

use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    pub args: Vec<String>,
    /// Of duplicates only the last, at its own place (runc); no empty HOME.
    pub env: Vec<String>,
    /// Descriptors above stdio that the program keeps (LISTEN_FDS and --preserve-fds).
    pub extra_fds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    /// None keeps the caller's (run.oci.keep_original_groups).
    pub groups: Option<Vec<u32>>,
    pub umask: u32,
}

/// Capability names without `CAP_`, sorted.
pub type Capabilities = Vec<String>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CapabilitySets {
    pub effective: Capabilities,
    pub permitted: Capabilities,
    pub inheritable: Capabilities,
    pub ambient: Capabilities,
}

/// A resource limit by its spec name, `RLIMIT_NOFILE`.
pub type Rlimit = String;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum IoClass {
    Realtime,
    BestEffort,
    Idle,
}
