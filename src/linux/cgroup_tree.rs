//! Which cgroup hierarchies this host has mounted where (`man 7 cgroups`).

use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use procfs::FromBufRead;
use procfs::ProcessCGroups;
use procfs::process::MountInfo;

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
    /// ENOENT where no hierarchy is mounted; EINVAL where /proc/self/cgroup makes no sense.
    pub fn detect(proc: &Proc) -> Result<Self> {
        let own = proc.read_self("cgroup", CGROUP_LIMIT)?;
        if statfs(TOP)?.filesystem_type() == CGROUP2_SUPER_MAGIC {
            return unified(&own);
        }
        from_mountinfo(&own, &proc.read_self("mountinfo", MOUNTINFO_LIMIT)?)
    }
}

/// The cgroup of this process in the hierarchy with these controllers; none for the unified one.
fn own_cgroup(own: &ProcessCGroups, controllers: &[String]) -> Option<PathBuf> {
    let same = |listed: &[String]| {
        let listed: Vec<&String> = listed.iter().filter(|name| !name.is_empty()).collect();
        listed.len() == controllers.len() && listed.iter().all(|name| controllers.contains(name))
    };
    own.0.iter().find(|entry| same(&entry.controllers)).map(|entry| PathBuf::from(&entry.pathname))
}

fn parse_own(text: &[u8]) -> Result<ProcessCGroups> {
    ProcessCGroups::from_buf_read(String::from_utf8_lossy(text).as_bytes()).map_err(|_| Errno::EINVAL)
}

fn unified(own: &[u8]) -> Result<CgroupTree> {
    let own = own_cgroup(&parse_own(own)?, &[]).ok_or(Errno::ENOENT)?;
    let hierarchy = Hierarchy {
        directory: String::new(),
        mount_point: PathBuf::from(TOP),
        root: PathBuf::from("/"),
        controllers: Vec::new(),
        unified: true,
        own,
    };
    Ok(CgroupTree { layout: Layout::Unified, hierarchies: vec![hierarchy] })
}

/// v1 and hybrid: the mounts below /sys/fs/cgroup, each hierarchy once.
fn from_mountinfo(own: &[u8], mountinfo: &[u8]) -> Result<CgroupTree> {
    let own = parse_own(own)?;
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    for line in String::from_utf8_lossy(mountinfo).lines() {
        // One odd line must not hide the others.
        let Ok(mount) = MountInfo::from_line(line) else { continue };
        let Some(hierarchy) = hierarchy(&own, &mount) else { continue };
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

/// The hierarchy that a mount shows; None for other mounts and for those elsewhere.
fn hierarchy(own: &ProcessCGroups, mount: &MountInfo) -> Option<Hierarchy> {
    let directory = mount.mount_point.strip_prefix(TOP).ok()?.to_str()?.to_string();
    if directory.is_empty() || directory.contains('/') {
        return None;
    }
    let (unified, controllers) = match mount.fs_type.as_str() {
        "cgroup2" => (true, Vec::new()),
        "cgroup" => (false, controllers(own, mount)?),
        _ => return None,
    };
    let own = own_cgroup(own, &controllers)?;
    Some(Hierarchy {
        directory,
        mount_point: mount.mount_point.clone(),
        root: unescape(&mount.root),
        controllers,
        unified,
        own,
    })
}

/// Those of the mount's options that /proc/self/cgroup lists together.
fn controllers(own: &ProcessCGroups, mount: &MountInfo) -> Option<Vec<String>> {
    let has = |name: &str| match name.strip_prefix("name=") {
        Some(name) => mount.super_options.get("name").is_some_and(|value| value.as_deref() == Some(name)),
        None => mount.super_options.contains_key(name),
    };
    let listed = |entry: &&procfs::ProcessCGroup| {
        let names: Vec<&String> = entry.controllers.iter().filter(|name| !name.is_empty()).collect();
        !names.is_empty() && names.iter().all(|name| has(name))
    };
    own.0.iter().find(listed).map(|entry| entry.controllers.clone())
}

/// mountinfo writes space, tab, newline and backslash as three octal digits (`man 5 proc_pid_mountinfo`).
fn unescape(text: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    Path::new(&escapes.iter().fold(text.to_string(), |text, (code, letter)| text.replace(code, letter)))
        .to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID_OWN: &[u8] =
        b"3:name=systemd:/user.slice\n2:cpu,cpuacct:/a b\n1:memory:/\n0::/user.slice/x\n";
    const HYBRID_MOUNTS: &[u8] = b"\
31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
36 31 0:32 / /somewhere/else rw - cgroup cgroup rw,memory
this line makes no sense
";

    fn find<'a>(tree: &'a CgroupTree, directory: &str) -> &'a Hierarchy {
        tree.hierarchies.iter().find(|hierarchy| hierarchy.directory == directory).unwrap()
    }

    #[test]
    fn a_hybrid_has_v1_hierarchies_and_a_unified_tree() {
        let tree = from_mountinfo(HYBRID_OWN, HYBRID_MOUNTS).unwrap();
        assert_eq!(tree.layout, Layout::Hybrid);
        assert_eq!(tree.hierarchies.len(), 4);
        assert_eq!(find(&tree, "cpu,cpuacct").controllers, ["cpu", "cpuacct"]);
        assert_eq!(find(&tree, "cpu,cpuacct").own, Path::new("/a b"));
        assert_eq!(find(&tree, "systemd").controllers, ["name=systemd"]);
        assert!(find(&tree, "unified").unified);
        assert_eq!(find(&tree, "unified").own, Path::new("/user.slice/x"));
    }

    #[test]
    fn without_cgroup2_the_layout_is_legacy() {
        let mounts = b"35 31 0:32 /docker/a\\040b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let tree = from_mountinfo(b"1:memory:/docker/a b\n", mounts).unwrap();
        assert_eq!(tree.layout, Layout::Legacy);
        assert_eq!(find(&tree, "memory").root, Path::new("/docker/a b"));
    }

    #[test]
    fn the_unified_layout_is_one_hierarchy_at_the_top() {
        let tree = unified(b"0::/system.slice/x.service\n").unwrap();
        assert_eq!(tree.layout, Layout::Unified);
        assert_eq!(find(&tree, "").own, Path::new("/system.slice/x.service"));
    }

    #[test]
    fn a_host_without_cgroups_says_so() {
        assert_eq!(from_mountinfo(b"", b""), Err(Errno::ENOENT));
        assert_eq!(unified(b""), Err(Errno::ENOENT));
        assert_eq!(unified(b"garbage"), Err(Errno::EINVAL));
    }

    #[test]
    fn this_host_has_hierarchies() {
        let tree = CgroupTree::detect(&Proc::open().unwrap()).unwrap();
        assert!(tree.hierarchies.iter().all(|hierarchy| hierarchy.mount_point.is_dir()));
    }
}
