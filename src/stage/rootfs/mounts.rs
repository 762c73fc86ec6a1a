//! One entry of `mounts`: the source as a detached mount with its flags on, the target found or
//! made inside the root, then attached. There is no moment at which it is mounted with other flags.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::readlinkat;
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use super::{cgroup, root};
use crate::bundle::proc_mounts;
use crate::fail;
use crate::linux::device;
use crate::linux::mount::{self, Attr, Attributes, FsContext};
use crate::linux::path::Root;
use crate::plan::{FsOption, Mount, MountSource, SourceLink};
use crate::report::{Code, Context as _, Error, Result};
use crate::stage::channel::ToInit;
use crate::stage::context::Context;
use crate::stage::{copy_up, prepare};

/// Carries one mount out.
pub fn mount(context: &mut Context, index: usize, plan: &Mount) -> Result<()> {
    // It may be covered now.
    context.device_directory = None;
    carry_out(context, index, plan)
        .with_context(|| format!("mount {:?} at {:?}", source_name(plan), plan.target))
}

fn source_name(plan: &Mount) -> String {
    match &plan.source {
        MountSource::Bind { source, .. } | MountSource::BindInside { source, .. } => {
            source.display().to_string()
        }
        MountSource::Filesystem { kind, .. } => kind.clone(),
        MountSource::Cgroup(_) => "cgroup".to_string(),
        MountSource::Remount { .. } => "remount".to_string(),
        MountSource::PropagationOnly => "propagation".to_string(),
    }
}

fn carry_out(context: &mut Context, index: usize, plan: &Mount) -> Result<()> {
    if let Some(names) = link_to_copy(context, index, plan)? {
        return make_link(root(context)?, &plan.target, &names);
    }
    let mounted = match &plan.source {
        MountSource::Bind { .. } => {
            let Some(clone) = context.prepared.trees.sources.remove(&index) else {
                fail!(Code::Internal, "the source was not prepared");
            };
            bind(context, plan, clone)?
        }
        MountSource::BindInside { source, recursive, link } => {
            let root = root(context)?;
            let source = match link {
                SourceLink::Mount => root.resolve_nofollow(source),
                SourceLink::Follow | SourceLink::Copy => root.resolve(source),
            };
            let source = source.context("find the source in the root filesystem")?;
            let clone = mount::open_tree_clone_fd(source.as_fd(), *recursive).context("clone the source")?;
            map_ids(context, index, plan, clone.as_fd())?;
            bind(context, plan, clone)?
        }
        MountSource::Filesystem { .. } => match filesystem(context, index, plan)? {
            Some(mounted) => mounted,
            None => return Ok(()),
        },
        MountSource::Cgroup(layout) => cgroup::mount(context, plan, layout)?,
        MountSource::Remount { options } => remount(context, plan, options)?,
        MountSource::PropagationOnly => root(context)?.resolve(&plan.target).context("find the target")?,
    };
    if !plan.recursive_attributes.is_empty() {
        mount::set_attributes(mounted.as_fd(), plan.recursive_attributes, true)
            .context("set recursive flags")?;
    }
    for propagation in &plan.propagation {
        mount::set_propagation(mounted.as_fd(), *propagation).context("set propagation")?;
    }
    Ok(())
}

/// What the symlink names that is to be made and not mounted, if that is so.
fn link_to_copy(context: &mut Context, index: usize, plan: &Mount) -> Result<Option<PathBuf>> {
    let MountSource::BindInside { source, link: SourceLink::Copy, .. } = &plan.source else {
        return Ok(context.prepared.trees.links.remove(&index));
    };
    let found = root(context)?.resolve_nofollow(source).context("find the source in the root filesystem")?;
    match readlinkat(found, c"") {
        Ok(names) => Ok(Some(names.into())),
        // It is no symlink (`man 2 readlink`).
        Err(Errno::ENOENT | Errno::EINVAL) => Ok(None),
        Err(errno) => Err(errno).context("read the symlink"),
    }
}

