//! What a container's mounts show of the host, for CRIU, which saves none of it: at a checkpoint each such mount is
//! found in the container and given a name, at a restore the host's side of each name is made ready.
//!
//! A name is opaque: a digest of what config.json calls the target. Nothing of a name is ever a path, and nothing
//! that an image controls decides which name a mount gets: mounts are known by what they show, not by where a symlink
//! leads (CVE-2026-119101, CVE-2026-115520).

mod guard;
mod name;
mod staging;

pub use guard::Guard;
pub use name::name_mounts;
pub use staging::{Staged, stage};

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::linux::mount::Attr;
use crate::plan::{Action, CgroupMount, Mount, MountSource, Plan};

/// Bytes of a digest that a name has: no two targets of one config share them.
const DIGEST_BYTES: usize = 12;

/// One place of the host in a container.
#[derive(Debug, Clone, PartialEq)]
pub struct External {
    pub key: String,
    /// In the container, as the config has it.
    pub target: PathBuf,
    /// The config wants this mount read-only.
    pub read_only: bool,
    pub source: Source,
}

/// Where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// What the step with this index has prepared: a bind or a device of the host.
    Step { index: usize, path: PathBuf, recursive: bool },
    /// The container's own cgroup in the hierarchy under this directory name; `path` where it has none of its own.
    Cgroup { directory: String, hierarchy: String, own: Option<PathBuf> },
    /// The host's /dev/null, which masks files.
    Null,
}

/// All of a plan, in its order.
pub fn externals(plan: &Plan) -> Vec<External> {
    let mut externals = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        match &step.action {
            Action::Mount(mount) => externals.extend(of_mount(plan, index, mount)),
            Action::MakeDevice(device) if device.bind => externals.push(External {
                key: key(&device.path, Path::new("")),
                target: device.path.clone(),
                read_only: false,
                source: Source::Step { index, path: device.path.clone(), recursive: false },
            }),
            _ => {}
        }
    }
    if plan.steps.iter().any(|step| matches!(step.action, Action::MaskPath(_))) {
        let target = PathBuf::from("/dev/null");
        externals.push(External { key: "trug-mask".into(), target, read_only: false, source: Source::Null });
    }
    distinguish(&mut externals);
    externals
}

fn of_mount(plan: &Plan, index: usize, mount: &Mount) -> Vec<External> {
    let read_only =
        mount.attributes.set.contains(Attr::RDONLY) || mount.recursive_attributes.set.contains(Attr::RDONLY);
    let external =
        |target: PathBuf, source| External { key: key(&target, Path::new("")), target, read_only, source };
    match &mount.source {
        MountSource::Bind { source, recursive, .. } => {
            let source = Source::Step { index, path: source.clone(), recursive: *recursive };
            vec![external(mount.target.clone(), source)]
        }
        MountSource::Filesystem { instead: Some(host), .. } => {
            let source = Source::Step { index, path: host.clone(), recursive: true };
            vec![external(mount.target.clone(), source)]
        }
        MountSource::Cgroup(CgroupMount::Unified { .. }) if plan.has_user_namespace() => {
            let source = Source::Cgroup { directory: String::new(), hierarchy: String::new(), own: None };
            vec![external(mount.target.clone(), source)]
        }
        MountSource::Cgroup(CgroupMount::PerHierarchy { namespaced, hierarchies, .. })
            if !namespaced || plan.has_user_namespace() =>
        {
            let of_hierarchy = |hierarchy: &crate::plan::CgroupHierarchy| {
                let source = Source::Cgroup {
                    directory: hierarchy.directory.clone(),
                    hierarchy: hierarchy.data.clone().unwrap_or_default(),
                    own: Some(hierarchy.own.clone()),
                };
                external(mount.target.join(&hierarchy.directory), source)
            };
            hierarchies.iter().map(of_hierarchy).collect()
        }
        _ => Vec::new(),
    }
}

/// Of mounts on one target, each has a name of its own.
fn distinguish(externals: &mut [External]) {
    for index in 0..externals.len() {
        let (before, rest) = externals.split_at_mut(index);
        let Some(this) = rest.first_mut() else { return };
        let same = before.iter().filter(|other| other.target == this.target).count();
        if same > 0 {
            this.key.push_str(&format!("-{same}"));
        }
    }
}

/// The name of the mount at `target`, or of one that came with it, `below` the target.
fn key(target: &Path, below: &Path) -> String {
    let mut digest = Sha256::new();
    digest.update(target.as_os_str().as_encoded_bytes());
    digest.update([0]);
    digest.update(below.as_os_str().as_encoded_bytes());
    let mut key = String::from("trug-");
    for byte in digest.finalize().iter().take(DIGEST_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// The name of what lies `below` a place that has a name.
fn key_below(external: &External, below: &Path) -> String {
    key(Path::new(&external.key), below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_opaque_and_of_one_target() {
        let keys = [key(Path::new("/a"), Path::new("")), key(Path::new("/a]:/etc"), Path::new(""))];
        assert_ne!(keys[0], keys[1]);
        for key in keys {
            assert!(key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-'), "{key}");
        }
        assert_ne!(key(Path::new("/a"), Path::new("b")), key(Path::new("/ab"), Path::new("")));
    }

    #[test]
    fn mounts_on_one_target_have_names_of_their_own() {
        let external =
            || External { key: "k".into(), target: "/a".into(), read_only: false, source: Source::Null };
        let mut externals = [external(), external(), external()];
        distinguish(&mut externals);
        assert_eq!(externals.map(|external| external.key), ["k", "k-1", "k-2"]);
    }
}
