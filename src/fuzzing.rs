//! What is fuzzed: every text and message that comes from outside, as the program takes it in. One function a target
//! of `fuzz/`; each must come back whatever the bytes are, and claims what must hold of what was understood.
//!
//! Nothing here makes, writes or asks for anything outside this process, but for the few facts that validation looks up.

pub use crate::bundle::fuzzing::mount_options;
pub use crate::cgroup::fuzzing::answers as bus;
pub use crate::container::fuzzing::{ids, resources, state};
pub use crate::plan::fuzzing::config;
pub use crate::plan::seccomp::fuzzing::profile as seccomp;
pub use crate::stage::fuzzing::channel;
