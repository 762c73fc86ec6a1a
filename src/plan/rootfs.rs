//! Which mounts there are, in config order, and what is closed once they are filled.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount as SpecMount, Spec};

use super::cgroup_mount::cgroup_mount;
use super::namespaces::maps;
use super::options::Options;
use super::types::{Action, FsOption, IdMaps, Mount, MountIdmap, MountSource, SourceLink, Step};
use crate::bundle::mount_options::{self, MountOptions};
use crate::bundle::{annotations, namespaces as wanted, path};
use crate::linux::mount::{Attr, Attributes, Propagation};
use crate::linux::namespace::Kind;
use crate::report::log;

/// Where the container finds the relay of NOTIFY_SOCKET.
pub const NOTIFY: &str = "/run/notify";

/// The flags that a cgroup mount always has, as on the host.
const CGROUP_FLAGS: Attr = Attr::NOSUID.union(Attr::NODEV).union(Attr::NOEXEC);

/// Steps of the mounts.
pub struct Mounts {
    pub mount: Vec<Step>,
    /// For those whose `ro` waits.
    pub remount_readonly: Vec<Step>,
}

/// The config's mounts in its order, then the one for NOTIFY_SOCKET.
pub fn mounts(spec: &Spec, options: &Options) -> Mounts {
    let mut mounts = Mounts { mount: Vec::new(), remount_readonly: Vec::new() };
    for (index, entry) in spec.mounts().iter().flatten().enumerate() {
        let pointer = format!("/mounts/{index}");
        let (mount, waits) = mount(entry, spec, options);
        if waits {
            mounts.remount_readonly.push(Action::RemountReadonly { path: mount.target.clone() }.at(&pointer));
        }
        mounts.mount.push(Action::Mount(Box::new(mount)).at(pointer));
    }
    mounts.mount.extend(options.notify_directory.map(notify));
    mounts
}

/// Filesystems that have nothing to do with a network namespace.
const LOCAL: [&str; 6] = ["proc", "tmpfs", "devpts", "mqueue", "cgroup2", "overlay"];

/// The mounts up to the first that may show a network namespace (sysfs) or use it (nfs), and the others.
pub fn until_network(mut mounts: Vec<Step>) -> (Vec<Step>, Vec<Step>) {
    let concerns_network = |step: &Step| match &step.action {
        Action::Mount(mount) => {
            matches!(&mount.source, MountSource::Filesystem { kind, .. } if !LOCAL.contains(&kind.as_str()))
        }
        _ => false,
    };
    let place = mounts.iter().position(concerns_network).unwrap_or(mounts.len());
    let others = mounts.split_off(place);
    (mounts, others)
}

/// Filesystems that the kernel has of itself, on no device and with no paths among their options.
const KERNELS_OWN: [&str; 6] = ["sysfs", "proc", "tmpfs", "devpts", "mqueue", "cgroup2"];

/// Whether these mounts can be made without the host's files and devices in sight. (Sources of binds are open by then.)
pub fn need_nothing_of_the_host(mounts: &[Step]) -> bool {
    mounts.iter().all(|step| match &step.action {
        Action::Mount(mount) => match &mount.source {
            MountSource::Filesystem { kind, .. } => KERNELS_OWN.contains(&kind.as_str()),
            _ => true,
        },
        _ => false,
    })
}

/// One entry of `mounts`, and whether its `ro` must wait until it is filled.
fn mount(entry: &SpecMount, spec: &Spec, options: &Options) -> (Mount, bool) {
    let mut parsed = mount_options::parse(entry.options().as_deref().unwrap_or_default());
    let changes_existing = parsed.bind.is_some() || parsed.remount;
    if !changes_existing {
        parsed.flatten();
    }
    let target = target(entry.destination(), options.rootfs);
    let source = source(entry, &parsed, spec, options);
    let waits = parsed.set.contains(Attr::RDONLY) && filled_later(&source, &target);
    let mut mount = Mount {
        attributes: attributes(&parsed, &source),
        recursive_attributes: parsed.recursive,
        must_clear: if changes_existing { parsed.clear } else { Attr::empty() },
        propagation: parsed.propagation.clone(),
        idmap: idmap(entry, &parsed),
        target_nofollow: parsed.target_nofollow,
        plain_directory: is_filesystem(&source, &["proc", "sysfs"]),
        label: label(spec, &source),
        label_option: annotations::mount_context(spec).unwrap_or(annotations::MOUNT_CONTEXTS[0]),
        target,
        source,
    };
    if waits {
        mount.attributes.set.remove(Attr::RDONLY);
    }
    (mount, waits)
}

