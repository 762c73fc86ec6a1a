use std::path::Path;

use super::*;

const HYBRID_OWN: &str = "3:name=systemd:/user.slice\n2:cpu,cpuacct:/a b\n1:memory:/\n0::/user.slice/x\n";
const HYBRID_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
36 31 0:32 / /somewhere/else rw - cgroup cgroup rw,memory
this line makes no sense
";

/// Docker in docker on v1 with no cgroup namespace: every mount shows only the outer container's cgroup, and a
/// controller is mounted once more for its symlink's sake.
const NESTED_OWN: &str = "\
12:rdma:/
4:memory:/docker/0123/docker/4567
3:cpu,cpuacct:/docker/0123/docker/4567
2:pids:/docker/0123/docker/4567
1:name=systemd:/docker/0123/docker/4567
";
const NESTED_MOUNTS: &str = "\
912 911 0:60 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755
913 912 0:30 /docker/0123 /sys/fs/cgroup/systemd ro,nosuid master:11 - cgroup cgroup rw,xattr,name=systemd
914 912 0:33 /docker/0123 /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:16 - cgroup cgroup rw,cpu,cpuacct
915 912 0:33 /docker/0123 /sys/fs/cgroup/cpu ro,nosuid master:16 - cgroup cgroup rw,cpu,cpuacct
916 912 0:36 /docker/0123 /sys/fs/cgroup/memory ro,nosuid master:19 - cgroup cgroup rw,memory
917 912 0:37 /docker/0123 /sys/fs/cgroup/blkio ro,nosuid master:20 - cgroup cgroup rw,blkio
";

fn tree(own: &str, mounts: &str) -> Result<CgroupTree> {
    from_mountinfo(own.as_bytes(), &Mountinfo::parse(mounts.as_bytes()))
}

fn find<'a>(tree: &'a CgroupTree, directory: &str) -> &'a Hierarchy {
    tree.hierarchies.iter().find(|hierarchy| hierarchy.directory == directory).unwrap()
}

#[test]
fn a_hybrid_has_v1_hierarchies_and_a_unified_tree() {
    let tree = tree(HYBRID_OWN, HYBRID_MOUNTS).unwrap();
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
    let mounts = "35 31 0:32 /docker/a\\040b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let tree = tree("1:memory:/docker/a b\n", mounts).unwrap();
    assert_eq!(tree.layout, Layout::Legacy);
    assert_eq!(find(&tree, "memory").root, Path::new("/docker/a b"));
}

#[test]
fn nested_without_a_cgroup_namespace_the_root_of_each_mount_is_told() {
    let tree = tree(NESTED_OWN, NESTED_MOUNTS).unwrap();
    assert_eq!(tree.layout, Layout::Legacy);
    let directories: Vec<&str> = tree.hierarchies.iter().map(|found| found.directory.as_str()).collect();
    assert_eq!(directories, ["systemd", "cpu,cpuacct", "memory"], "each once, and only those that we are in");
    for hierarchy in &tree.hierarchies {
        assert_eq!(hierarchy.root, Path::new("/docker/0123"));
        assert_eq!(hierarchy.own, Path::new("/docker/0123/docker/4567"));
    }
}

#[test]
fn the_unified_layout_is_one_hierarchy_at_the_top() {
    for own in ["0::/system.slice/x.service\n", "garbage\n1:name=old:/\n0::/system.slice/x.service\n"] {
        let tree = unified(own.as_bytes()).unwrap();
        assert_eq!(tree.layout, Layout::Unified);
        assert_eq!(find(&tree, "").own, Path::new("/system.slice/x.service"));
    }
}

#[test]
fn a_path_with_colons_is_one_path() {
    let own = parse_own(b"0::/a:b:c\n");
    assert_eq!((own.len(), own[0].path.as_path()), (1, Path::new("/a:b:c")));
}

#[test]
fn a_host_without_cgroups_says_so() {
    assert_eq!(tree("", ""), Err(Errno::ENOENT));
    assert_eq!(tree("1:memory:/\n", HYBRID_OWN), Err(Errno::ENOENT));
    for own in ["", "garbage", "0::relative\n", "0:\n"] {
        assert_eq!(unified(own.as_bytes()), Err(Errno::ENOENT), "{own:?}");
    }
}

#[test]
fn this_host_has_hierarchies() {
    let tree = CgroupTree::detect(&Proc::open().unwrap()).unwrap();
    assert!(!tree.hierarchies.is_empty());
    for hierarchy in &tree.hierarchies {
        let own = hierarchy.own.strip_prefix(&hierarchy.root).unwrap_or(Path::new(""));
        assert!(hierarchy.mount_point.join(own).join("cgroup.procs").exists(), "{hierarchy:?}");
    }
}
