//! The pipeline that carries a plan out: the parent's side (`launch`) and the container's first
//! process (`init`). All deciding is done by now; what is here only does, in order, and reports.

mod bridge;
pub mod channel;
pub mod context;
pub mod copy_up;
pub mod external;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod hook;
pub mod init;
pub mod launch;
mod lender;
pub mod net_devices;
pub mod prepare;
pub mod process;
pub mod rootfs;
pub mod terminal;
mod time_namespace;
pub mod user_namespace;
