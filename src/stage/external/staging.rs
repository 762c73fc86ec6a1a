//! A restore: the host's side of every name, and the mount points that the images expect.
//!
//! All of it is mounted in a mount namespace of the restore's own, below one directory, under numbers: CRIU binds from
//! there, and it is gone with the namespace. Nothing is mounted with more rights than the config gives.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::guard::{Guard, Part};
use super::{External, Source, externals, key, key_below};
use crate::fail;
use crate::linux::mount::{self, Attr, Attributes, FsContext};
use crate::linux::mountinfo::{self, Mountinfo};
use crate::linux::path::Root;
use crate::linux::procfs::Proc;
use crate::plan::{Action, Mount, MountSource, NOTIFY, Plan, Step};
use crate::report::{Code, Context as _, Result, log};
use crate::stage::context::Prepared;

const MOUNTINFO_LIMIT: usize = 64 << 20;

/// What CRIU is told.
#[derive(Debug, Default)]
pub struct Staged {
    /// The root filesystem: a mount point.
    pub root: PathBuf,
    /// Names, and the paths of what they mean.
    pub places: Vec<(String, PathBuf)>,
    pub guard: Guard,
    /// The root filesystem, writable, where a directory was made in it for CRIU alone.
    lent: Option<OwnedFd>,
}

/// CRIU pivots by way of this directory of the root.
const PIVOT: &str = "tmp";

impl Staged {
    /// Removes what CRIU needs no more. What the container has put there by now stays.
    pub fn clear(&self) {
        let Some(root) = &self.lent else { return };
        if let Err(errno) = unlinkat(root, PIVOT, UnlinkatFlags::RemoveDir) {
            log::debug(format!("the directory /{PIVOT} that criu pivoted by stays: {errno}"));
        }
    }
}

/// The root as the config has it, before CRIU sees it: not every CRIU makes it read-only again. CRIU cannot make the
/// directory that it pivots by in such a one, so it gets one where there is none.
fn set_root_flags(plan: &Plan, root: &OwnedFd) -> Result<Option<OwnedFd>> {
    if !plan.has_read_only_root() {
        return Ok(None);
    }
    let doing = "make the root filesystem read-only";
    let writable = mount::open_tree_clone_fd(root.as_fd(), false).context(doing)?;
    let lent = match mkdirat(&writable, PIVOT, Mode::from_bits_truncate(0o755)) {
        Ok(()) => Some(writable),
        // On the host too: then CRIU says what it misses.
        Err(Errno::EEXIST | Errno::EROFS) => None,
        Err(errno) => return Err(errno).context("make a directory that criu can pivot by"),
    };
    let read_only = Attributes { set: Attr::RDONLY, ..Attributes::default() };
    mount::set_attributes(root.as_fd(), read_only, false).context(doing)?;
    Ok(lent)
}

/// One name's tree, attached.
struct Attached {
    external: External,
    tree: OwnedFd,
    path: PathBuf,
}

/// Directories of a host that anybody has a way into: in a user namespace CRIU follows paths as the container's root. What
/// is in the one that is taken is hidden in this mount namespace alone.
const DIRECTORIES: [&str; 5] = ["/mnt", "/media", "/srv", "/opt", "/home"];

/// Mounts everything below one directory in the caller's mount namespace, which must be its own.
pub fn stage(plan: &Plan, mut prepared: Prepared, proc: &Proc) -> Result<Staged> {
    let is_open = |path: &&Path| {
        std::fs::metadata(path).is_ok_and(|data| data.is_dir() && data.permissions().mode() & 1 == 1)
    };
    let Some(directory) = DIRECTORIES.into_iter().map(Path::new).find(is_open) else {
        fail!(Code::System, "none of {DIRECTORIES:?} is there for the restore to mount on");
    };
    let top = attach_top(directory)?;
    let root = attach_root(top.as_fd(), &mut prepared)?;
    let mut attached = Vec::new();
    for (number, external) in externals(plan).into_iter().enumerate() {
        let doing = format!("make ready what is mounted at {:?}", external.target);
        let Some(tree) = take_tree(&mut prepared, &external.source) else { continue };
        set_flags(plan, &external, tree.as_fd()).context(&doing)?;
        let path = directory.join(number.to_string());
        let name = number.to_string();
        attach(top.as_fd(), &name, tree.as_fd()).context(&doing)?;
        attached.push(Attached { external, tree, path });
    }
    let notify = stage_notify(top.as_fd(), directory, &attached)?;
    make_mount_points(plan, top.as_fd(), directory, root.as_fd(), &attached)?;
    let mut staged = describe(proc, directory.join("root"), &root, attached)?;
    staged.places.extend(notify);
    staged.guard.read_only_root = plan.has_read_only_root();
    staged.lent = set_root_flags(plan, &root)?;
    Ok(staged)
}

