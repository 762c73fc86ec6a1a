//! Which cgroup hierarchies this host has mounted where (`man 7 cgroups`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::mountinfo::{Mount, Mountinfo};
use super::procfs::Proc;
use super::{Errno, Result};

/// Where everything looks for cgroups.
const TOP: &str = "/sys/fs/cgroup";
/// /proc/self/mountinfo of a host with very many mounts.
const MOUNTINFO_LIMIT: usize = 64 << 20;
const CGROUP_LIMIT: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// cgroup2 alone.
    Unified,
    /// v1 alone.
    Legacy,
    /// v1 with the controllers, and a cgroup2 tree beside them.
    Hybrid,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Directory under /sys/fs/cgroup, `cpu,cpuacct`; "" for the unified tree mounted at the top,
    /// `unified` in a hybrid.
    pub directory: String,
    /// Absolute mount point.
    pub mount_point: PathBuf,
    /// The root field of mountinfo (not `/` in a container without a cgroup namespace).
    pub root: PathBuf,
    /// Controllers, or `name=systemd`; empty for the unified tree.
    pub controllers: Vec<String>,
    pub unified: bool,
    /// The cgroup of this process in it, from /proc/self/cgroup.
    pub own: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupTree {
    pub layout: Layout,
    pub hierarchies: Vec<Hierarchy>,
}

impl CgroupTree {
    /// By statfs of /sys/fs/cgroup, /proc/self/cgroup and, for v1, /proc/self/mountinfo.
    ///
    /// # Errors
    /// ENOENT where no hierarchy is mounted, or none of what is mounted is in /proc/self/cgroup.
    pub fn detect(proc: &Proc) -> Result<Self> {
        let own = proc.read_self("cgroup", CGROUP_LIMIT)?;
        if statfs(TOP)?.filesystem_type() == CGROUP2_SUPER_MAGIC {
            return unified(&own);
        }
        from_mountinfo(&own, &Mountinfo::parse(&proc.read_self("mountinfo", MOUNTINFO_LIMIT)?))
    }
}

/// One line of /proc/self/cgroup (`man 7 cgroups`).
struct Own {
    /// Empty for the unified hierarchy.
    controllers: Vec<String>,
    path: PathBuf,
}

/// `2:cpu,cpuacct:/a`; lines that are not like this are passed over: one odd line must not hide the others.
fn parse_own(text: &[u8]) -> Vec<Own> {
    text.split(|&byte| byte == b'\n').filter_map(parse_own_line).collect()
}

fn parse_own_line(line: &[u8]) -> Option<Own> {
    let mut fields = line.splitn(3, |&byte| byte == b':');
    let _number = fields.next()?;
    let controllers = str::from_utf8(fields.next()?).ok()?;
    let path = PathBuf::from(OsStr::from_bytes(fields.next()?));
    let controllers = controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    path.is_absolute().then_some(Own { controllers, path })
}

fn unified(own: &[u8]) -> Result<CgroupTree> {
    let own = parse_own(own).into_iter().find(|own| own.controllers.is_empty()).ok_or(Errno::ENOENT)?;
    let hierarchy = Hierarchy {
        directory: String::new(),
        mount_point: PathBuf::from(TOP),
        root: PathBuf::from("/"),
        controllers: Vec::new(),
        unified: true,
        own: own.path,
    };
    Ok(CgroupTree { layout: Layout::Unified, hierarchies: vec![hierarchy] })
}

/// v1 and hybrid: the mounts below /sys/fs/cgroup, each hierarchy once.
fn from_mountinfo(own: &[u8], mounts: &Mountinfo) -> Result<CgroupTree> {
    let own = parse_own(own);
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    for hierarchy in mounts.iter().filter_map(|mount| hierarchy(&own, mount)) {
        if !hierarchies.iter().any(|known| known.controllers == hierarchy.controllers) {
            hierarchies.push(hierarchy);
        }
    }
    if hierarchies.is_empty() {
        return Err(Errno::ENOENT);
    }
    let layout = match hierarchies.iter().any(|hierarchy| hierarchy.unified) {
        true => Layout::Hybrid,
        false => Layout::Legacy,
    };
    Ok(CgroupTree { layout, hierarchies })
}

/// The hierarchy that a mount shows; None for other mounts, for those elsewhere, and for one that we are not in.
fn hierarchy(own: &[Own], mount: &Mount) -> Option<Hierarchy> {
    let directory = mount.mount_point.strip_prefix(TOP).ok()?.to_str()?.to_owned();
    if directory.is_empty() || directory.contains('/') {
        return None;
    }
    let unified = match mount.filesystem.as_str() {
        "cgroup2" => true,
        "cgroup" => false,
        _ => return None,
    };
    // The options of a v1 mount name all the controllers that its line of /proc/self/cgroup does, and others (`xattr`).
    let is_shown = |own: &&Own| {
        own.controllers.is_empty() == unified
            && own.controllers.iter().all(|name| mount.super_options.contains(name))
    };
    let own = own.iter().find(is_shown)?;
    Some(Hierarchy {
        directory,
        mount_point: mount.mount_point.clone(),
        root: mount.root.clone(),
        controllers: own.controllers.clone(),
        unified,
        own: own.path.clone(),
    })
}

#[cfg(test)]
mod tests;
