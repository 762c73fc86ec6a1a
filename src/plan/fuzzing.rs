//! Doors for the fuzz targets.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::compile::{self, ExecOptions, Options};
use crate::bundle::load;
use crate::bundle::validate::{self, Situation};
use crate::linux::cgroup_tree::{CgroupTree, Hierarchy, Layout};
use crate::linux::namespace::Kind;

/// The bytes of a config.json, by the whole way to the plan.
pub fn config(bytes: &[u8]) {
    let Ok(spec) = load::parse(bytes) else { return };
    let root = Situation::default();
    let other = Situation { unprivileged: true, systemd_cgroup: true, no_pivot: true };
    // Refused for one, it may be fine for the other.
    let fits = [root, other].map(|situation| validate::spec(&spec, situation).is_ok());
    if fits == [false, false] {
        return;
    }
    for layout in [Layout::Legacy, Layout::Hybrid, Layout::Unified] {
        let plan = plan(&spec, &layout);
        assert_eq!(plan, self::plan(&spec, &layout), "the same config gave two plans");
    }
    let Some(process) = spec.process() else { panic!("a config without a process is not valid") };
    let options = ExecOptions { preserve_fds: 1, no_new_keyring: false, id: "box".into() };
    drop(compile::exec(&spec, process, &[Kind::Mount, Kind::User], &options));
}

/// As JSON: what cannot be told cannot be carried out either.
fn plan(spec: &Spec, layout: &Layout) -> Option<String> {
    let hierarchy = Hierarchy {
        directory: "memory".into(),
        mount_point: "/sys/fs/cgroup/memory".into(),
        root: PathBuf::from("/"),
        controllers: vec!["memory".into()],
        unified: *layout == Layout::Unified,
        own: PathBuf::from("/"),
    };
    let options = Options {
        id: "box",
        bundle: Path::new("/bundle"),
        rootfs: Path::new("/bundle/rootfs"),
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 2,
        listen_fds: 1,
        notify_directory: Some(Path::new("/run/notify")),
        cgroup_tree: &CgroupTree { layout: layout.clone(), hierarchies: vec![hierarchy] },
        cgroup_after_clone: false,
        kcore: true,
        in_user_namespace: false,
        unprivileged: false,
    };
    let plan = compile::container(spec, &options).ok()?;
    Some(serde_json::to_string(&plan).unwrap_or_else(|error| panic!("a plan that is no JSON: {error}")))
}