/// The mount's own maps, or with `idmap` and `ridmap` alone the container's (config.md#linux-mount-options).
fn idmap(entry: &SpecMount, parsed: &MountOptions) -> Option<MountIdmap> {
    let own = IdMaps { uids: maps(entry.uid_mappings()), gids: maps(entry.gid_mappings()) };
    let has_own = !own.uids.is_empty() || !own.gids.is_empty();
    let recursive = parsed.idmap.or(has_own.then_some(false))?;
    Some(MountIdmap { maps: has_own.then_some(own), recursive })
}

/// Inside the container. A destination below the root filesystem's own path means the place inside it (runc).
fn target(destination: &Path, rootfs: &Path) -> PathBuf {
    if destination.is_relative() {
        log::warn(format!(
            "mount destination {} is not absolute. Support for non-absolute mount destinations will be removed \
             in a future release.",
            destination.display()
        ));
    }
    path::inside(destination, rootfs).unwrap_or_else(|| path::clean(destination))
}

fn source(entry: &SpecMount, parsed: &MountOptions, spec: &Spec, options: &Options) -> MountSource {
    let kind = entry.typ().as_deref().unwrap_or_default();
    let source = entry.source().clone().unwrap_or_default();
    if parsed.remount {
        return MountSource::Remount { options: reconfiguration(parsed) };
    }
    if let Some(recursive) = parsed.bind {
        // Join keeps an absolute source as it is. No cleaning: `link/..` is the kernel's to resolve.
        let link = match (parsed.copy_symlink, parsed.source_nofollow) {
            (true, _) => SourceLink::Copy,
            (false, true) => SourceLink::Mount,
            (false, false) => SourceLink::Follow,
        };
        return bind(options.bundle.join(source), recursive, link, options.rootfs);
    }
    match kind {
        "" | "none" if !parsed.propagation.is_empty() => MountSource::PropagationOnly,
        "cgroup" => MountSource::Cgroup(cgroup_mount(options.cgroup_tree, wanted::has(spec, Kind::Cgroup))),
        _ => MountSource::Filesystem {
            options: filesystem_options(kind, parsed),
            copy_up: parsed.copy_up && kind == "tmpfs",
            instead: instead(kind, spec, options),
            kind: kind.to_string(),
            source: source.to_string_lossy().into_owned(),
        },
    }
}

/// What shows a namespace of the host cannot be mounted anew without rights in that: then the host's own is bound.
fn instead(kind: &str, spec: &Spec, options: &Options) -> Option<PathBuf> {
    let (shown, host) = match kind {
        "sysfs" => (Kind::Network, "/sys"),
        "mqueue" => (Kind::Ipc, "/dev/mqueue"),
        _ => return None,
    };
    let foreign = wanted::has(spec, Kind::User) || options.in_user_namespace;
    (foreign && !wanted::is_new(spec, shown)).then(|| PathBuf::from(host))
}

fn bind(source: PathBuf, recursive: bool, link: SourceLink, rootfs: &Path) -> MountSource {
    match path::inside(&source, rootfs) {
        Some(source) if source != Path::new("/") => MountSource::BindInside { source, recursive, link },
        _ => MountSource::Bind { source, recursive, link },
    }
}

/// `/dev` gets nodes, and any tmpfs may still be the parent of mount points: they are made read-only when all
/// is in place.
fn filled_later(source: &MountSource, target: &Path) -> bool {
    match source {
        MountSource::Filesystem { kind, .. } => kind == "tmpfs" || target == Path::new("/dev"),
        _ => false,
    }
}

fn attributes(parsed: &MountOptions, source: &MountSource) -> Attributes {
    let named = Attributes { set: parsed.set, clear: parsed.clear, atime: parsed.atime };
    match source {
        MountSource::Bind { .. } | MountSource::BindInside { .. } | MountSource::Remount { .. } => {
            if parsed.names_flags { complete(named) } else { Attributes::default() }
        }
        MountSource::Cgroup(_) => Attributes { set: named.set.union(CGROUP_FLAGS), ..new(named) },
        MountSource::Filesystem { .. } | MountSource::PropagationOnly => new(named),
    }
}

/// A new mount has no flags that could be cleared.
fn new(named: Attributes) -> Attributes {
    Attributes { clear: Attr::empty(), ..named }
}

/// What `mount(2)` makes of flags: those not named are cleared. Access times are kept as they are unless one of
/// their flags is named; then the others of them count as not named, too.
fn complete(named: Attributes) -> Attributes {
    let touches_atime = named.atime.is_some() || named.set.contains(Attr::NODIRATIME);
    let mut clear = Attr::all().difference(named.set);
    if !touches_atime {
        clear.set(Attr::NODIRATIME, named.clear.contains(Attr::NODIRATIME));
    }
    Attributes { clear, ..named }
}

