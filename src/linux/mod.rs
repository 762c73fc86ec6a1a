//! One file a kernel facility. Knows nothing of containers; errors are plain `Errno`.
//! The only place with `unsafe`, each block with its reason.

pub mod bpf;
pub mod capability;
pub mod cgroup_tree;
pub mod clone;
pub mod credentials;
pub mod device;
pub mod environment;
pub mod fd;
#[cfg(target_env = "musl")]
pub mod heap;
pub mod host;
pub mod inherited;
pub mod keyring;
pub mod memfd;
pub mod mount;
pub mod mountinfo;
#[cfg(target_env = "musl")]
pub mod musl;
pub mod namespace;
pub mod netlink;
pub mod network;
pub mod path;
pub mod pidfd;
pub mod process;
pub mod procfs;
pub mod resctrl;
pub mod rlimit;
pub mod scheduler;
pub mod seal;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod spawn;
mod syscall;
pub mod terminal;
#[cfg(test)]
pub mod testing;
pub mod userns;

pub use nix::Result;
pub use nix::errno::Errno;
