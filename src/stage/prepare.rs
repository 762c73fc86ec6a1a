//! What must be opened with the host's view of files: the root filesystem's tree, sources of binds, namespaces.
//!
//! A privileged parent does it before the fork: what it reaches, the container's ids need not. For a container in a user
//! namespace it does so after, in that one's mount namespace (`lender`). An unprivileged one may clone no mount (`man 2 open_tree`), so init does that itself, in its own copy of the host's mounts,
//! before it changes anything there. Nothing here leaves a trace on the host.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::context::{Prepared, RootTree, Trees, Unopened};
use crate::fail;
use crate::linux::mount::{self, Propagation, PropagationKind};
use crate::linux::namespace::{self, Kind};
use crate::linux::procfs::Proc;
use crate::linux::{capability, device, fd, userns};
use crate::plan::seccomp::Filter;
use crate::plan::{
    Action, CgroupMount, Device, IdMaps, Mount, MountIdmap, MountSource, Plan, Rootfs, SourceLink, Step,
};
use crate::report::{Code, Context as _, Error, Result};

/// Opens everything of the host that a container's plan names, as far as the caller's rights go.
///
/// # Errors
/// What cannot be opened, with its place in config.json.
pub fn prepare(plan: &Plan, filter: Option<Filter>, proc: &Proc) -> Result<Prepared> {
    let may_clone = may_clone_mounts(plan);
    if !may_clone || !must_lock_mounts(plan) {
        return open_all(plan, filter, proc, may_clone);
    }
    let mut prepared = Prepared { filter, ..Prepared::default() };
    open_namespaces(plan, &mut prepared, proc)?;
    prepared.trees.links = links_to_copy(&plan.steps);
    prepared.unopened = Some(Unopened::ToCome(plan.rootfs.clone()));
    Ok(prepared)
}

/// The same, and no mount is left for later but what only init may open.
pub fn prepare_at_once(plan: &Plan, filter: Option<Filter>, proc: &Proc) -> Result<Prepared> {
    open_all(plan, filter, proc, may_clone_mounts(plan))
}

fn open_all(plan: &Plan, filter: Option<Filter>, proc: &Proc, may_clone: bool) -> Result<Prepared> {
    let mut prepared = Prepared { filter, ..Prepared::default() };
    open_namespaces(plan, &mut prepared, proc)?;
    match may_clone {
        true => prepared.trees = open_trees(&plan.rootfs, &plan.steps, &prepared.idmaps)?,
        false => prepared.unopened = Some(Unopened::ForInit(plan.rootfs.clone())),
    }
    Ok(prepared)
}

fn open_namespaces(plan: &Plan, prepared: &mut Prepared, proc: &Proc) -> Result<()> {
    for joined in &plan.joined_namespaces {
        let file = open_namespace(&joined.path, joined.kind).at(&joined.pointer)?;
        prepared.namespaces.insert(joined.kind, file);
    }
    prepare_idmaps(plan, prepared, proc)
}

/// A mount namespace of another user namespace, which the kernel copies with its mounts locked: see `lender`.
fn must_lock_mounts(plan: &Plan) -> bool {
    plan.has_user_namespace() && plan.new_namespaces.contains(&Kind::Mount)
}

impl Prepared {
    /// What the one who opens the trees later needs for it: copies, since init has the others.
    pub fn to_lend(&self) -> Result<Option<BTreeMap<usize, OwnedFd>>> {
        let Some(Unopened::ToCome(_)) = &self.unopened else { return Ok(None) };
        let copies = self.idmaps.iter().map(|(index, namespace)| Ok((*index, namespace.try_clone()?)));
        copies.collect::<Result<_>>().context("keep the maps of mounts").map(Some)
    }
}

/// Rights in a user namespace that does not own the mounts around us (`unshare --user` alone) are none.
fn may_clone_mounts(plan: &Plan) -> bool {
    let nested = plan.new_namespaces.contains(&Kind::User);
    let refused =
        || mount::open_tree_clone(here(), Path::new("/"), false).is_err_and(|errno| errno == Errno::EPERM);
    capability::has_effective("SYS_ADMIN") && !(nested && refused())
}

/// The trees that steps attach.
pub fn open_trees(rootfs: &Rootfs, steps: &[Step], idmaps: &BTreeMap<usize, OwnedFd>) -> Result<Trees> {
    let root = open_rootfs(rootfs).at("/root/path")?;
    let mut trees = Trees { rootfs: Some(root), links: links_to_copy(steps), ..Trees::default() };
    for (index, step) in steps.iter().enumerate() {
        if trees.links.contains_key(&index) {
            continue;
        }
        let opened = open_source(&step.action, rootfs.propagation, idmaps.get(&index));
        let opened = match &step.pointer {
            Some(pointer) => opened.at(pointer),
            None => opened,
        };
        if let Some(tree) = opened? {
            trees.sources.insert(index, tree);
        }
    }
    if steps.iter().any(|step| matches!(step.action, Action::MaskPath(_))) {
        trees.null = Some(clone_null().context("open the host's /dev/null to mask with")?);
    }
    Ok(trees)
}