/// The checkpointed container may have had a notify socket, and this one none: then there is an empty directory.
fn stage_notify(
    top: BorrowedFd,
    directory: &Path,
    attached: &[Attached],
) -> Result<Option<(String, PathBuf)>> {
    const NAME: &str = "notify";
    let target = Path::new(NOTIFY);
    if attached.iter().any(|attached| attached.external.target == target) {
        return Ok(None);
    }
    let empty = empty_tmpfs()?;
    let read_only = Attributes { set: Attr::RDONLY, ..Attributes::default() };
    mount::set_attributes(empty.as_fd(), read_only, false).context("set read-only")?;
    attach(top, NAME, empty.as_fd()).context("make ready an empty notify directory")?;
    Ok(Some((key(target, Path::new("")), directory.join(NAME))))
}

/// A tmpfs to make mount points in.
fn attach_top(directory: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let place = open(directory, flags, Mode::empty()).with_context(|| format!("open {directory:?}"))?;
    let top = empty_tmpfs().context("make a directory for the restore")?;
    mount::move_mount(top.as_fd(), place.as_fd()).with_context(|| format!("attach it at {directory:?}"))?;
    Ok(top)
}

fn empty_tmpfs() -> Result<OwnedFd> {
    let context = FsContext::open("tmpfs").context("open tmpfs")?;
    context.set("mode", Some("755")).context("set tmpfs option mode")?;
    context.mount(Attributes::default()).context("make a tmpfs")
}

fn attach_root(top: BorrowedFd, prepared: &mut Prepared) -> Result<OwnedFd> {
    let Some(root) = prepared.trees.rootfs.take() else {
        fail!(Code::Internal, "the root filesystem was not prepared");
    };
    attach(top, "root", root.tree.as_fd()).context("attach the root filesystem")?;
    Ok(root.tree)
}

/// Attaches a tree on a mount point of its kind, made in `top`.
fn attach(top: BorrowedFd, name: &str, tree: BorrowedFd) -> Result<()> {
    let place = match is_directory(tree)? {
        true => {
            mkdirat(top, name, Mode::S_IRWXU).with_context(|| format!("make directory {name:?}"))?;
            openat(top, name, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        }
        false => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
            openat(top, name, flags, Mode::S_IRUSR)
        }
    };
    let place = place.with_context(|| format!("make mount point {name:?}"))?;
    mount::move_mount(tree, place.as_fd()).context("attach it")
}

/// What was opened while the host was in sight. None: it is not to be had, and will be missed only by a container that
/// has it mounted.
fn take_tree(prepared: &mut Prepared, source: &Source) -> Option<OwnedFd> {
    match source {
        Source::Step { index, .. } => prepared.trees.sources.remove(index),
        Source::Cgroup { directory, .. } => prepared.cgroups.remove(directory),
        Source::Null => prepared.trees.null.take(),
    }
}

fn set_flags(plan: &Plan, external: &External, tree: BorrowedFd) -> Result<()> {
    if let Source::Step { index, .. } = external.source
        && let Some(mount) = mount_of(plan, index)
    {
        set(tree, mount.attributes, false)?;
        set(tree, mount.recursive_attributes, true)?;
    }
    let read_only = Attributes { set: Attr::RDONLY, ..Attributes::default() };
    if external.read_only { set(tree, read_only, false) } else { Ok(()) }
}

/// Flags that the kernel has locked stay as they are.
fn set(tree: BorrowedFd, attributes: Attributes, recursive: bool) -> Result<()> {
    match mount::set_attributes(tree, attributes, recursive) {
        Err(Errno::EPERM) => {
            let only_set = Attributes { clear: Attr::empty(), ..attributes };
            mount::set_attributes(tree, only_set, recursive).context("set flags")
        }
        set => set.context("set flags"),
    }
}

