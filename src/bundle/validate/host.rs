//! The few facts of this host that a config's validity hangs on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What this host has.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    pub selinux: bool,
    pub apparmor: bool,
    /// One cgroup hierarchy, of version 2.
    pub unified_cgroups: bool,
}

impl Host {
    pub fn look() -> Self {
        Self {
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            apparmor: has_apparmor(),
            unified_cgroups: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        }
    }
}

/// As libapparmor finds out: the module is on, and its filesystem is there.
fn has_apparmor() -> bool {
    let enabled =
        fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"));
    enabled && Path::new("/sys/kernel/security/apparmor").exists()
}

/// Whether a namespace file names the namespace that we are in (`man 7 namespaces`: same device and inode).
pub fn is_own_network_namespace(path: &Path) -> std::io::Result<bool> {
    let own = fs::metadata("/proc/self/ns/net")?;
    let other = fs::metadata(path)?;
    Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
}

/// Whether a host path is on a procfs (`man 2 statfs`).
pub fn is_procfs(path: &Path) -> nix::Result<bool> {
    Ok(nix::sys::statfs::statfs(path)?.filesystem_type() == nix::sys::statfs::PROC_SUPER_MAGIC)
}
