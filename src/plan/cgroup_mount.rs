//! What a mount of type `cgroup` shows: the one tree of v2, or a directory with all hierarchies of v1.

use std::path::Path;

use super::types::{CgroupHierarchy, CgroupMount};
use crate::linux::cgroup_tree::{CgroupTree, Hierarchy, Layout};

/// The mount for this host's layout. `namespaced`: the container has a cgroup namespace of its own.
pub fn cgroup_mount(tree: &CgroupTree, namespaced: bool) -> CgroupMount {
    if tree.layout == Layout::Unified {
        return CgroupMount::Unified { namespaced };
    }
    // Runc shows the hierarchies of v1 alone, and so the images expect it; the unified tree of a hybrid host
    // has no controllers that a container could use.
    let legacy: Vec<&Hierarchy> = tree.hierarchies.iter().filter(|hierarchy| !hierarchy.unified).collect();
    CgroupMount::PerHierarchy {
        namespaced,
        hierarchies: legacy.iter().map(|hierarchy| shown(hierarchy)).collect(),
        symlinks: legacy.iter().flat_map(|hierarchy| symlinks(&hierarchy.directory)).collect(),
    }
}

fn shown(hierarchy: &Hierarchy) -> CgroupHierarchy {
    let below_mount = hierarchy.own.strip_prefix(&hierarchy.root).unwrap_or(Path::new(""));
    CgroupHierarchy {
        directory: hierarchy.directory.clone(),
        data: Some(hierarchy.controllers.join(",")),
        own: hierarchy.mount_point.join(below_mount),
    }
}

/// `cpu` -> `cpu,cpuacct` and so on, where controllers share a hierarchy.
fn symlinks(directory: &str) -> Vec<(String, String)> {
    if !directory.contains(',') {
        return Vec::new();
    }
    directory.split(',').map(|name| (name.to_string(), directory.to_string())).collect()
}