/// For fsconfig: data and flags of the filesystem in config order.
fn filesystem_options(kind: &str, parsed: &MountOptions) -> Vec<FsOption> {
    let mut options: Vec<FsOption> = parsed.superblock.iter().map(|flag| FsOption::flag(flag)).collect();
    if parsed.set.contains(Attr::RDONLY) && !is_shared_or_filled(kind) {
        options.push(FsOption::flag("ro"));
    }
    if parsed.inode_version && kind == "ext4" {
        options.push(FsOption::flag("i_version"));
    }
    options.extend(parsed.data.iter().cloned());
    options
}

/// Filesystems of which `ro` must stay a flag of the mount: the host or the container's other mounts have the same
/// superblock, or it is filled before it is closed.
fn is_shared_or_filled(kind: &str) -> bool {
    matches!(kind, "tmpfs" | "proc" | "sysfs" | "mqueue" | "devpts" | "cgroup" | "cgroup2")
}

/// For fspick: a remount by bind changes the mount alone (`man 2 mount`, MS_REMOUNT).
fn reconfiguration(parsed: &MountOptions) -> Vec<FsOption> {
    if parsed.bind.is_some() {
        return Vec::new();
    }
    let mut options: Vec<FsOption> = parsed.superblock.iter().map(|flag| FsOption::flag(flag)).collect();
    if parsed.set.contains(Attr::RDONLY) {
        options.push(FsOption::flag("ro"));
    }
    if parsed.clear.contains(Attr::RDONLY) {
        options.push(FsOption::flag("rw"));
    }
    options.extend(parsed.data.iter().cloned());
    options
}

/// linux.mountLabel. The kernel labels proc, sysfs and cgroups itself, and a bind has its source's labels.
fn label(spec: &Spec, source: &MountSource) -> Option<String> {
    let is_labelled =
        matches!(source, MountSource::Filesystem { .. }) && !is_filesystem(source, &["proc", "sysfs"]);
    let label = spec.linux().as_ref()?.mount_label().clone();
    label.filter(|label| is_labelled && !label.is_empty())
}

fn is_filesystem(source: &MountSource, kinds: &[&str]) -> bool {
    matches!(source, MountSource::Filesystem { kind, .. } if kinds.contains(&kind.as_str()))
}

/// The directory of the NOTIFY_SOCKET relay.
fn notify(directory: &Path) -> Step {
    let set = Attr::RDONLY.union(Attr::NOSUID).union(Attr::NODEV).union(Attr::NOEXEC);
    let mount = Mount {
        target: PathBuf::from(NOTIFY),
        source: MountSource::Bind {
            source: directory.to_path_buf(),
            recursive: false,
            link: SourceLink::Follow,
        },
        attributes: complete(Attributes { set, ..Attributes::default() }),
        recursive_attributes: Attributes::default(),
        must_clear: Attr::empty(),
        propagation: Vec::new(),
        idmap: None,
        target_nofollow: false,
        plain_directory: false,
        label: None,
        label_option: annotations::MOUNT_CONTEXTS[0],
    };
    Action::Mount(Box::new(mount)).into()
}

/// linux.rootfsPropagation.
pub fn propagation(spec: &Spec) -> Option<Propagation> {
    let word = spec.linux().as_ref()?.rootfs_propagation().as_deref()?;
    mount_options::propagation_of(word)
}

/// The same as a step; only in a mount namespace of the container's own.
pub fn root_propagation(spec: &Spec) -> Option<Step> {
    let propagation = propagation(spec).filter(|_| wanted::has(spec, Kind::Mount))?;
    Some(Action::SetRootPropagation(propagation).at("/linux/rootfsPropagation"))
}

/// root.readonly.
pub fn readonly_root(spec: &Spec) -> Option<Step> {
    let readonly = spec.root().as_ref()?.readonly().unwrap_or(false);
    readonly.then(|| Action::RemountReadonly { path: PathBuf::from("/") }.at("/root/readonly"))
}

/// linux.readonlyPaths.
pub fn readonly_paths(spec: &Spec) -> Vec<Step> {
    let paths = spec.linux().as_ref().and_then(|linux| linux.readonly_paths().as_ref());
    paths_with(paths, "/linux/readonlyPaths", Action::ReadonlyPath)
}

/// linux.maskedPaths.
pub fn masked_paths(spec: &Spec) -> Vec<Step> {
    let paths = spec.linux().as_ref().and_then(|linux| linux.masked_paths().as_ref());
    paths_with(paths, "/linux/maskedPaths", Action::MaskPath)
}

/// A path listed twice is done once: the second would cover the first with the same.
fn paths_with(paths: Option<&Vec<String>>, list: &str, action: fn(PathBuf) -> Action) -> Vec<Step> {
    let mut seen: BTreeSet<OsString> = BTreeSet::new();
    let mut steps = Vec::new();
    for (index, text) in paths.into_iter().flatten().enumerate() {
        let clean = path::clean(Path::new(text));
        if seen.insert(clean.clone().into_os_string()) {
            steps.push(action(clean).at(format!("{list}/{index}")));
        }
    }
    steps
}
