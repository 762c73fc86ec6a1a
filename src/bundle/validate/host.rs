//! The few facts of this host that a config's validity hangs on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::linux::procfs::Proc;
use crate::linux::resctrl::Resctrl;

/// What a host has: each looked at when a config asks for it, as most do not.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    pub selinux: fn() -> bool,
    pub apparmor: fn() -> bool,
    /// One cgroup hierarchy, of version 2.
    pub unified_cgroups: fn() -> bool,
    pub resctrl: fn() -> ResctrlFacts,
}

/// What the resctrl filesystem of this host can do.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResctrlFacts {
    pub mounted: bool,
    /// Cache allocation (info/L3).
    pub cache: bool,
    /// Memory bandwidth allocation (info/MB).
    pub bandwidth: bool,
}

impl ResctrlFacts {
    pub fn look() -> Self {
        // One that cannot be looked for is not there; a config that needs it is refused for that.
        let found = Proc::open().and_then(|proc| Resctrl::find(&proc)).ok().flatten();
        let has = |resource: &str| found.as_ref().is_some_and(|resctrl| resctrl.has(resource));
        Self { mounted: found.is_some(), cache: has("L3"), bandwidth: has("MB") }
    }
}

impl Host {
    /// The one that we are on.
    pub const THIS: Self = Self {
        selinux: || Path::new("/sys/fs/selinux/enforce").exists(),
        apparmor: has_apparmor,
        unified_cgroups: || Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        resctrl: ResctrlFacts::look,
    };
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