fn mount_of(plan: &Plan, index: usize) -> Option<&Mount> {
    match &plan.steps.get(index)?.action {
        Action::Mount(mount) => Some(mount),
        _ => None,
    }
}

/// Makes missing mount points in the root filesystem and in what is bound into it, as at creation: the checkpoint may go
/// on in a new bundle. It is done in a second view of the root filesystem, which is dropped again. New
/// filesystems come back with their content, so an empty one stands for each here.
fn make_mount_points(
    plan: &Plan,
    top: BorrowedFd,
    directory: &Path,
    root: BorrowedFd,
    attached: &[Attached],
) -> Result<()> {
    const NAME: &str = "points";
    let view = mount::open_tree_clone_fd(root, true).context("clone the root filesystem")?;
    attach(top, NAME, view.as_fd()).context("attach the root filesystem once more")?;
    let view = Root::new(view);
    for (index, step) in plan.steps.iter().enumerate() {
        let made = make_mount_point(&view, index, step, attached);
        match &step.pointer {
            Some(pointer) => made.at(pointer)?,
            None => made?,
        }
    }
    drop(view);
    umount2(&directory.join(NAME), MntFlags::MNT_DETACH).context("detach the view of the root filesystem")
}

fn make_mount_point(view: &Root, index: usize, step: &Step, attached: &[Attached]) -> Result<()> {
    let of_step = |attached: &&Attached| matches!(attached.external.source, Source::Step { index: of, .. } if of == index);
    let (target, tree) = match &step.action {
        Action::MakeDevice(device) if device.bind => {
            view.make_file(&device.path, 0o755).map(drop).with_context(|| making(&device.path))?;
            return Ok(());
        }
        Action::Mount(mount) => match &mount.source {
            MountSource::Remount { .. } | MountSource::PropagationOnly => return Ok(()),
            MountSource::BindInside { source, recursive, .. } => {
                let source = view.resolve(source).with_context(|| format!("find {source:?}"))?;
                let tree = mount::open_tree_clone_fd(source.as_fd(), *recursive);
                (&mount.target, tree.context("clone the source")?)
            }
            MountSource::Bind { recursive, .. } => {
                let Some(source) = attached.iter().find(of_step) else {
                    fail!(Code::Internal, "the source was not prepared");
                };
                let tree = mount::open_tree_clone_fd(source.tree.as_fd(), *recursive);
                (&mount.target, tree.context("clone the source")?)
            }
            MountSource::Filesystem { .. } | MountSource::Cgroup(_) => (&mount.target, empty_tmpfs()?),
        },
        _ => return Ok(()),
    };
    let place = match is_directory(tree.as_fd())? {
        true => view.make_directory(target, 0o755),
        false => view.make_file(target, 0o755),
    };
    let place = place.with_context(|| making(target))?;
    mount::move_mount(tree.as_fd(), place.as_fd()).with_context(|| making(target))
}

fn making(target: &Path) -> String {
    format!("make mount point {target:?}")
}

/// Every name with its path: those of what is mounted below too.
fn describe(proc: &Proc, root: PathBuf, tree: &OwnedFd, attached: Vec<Attached>) -> Result<Staged> {
    let text = proc.read_self("mountinfo", MOUNTINFO_LIMIT).context("read the mounts")?;
    let mountinfo = Mountinfo::parse(&text);
    let part_of = |fd: &OwnedFd| -> Result<Option<Part>> {
        let id = mountinfo::mount_id(fd.as_fd()).context("look at a mount")?;
        Ok(mountinfo.get(id).map(Part::of))
    };
    let mut staged = Staged { root, ..Staged::default() };
    staged.guard.writable.extend(part_of(tree)?);
    for Attached { external, tree, path } in attached {
        let parts = if external.read_only { &mut staged.guard.read_only } else { &mut staged.guard.writable };
        parts.extend(part_of(&tree)?);
        for mount in mountinfo.iter() {
            match mount.mount_point.strip_prefix(&path) {
                Ok(below) if below.as_os_str() != OsStr::new("") => {
                    staged.places.push((key_below(&external, below), mount.mount_point.clone()));
                }
                _ => {}
            }
        }
        staged.places.push((external.key, path));
    }
    Ok(staged)
}

fn is_directory(fd: BorrowedFd) -> Result<bool> {
    let mode = fstat(fd).context("stat")?.st_mode;
    Ok(mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits())
}
