//! Mounts, as their steps make them.

use std::path::PathBuf;

use serde::Serialize;

use super::namespaces::IdMaps;
use crate::bundle::annotations::MOUNT_CONTEXTS;
pub use crate::bundle::mount_options::FsOption;
use crate::linux::mount::{Attr, Attributes, Propagation};

/// One entry of `mounts`, options sorted out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mount {
    pub target: PathBuf,
    pub source: MountSource,
    /// Flags of this one mount. For a bind or a remount with any flag among its options this says
    /// what every flag becomes, as `mount --bind -o` does: `clear` holds all that are not in `set`.
    pub attributes: Attributes,
    /// Those of `attributes.clear` that the config names. Where the kernel has locked flags of the source
    /// (EPERM), the others of `attributes.clear` may stay set; these must not (runc: `cannot clear
    /// locked flags`). A named `attributes.atime` must be met as well.
    pub must_clear: Attr,
    /// Flags of this mount and all below (`rro`, …).
    pub recursive_attributes: Attributes,
    /// Propagation changes, in order, after it is attached.
    pub propagation: Vec<Propagation>,
    /// mounts[].uidMappings/gidMappings, or `idmap`/`ridmap`.
    pub idmap: Option<MountIdmap>,
    /// Where it lands on a symlink, that itself is the target, and must be there (`dest-nofollow`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub target_nofollow: bool,
    /// The target and its parents must be plain directories, never symlinks (proc and sysfs).
    pub plain_directory: bool,
    /// SELinux mount label: the value of the option `label_option`, but for mqueue, which takes none: there it is the
    /// label of the root directory.
    pub label: Option<String>,
    /// `context`, or another of bundle::annotations::MOUNT_CONTEXTS.
    #[serde(skip_serializing_if = "is_usual_label")]
    pub label_option: &'static str,
}

fn is_usual_label(option: &&'static str) -> bool {
    *option == MOUNT_CONTEXTS[0]
}

/// What becomes of a bind's source that is a symlink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum SourceLink {
    /// What it names is mounted.
    #[default]
    Follow,
    /// It is mounted itself (`src-nofollow`).
    Mount,
    /// One like it is made at the target, and nothing is mounted (`copy-symlink`).
    Copy,
}

impl SourceLink {
    fn is_followed(&self) -> bool {
        *self == Self::Follow
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum MountSource {
    /// A clone of a host path, made by the parent before the fork.
    Bind {
        source: PathBuf,
        recursive: bool,
        #[serde(skip_serializing_if = "SourceLink::is_followed")]
        link: SourceLink,
    },
    /// A clone of a container path, made by the step: the config names a source below the root
    /// filesystem, and that must show what earlier steps mounted there.
    BindInside {
        source: PathBuf,
        recursive: bool,
        #[serde(skip_serializing_if = "SourceLink::is_followed")]
        link: SourceLink,
    },
    /// A new filesystem. A tmpfs without `mode` among its options takes the mode of the directory it
    /// covers, if that is there already. An empty `source` is not given to the kernel.
    /// Where the kernel refuses it (EPERM: a user namespace that does not own what it shows), the host's tree
    /// `instead`.
    Filesystem {
        kind: String,
        source: String,
        options: Vec<FsOption>,
        copy_up: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        instead: Option<PathBuf>,
    },
    /// The container's cgroups: v2 whole, or for v1 a tmpfs with one mount a hierarchy.
    Cgroup(CgroupMount),
    /// `remount`: change what is mounted at the target already.
    Remount { options: Vec<FsOption> },
    /// No filesystem, only a change of propagation of what is at the target (`["rslave"]` alone).
    PropagationOnly,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum CgroupMount {
    /// cgroup2 in a cgroup namespace of its own (or the bind of `Plan::cgroup`, where refused).
    Unified { namespaced: bool },
    /// A tmpfs (nosuid, nodev, noexec, mode 755; read-only at last if the mount is), one mount a hierarchy under its
    /// directory name, and symlinks (name, target) for co-mounted names. `Mount::attributes` is for each
    /// hierarchy: a mount of its own where `namespaced`, else a bind of the container's cgroup in it.
    PerHierarchy { namespaced: bool, hierarchies: Vec<CgroupHierarchy>, symlinks: Vec<(String, String)> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupHierarchy {
    /// The caller's own cgroup in it: what is bound where the container has none.
    #[serde(skip)]
    pub own: PathBuf,
    /// Directory name under /sys/fs/cgroup, `cpu,cpuacct`.
    pub directory: String,
    /// Mount data, `cpu,cpuacct` or `name=systemd,xattr`; `None` for the unified tree of a hybrid.
    pub data: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MountIdmap {
    pub maps: Option<IdMaps>,
    pub recursive: bool,
}