/// A symlink in the place of a mount. One that is there and names the same is taken as it is.
fn make_link(root: &Root, path: &Path, names: &Path) -> Result<()> {
    let entry = root.make_parent(path).context("make the target's directory")?;
    match device::make_symlink(entry.parent.as_fd(), &entry.name, names) {
        Err(Errno::EEXIST) => {}
        made => return made.context("make the symlink"),
    }
    match readlinkat(&entry.parent, entry.name.as_os_str()) {
        Ok(found) if Path::new(&found) == names => Ok(()),
        Ok(_) | Err(Errno::EINVAL) => {
            fail!(Code::InvalidConfig, "{path:?} is there already, and is no symlink to {names:?}")
        }
        Err(errno) => Err(errno).context("read the symlink that is there"),
    }
}

/// A clone, put on a directory or a file as it is one.
fn bind(context: &Context, plan: &Mount, source: OwnedFd) -> Result<OwnedFd> {
    set_flags(source.as_fd(), plan)?;
    let root = root(context)?;
    let target = match is_directory(source.as_fd())? {
        _ if plan.target_nofollow => root.resolve_nofollow(&plan.target),
        true => root.make_directory(&plan.target, 0o755),
        false => root.make_file(&plan.target, 0o755),
    };
    let target = target.context("make the target")?;
    attach(root, &plan.target, source, target)
}

/// The flags of a mount as its options say. Flags that the kernel has locked on the source (it came from
/// another user namespace) stay, unless the config names them to be cleared.
fn set_flags(mounted: BorrowedFd, plan: &Mount) -> Result<()> {
    if plan.attributes.is_empty() {
        return Ok(());
    }
    match mount::set_attributes(mounted, plan.attributes, false) {
        Err(Errno::EPERM) => {}
        set => return set.context("set flags"),
    }
    let named = Attributes { clear: plan.must_clear, ..plan.attributes };
    mount::set_attributes(mounted, named, false)
        .context("cannot clear locked flags")
        .hint("the source is mounted with flags that a user namespace may not clear")
}

/// A new filesystem. None where nothing can be left to do to it, and so it was mounted by one call.
fn filesystem(context: &mut Context, index: usize, plan: &Mount) -> Result<Option<OwnedFd>> {
    let MountSource::Filesystem { kind, source, options, copy_up, instead } = &plan.source else {
        fail!(Code::Internal, "this mount is no filesystem");
    };
    let host = context.prepared.trees.sources.remove(&index);
    let root = root(context)?;
    let mode = inherited_mode(root, kind, options, &plan.target)?;
    let target = match plan.plain_directory {
        true => plain_directory(root, kind, &plan.target)?,
        false => root.make_directory(&plan.target, 0o755).context("make the target")?,
    };
    let mut options = options.to_vec();
    options.extend(mode);
    // Mqueue takes no label among its options: there it would be that of the root directory.
    if let Some(label) = plan.label.as_ref().filter(|_| kind != "mqueue") {
        options.push(FsOption { key: plan.label_option.into(), value: Some(label.clone()) });
    }
    if is_for_one_call(plan, &options) {
        let text = options.iter().map(option_text).collect::<Vec<_>>().join(",");
        let mounted = guard(root, &plan.target, target.as_fd(), || Ok(kind == "proc"))
            .and_then(|()| Ok(mount::mount_at_once(target.as_fd(), kind, source, &text, plan.attributes)?));
        if mounted.is_ok() {
            return Ok(None);
        }
    }
    // What one call refused is refused again, with words.
    let mounted = match (new_filesystem(kind, source, &options, plan.attributes), host) {
        (Err(error), Some(host)) if error.errno() == Some(Errno::EPERM) && instead.is_some() => {
            mount::set_attributes(host.as_fd(), plan.attributes, true)
                .context("set the host tree's flags")?;
            host
        }
        (mounted, _) => mounted?,
    };
    map_ids(context, index, plan, mounted.as_fd())?;
    if *copy_up {
        copy_up::tree(target.as_fd(), mounted.as_fd()).context("copy the directory up")?;
    }
    attach(root, &plan.target, mounted, target).map(Some)
}

/// Filesystems of almost every container.
const USUAL: [&str; 4] = ["tmpfs", "proc", "devpts", "mqueue"];