/// Clones the container's cgroup directories, for plans that bind them. They must exist by now. Without cgroups of
/// its own, the container is shown those of the caller. None where it is init that opens trees.
pub fn cgroups<'a>(
    plan: &Plan,
    openable: bool,
    directory_of: impl Fn(&str) -> Option<&'a Path>,
) -> Result<BTreeMap<String, OwnedFd>> {
    let mut opened = BTreeMap::new();
    if openable {
        open_cgroups(&plan.steps, plan.has_user_namespace(), &mut opened, directory_of)?;
    }
    Ok(opened)
}

/// The same, by init.
pub fn open_callers_cgroups(steps: &[Step], prepared: &mut Prepared) -> Result<()> {
    open_cgroups(steps, true, &mut prepared.cgroups, |_| None)
}

fn open_cgroups<'a>(
    steps: &[Step],
    user_namespace: bool,
    cgroups: &mut BTreeMap<String, OwnedFd>,
    directory_of: impl Fn(&str) -> Option<&'a Path>,
) -> Result<()> {
    for step in steps {
        let Action::Mount(mount) = &step.action else { continue };
        match &mount.source {
            MountSource::Cgroup(CgroupMount::Unified { .. }) if user_namespace => {
                let path = directory_of("").unwrap_or(Path::new("/sys/fs/cgroup"));
                cgroups.insert(String::new(), clone_cgroup(path)?);
            }
            MountSource::Cgroup(CgroupMount::PerHierarchy { hierarchies, .. }) => {
                for hierarchy in hierarchies {
                    let path = directory_of(hierarchy.data.as_deref().unwrap_or(""));
                    let tree = clone_cgroup(path.unwrap_or(&hierarchy.own))?;
                    cgroups.insert(hierarchy.directory.clone(), tree);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn clone_cgroup(path: &Path) -> Result<OwnedFd> {
    mount::open_tree_clone(here(), path, false)
        .and_then(keep_from_host)
        .with_context(|| format!("open the cgroup {path:?}"))
}

/// A clone of a shared mount is its peer: what the container mounts on it or below it would be mounted on the host too.
fn keep_from_host(tree: OwnedFd) -> nix::Result<OwnedFd> {
    let private = Propagation { kind: PropagationKind::Private, recursive: false };
    mount::set_propagation(tree.as_fd(), private)?;
    Ok(tree)
}

fn open_namespace(path: &Path, kind: Kind) -> Result<OwnedFd> {
    let file = fd::open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
        .with_context(|| format!("open {} namespace {path:?}", kind.spec_name()))?;
    match namespace::kind_of(file.as_fd()) {
        Some(found) if found == kind => Ok(file),
        Some(found) => fail!(
            Code::InvalidConfig,
            "{path:?} is a namespace of type {}, not {}",
            found.spec_name(),
            kind.spec_name()
        ),
        None => fail!(Code::InvalidConfig, "{path:?} is not a namespace"),
    }
}

/// A user namespace for every mount with mapped ids. Mounts with the same maps share one.
fn prepare_idmaps(plan: &Plan, prepared: &mut Prepared, proc: &Proc) -> Result<()> {
    let mut made: BTreeMap<IdMaps, OwnedFd> = BTreeMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let Action::Mount(mount) = &step.action else { continue };
        let Some(idmap) = &mount.idmap else { continue };
        let namespace = idmap_namespace(plan, idmap, prepared.namespaces.get(&Kind::User), &mut made, proc)
            .with_context(|| format!("map the ids of the mount at {:?}", mount.target));
        let namespace = match &step.pointer {
            Some(pointer) => namespace.at(pointer),
            None => namespace,
        };
        prepared.idmaps.insert(index, namespace?);
    }
    Ok(())
}

fn idmap_namespace(
    plan: &Plan,
    idmap: &MountIdmap,
    joined: Option<&OwnedFd>,
    made: &mut BTreeMap<IdMaps, OwnedFd>,
    proc: &Proc,
) -> Result<OwnedFd> {
    let copy = |fd: &OwnedFd| fd.try_clone().context("keep the user namespace");
    let maps = match (&idmap.maps, joined, &plan.id_maps) {
        (Some(maps), ..) => maps,
        (None, Some(joined), _) => return copy(joined),
        (None, None, Some(maps)) => maps,
        (None, None, None) => fail!(Code::InvalidConfig, "there is no user namespace to take the maps from"),
    };
    if let Some(namespace) = made.get(maps) {
        return copy(namespace);
    }
    let namespace =
        userns::create(proc, &maps.uids, &maps.gids).context("make a user namespace with the maps")?;
    let kept = copy(&namespace)?;
    made.insert(maps.clone(), namespace);
    Ok(kept)
}

/// The tree of the root filesystem, detached, cut off from the host's propagation as planned. Its top mount is private
/// until the pivot: to a shared one pivot_root cannot move the old root (`man 2 pivot_root`).
fn open_rootfs(rootfs: &Rootfs) -> Result<RootTree> {
    let path = &rootfs.path;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let place = fd::open(path, flags).with_context(|| format!("open root filesystem {path:?}"))?;
    let tree = mount::open_tree_clone_fd(place.as_fd(), true)
        .with_context(|| format!("clone the root filesystem {path:?}"))?;
    let private = Propagation { kind: PropagationKind::Private, recursive: false };
    mount::set_propagation(tree.as_fd(), rootfs.propagation)
        .and_then(|()| mount::set_propagation(tree.as_fd(), private))
        .context("set the root filesystem's propagation")?;
    Ok(RootTree::new(tree, rootfs))
}

/// The symlinks of the host that a container gets as they are, by step.
fn links_to_copy(steps: &[Step]) -> BTreeMap<usize, PathBuf> {
    let of_step = |(index, step): (usize, &Step)| link_to_copy(&step.action).map(|target| (index, target));
    steps.iter().enumerate().filter_map(of_step).collect()
}

/// What a symlink of the host names that a container gets as it is.
fn link_to_copy(action: &Action) -> Option<PathBuf> {
    let Action::Mount(mount) = action else { return None };
    match &mount.source {
        // What is no symlink is mounted as ever.
        MountSource::Bind { source, link: SourceLink::Copy, .. } => std::fs::read_link(source).ok(),
        _ => None,
    }
}

fn open_source(
    action: &Action,
    propagation: Propagation,
    idmap: Option<&OwnedFd>,
) -> Result<Option<OwnedFd>> {
    match action {
        Action::Mount(mount) => open_mount(mount, propagation, idmap),
        Action::MakeDevice(node) if node.bind => open_device(node).map(Some),
        _ => Ok(None),
    }
}

/// The host's node, which must be the device that the config means.
fn open_device(node: &Device) -> Result<OwnedFd> {
    let path = &node.path;
    let tree = mount::open_tree_clone(here(), path, false)
        .and_then(keep_from_host)
        .with_context(|| format!("clone the host's {path:?}"))
        .hint("in a user namespace a device is bound from the host, and must be there under its own name")?;
    let found = device::describe(tree.as_fd()).with_context(|| format!("look at the host's {path:?}"))?;
    if found != Some(node.identity()) {
        fail!(
            Code::InvalidConfig,
            "the host's {path:?} is not the device {}:{} that is asked for",
            node.major,
            node.minor
        );
    }
    Ok(tree)
}

fn open_mount(plan: &Mount, propagation: Propagation, idmap: Option<&OwnedFd>) -> Result<Option<OwnedFd>> {
    let (source, recursive) = match &plan.source {
        MountSource::Bind { source, recursive, .. } => (source, *recursive),
        MountSource::Filesystem { instead: Some(host), .. } => (host, true),
        _ => return Ok(None),
    };
    let cloned = match &plan.source {
        MountSource::Bind { link: SourceLink::Mount, .. } => {
            mount::open_tree_clone_nofollow(here(), source, recursive)
        }
        _ => mount::open_tree_clone(here(), source, recursive),
    };
    let tree = match cloned {
        Ok(tree) => tree,
        // Only where the filesystem itself cannot be mounted will it be missed.
        Err(_) if matches!(plan.source, MountSource::Filesystem { .. }) => return Ok(None),
        Err(Errno::EINVAL) => {
            return Err(Errno::EINVAL).with_context(|| format!("clone the mount source {source:?}")).hint(
                "the source may be an unbindable mount, or one with locked mounts below it: use rbind",
            );
        }
        Err(errno) => return Err(errno).with_context(|| format!("clone the mount source {source:?}")),
    };
    if let (Some(namespace), Some(idmap)) = (idmap, &plan.idmap) {
        map_ids(tree.as_fd(), namespace.as_fd(), idmap.recursive)
            .with_context(|| format!("map the ids of the mount source {source:?}"))?;
    }
    let propagation = Propagation { recursive, ..propagation };
    mount::set_propagation(tree.as_fd(), propagation).context("set the mount source's propagation")?;
    Ok(Some(tree))
}

/// MOUNT_ATTR_IDMAP on a detached mount; the error names the filesystem that cannot.
pub fn map_ids(tree: BorrowedFd, namespace: BorrowedFd, recursive: bool) -> Result<()> {
    mount::set_idmap(tree, namespace, recursive).map_err(|errno| {
        let error = Error::from(errno);
        match errno {
            Errno::EINVAL => {
                error.context(format!("filesystem {} cannot map the ids of a mount", mount::kind_of(tree)))
            }
            Errno::EPERM => {
                error.hint("mapping the ids of a mount takes CAP_SYS_ADMIN where its filesystem was mounted")
            }
            _ => error,
        }
    })
}

/// The host's /dev/null, proven to be it before a container can have any say (CVE-2025-31133).
fn clone_null() -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let null = fd::open("/dev/null", flags).context("open")?;
    if !device::is_char(null.as_fd(), 1, 3) {
        fail!(Code::System, "/dev/null is not character device 1:3");
    }
    mount::open_tree_clone_fd(null.as_fd(), false).and_then(keep_from_host).context("clone")
}

fn here() -> BorrowedFd<'static> {
    nix::fcntl::AT_FDCWD
}
