//! How the root filesystem comes into the mount namespace and becomes `/`.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::stat::fstat;

use super::root;
use crate::fail;
use crate::linux::mount::{self, Propagation, PropagationKind};
use crate::linux::path::Root;
use crate::plan::{EnterRoot, Step};
use crate::report::{Code, Context as _, Result};
use crate::stage::context::{Context, RootTree, Unopened};
use crate::stage::prepare;

/// Attaches the parent's clone of the root filesystem's tree at the path that it has on the host, where hooks expect
/// to find the container's mounts before the pivot.
///
/// In a mount namespace of its own the host's tree becomes a slave first, so that nothing of ours reaches the host,
/// while the host's unmounts still reach us until the pivot (a private copy would hold the host's filesystems busy).
pub fn attach(context: &mut Context, steps: &[Step]) -> Result<()> {
    if let Some(Unopened::ForInit(rootfs)) = context.prepared.unopened.take() {
        context.prepared.trees = prepare::open_trees(&rootfs, steps, &context.prepared.idmaps)?;
        prepare::open_callers_cgroups(steps, &mut context.prepared)?;
    }
    find_place(context)?;
    let Some(RootTree { tree, shared_namespace, place: Some(place), .. }) =
        context.prepared.trees.rootfs.take()
    else {
        fail!(Code::Internal, "the root filesystem was not prepared");
    };
    if !shared_namespace {
        let slave = Propagation { kind: PropagationKind::Slave, recursive: true };
        mount::set_root_propagation(slave).context("keep mounts from the host")?;
    }
    mount::move_mount(tree.as_fd(), place.as_fd()).context("attach the root filesystem")?;
    context.root = Some(Root::new(tree));
    Ok(())
}

/// Finds the place on the host that the root filesystem is attached at. In a user namespace this comes before init
/// changes its ids: the directories on the way may be open to the host's root alone.
pub fn find_place(context: &mut Context) -> Result<()> {
    let Some(root) = context.prepared.trees.rootfs.as_mut().filter(|root| root.place.is_none()) else {
        return Ok(());
    };
    let path = &root.path;
    let place = Root::current().and_then(|host| host.resolve(path));
    let place = place.with_context(|| format!("find the root filesystem {path:?}"))?;
    // The parent has walked this path already; what it leads to must still be that.
    let identity = |fd: BorrowedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    if identity(place.as_fd()).context("stat")? != identity(root.tree.as_fd()).context("stat")? {
        fail!(Code::System, "the root filesystem {path:?} was replaced while the container was being made");
    }
    root.place = Some(place);
    Ok(())
}

/// Makes the root filesystem `/`.
pub fn enter(context: &mut Context, way: EnterRoot) -> Result<()> {
    let root = root(context)?.as_fd();
    match way {
        EnterRoot::Pivot => mount::pivot_root(root)
            .context("pivot_root")
            .hint("on an initramfs the root cannot be pivoted: use --no-pivot"),
        EnterRoot::Move => mount::move_root(root, &context.proc).context("move the root filesystem over /"),
        EnterRoot::Chroot => mount::chroot(root).context("chroot"),
    }
}

/// The root filesystem's directory as cwd, for hooks that run before the pivot.
pub fn enter_directory(context: &Context) -> Result<()> {
    nix::unistd::fchdir(root(context)?.as_fd()).context("enter the root filesystem")
}

/// A directory of the root filesystem, made if it is missing.
pub fn make_directory(context: &Context, path: &Path) -> Result<()> {
    root(context)?.make_directory(path, 0o755).with_context(|| format!("make directory {path:?}"))?;
    Ok(())
}

/// linux.rootfsPropagation.
pub fn set_root_propagation(propagation: Propagation) -> Result<()> {
    mount::set_root_propagation(propagation).context("set rootfsPropagation")
}