/// Whether a filesystem is one of those, and nothing but its options is asked for.
fn is_for_one_call(plan: &Mount, options: &[FsOption]) -> bool {
    let MountSource::Filesystem { kind, source, copy_up: false, .. } = &plan.source else {
        return false;
    };
    // Commas would part a value, and quotes hide them.
    let is_plain = |text: &str| !text.contains([',', '"', '\\']);
    let is_whole = |option: &FsOption| is_plain(&option.key) && option.value.as_deref().is_none_or(is_plain);
    USUAL.contains(&kind.as_str())
        && !source.is_empty()
        && plan.label.is_none()
        && plan.idmap.is_none()
        && plan.recursive_attributes.is_empty()
        && plan.propagation.is_empty()
        && options.iter().all(is_whole)
}

/// The ids of a mount that only the container could make.
fn map_ids(context: &Context, index: usize, plan: &Mount, mounted: BorrowedFd) -> Result<()> {
    let (Some(namespace), Some(idmap)) = (context.prepared.idmaps.get(&index), &plan.idmap) else {
        return Ok(());
    };
    match prepare::map_ids(mounted, namespace.as_fd(), idmap.recursive) {
        // A filesystem of the host: the parent has the right.
        Err(error) if error.errno() == Some(Errno::EPERM) && context.user_namespace => {
            context.channel.send_map_ids(mounted, namespace.as_fd(), idmap.recursive)?;
            context.channel.expect(ToInit::IdsMapped)
        }
        mapped => mapped.context("map the mount's ids"),
    }
}

/// A detached mount of a new filesystem.
pub(super) fn new_filesystem(
    kind: &str,
    source: &str,
    options: &[FsOption],
    attributes: Attributes,
) -> Result<OwnedFd> {
    let context = match FsContext::open(kind) {
        Ok(context) => context,
        Err(Errno::ENODEV) => {
            return Err(Errno::ENODEV).with_context(|| format!("open filesystem {kind:?}")).hint(
                "this kernel has no such filesystem; for a bind mount use the option `bind` or `rbind`",
            );
        }
        Err(errno) => return Err(errno).with_context(|| format!("open filesystem {kind:?}")),
    };
    let named = !source.is_empty();
    let source = named.then(|| FsOption { key: "source".into(), value: Some(source.into()) });
    for option in source.iter().chain(options) {
        context
            .set(&option.key, option.value.as_deref())
            .with_context(|| explain(&context, &format!("set option {:?}", option_text(option))))?;
    }
    context.mount(attributes).map_err(|errno| {
        let error = Error::from(errno).context(explain(&context, "create the filesystem"));
        match (kind, errno) {
            ("proc", Errno::EPERM) => {
                error.hint("mounting proc in a user namespace needs a new pid namespace")
            }
            _ => error,
        }
    })
}

/// What was being done, with the filesystem's own words about what it disliked.
fn explain(context: &FsContext, doing: &str) -> String {
    let messages = context.messages();
    match messages.is_empty() {
        true => doing.to_string(),
        false => format!("{doing} ({})", messages.join("; ")),
    }
}

fn option_text(option: &FsOption) -> String {
    match &option.value {
        Some(value) => format!("{}={value}", option.key),
        None => option.key.clone(),
    }
}

/// A tmpfs without `mode=` looks like the directory that it covers (runc).
fn inherited_mode(root: &Root, kind: &str, options: &[FsOption], covers: &Path) -> Result<Option<FsOption>> {
    if kind != "tmpfs" || options.iter().any(|option| option.key == "mode") {
        return Ok(None);
    }
    let Ok(covered) = root.resolve(covers) else {
        return Ok(None);
    };
    let mode = fstat(covered).context("stat the target")?.st_mode & 0o7777;
    Ok(Some(FsOption { key: "mode".into(), value: Some(format!("{mode:o}")) }))
}

/// proc and sysfs go on real directories alone: what masks and labels write to later must be them
/// (CVE-2019-19921, CVE-2023-28642).
fn plain_directory(root: &Root, kind: &str, path: &Path) -> Result<OwnedFd> {
    let refuse = || {
        Error::new(Code::InvalidConfig, format!("filesystem {kind:?} must be mounted on ordinary directory"))
    };
    let target = match root.resolve_plain(path) {
        Err(Errno::ENOENT) => {
            root.make_directory(path, 0o755).context("make the target")?;
            root.resolve_plain(path)
        }
        found => found,
    };
    match target {
        Ok(target) if is_directory(target.as_fd())? => Ok(target),
        Ok(_) | Err(Errno::ELOOP | Errno::ENOTDIR) => Err(refuse()),
        Err(errno) => Err(errno).context("find the target"),
    }
}

/// `remount`: other flags for the mount that is at the target, other options for its filesystem.
fn remount(context: &Context, plan: &Mount, options: &[FsOption]) -> Result<OwnedFd> {
    let target = root(context)?.resolve(&plan.target).context("find the target")?;
    if !options.is_empty() {
        let fs = FsContext::pick(target.as_fd()).context("open the mounted filesystem")?;
        for option in options {
            fs.set(&option.key, option.value.as_deref())
                .with_context(|| explain(&fs, &format!("set option {:?}", option_text(option))))?;
        }
        fs.reconfigure().with_context(|| explain(&fs, "reconfigure the filesystem"))?;
    }
    set_flags(target.as_fd(), plan)?;
    Ok(target)
}

/// Makes one mount read-only, when what had to be made in it is there.
pub fn remount_readonly(context: &Context, path: &Path) -> Result<()> {
    let readonly = Attributes { set: Attr::RDONLY, ..Default::default() };
    let root = root(context)?;
    let changed = match path == Path::new("/") {
        true => mount::set_attributes(root.as_fd(), readonly, false),
        false => root.resolve(path).and_then(|target| mount::set_attributes(target.as_fd(), readonly, false)),
    };
    changed.with_context(|| format!("make {path:?} read-only"))
}

/// The last word of every mount. The root itself cannot be mounted over: nothing would be confined.
pub(super) fn attach(root: &Root, path: &Path, mounted: OwnedFd, target: OwnedFd) -> Result<OwnedFd> {
    guard(root, path, target.as_fd(), || is_procfs(mounted.as_fd()))?;
    mount::move_mount(mounted.as_fd(), target.as_fd()).context("attach it")?;
    Ok(mounted)
}

/// Where nothing may be mounted, or nothing else than what belongs there.
fn guard(root: &Root, path: &Path, target: BorrowedFd, is_proc: impl FnOnce() -> Result<bool>) -> Result<()> {
    if is_same(root.as_fd(), target)? {
        fail!(Code::InvalidConfig, "mounting onto the root filesystem itself is not allowed");
    }
    guard_proc(root, path, target, is_proc)
}

/// The kernel's view of the container must stay the kernel's (CVE-2019-16884): validation has looked at the path
/// that the config has; here it is seen whether an image's symlink led it into /proc after all.
fn guard_proc(
    root: &Root,
    path: &Path,
    target: BorrowedFd,
    is_proc: impl FnOnce() -> Result<bool>,
) -> Result<()> {
    let refuse = |text: String| Err(Error::new(Code::InvalidConfig, text));
    if path == Path::new("/proc") && !is_proc()? {
        return refuse(proc_mounts::refusal_of_other_type(path));
    }
    if !is_procfs(target)? || path == Path::new("/proc") {
        return Ok(());
    }
    // Without symlinks the path is what it says, and the list of what may be mounted there holds.
    let plain = root.resolve_plain(path).is_ok_and(|plain| is_same(plain.as_fd(), target).unwrap_or(false));
    match (plain, proc_mounts::refusal_inside(path)) {
        (true, None) => Ok(()),
        (_, Some(text)) => refuse(text),
        (false, None) => refuse(format!("{path:?} cannot be mounted because it is inside /proc")),
    }
}

fn is_procfs(fd: BorrowedFd) -> Result<bool> {
    Ok(fstatfs(fd).context("statfs")?.filesystem_type() == PROC_SUPER_MAGIC)
}

fn is_same(a: BorrowedFd, b: BorrowedFd) -> Result<bool> {
    let (a, b) = (fstat(a).context("stat")?, fstat(b).context("stat")?);
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

fn is_directory(fd: BorrowedFd) -> Result<bool> {
    let mode = fstat(fd).context("stat")?.st_mode;
    Ok(mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits())
}
