//! How the root filesystem comes into the mount namespace and becomes `/`.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::stat::fstat;

use super::root;
use crate::fail;
use crate::linux::mount::{self, Propagation, PropagationKind};
use crate::linux::path::Root;
use crate::plan::EnterRoot;
use crate::report::{Code, Context as _, Result};
use crate::stage::context::{Context, RootTree};

/// Attaches the parent's clone of the root filesystem's tree at the path that it has on the host, where hooks expect
/// to find the container's mounts before the pivot.
///
/// In a mount namespace of its own the host's tree becomes a slave first, so that nothing of ours reaches the host,
/// while the host's unmounts still reach us until the pivot (a private copy would hold the host's filesystems busy).
pub fn attach(context: &mut Context) -> Result<()> {
    let Some(RootTree { tree, path, shared_namespace }) = context.prepared.rootfs.take() else {
        fail!(Code::Internal, "the root filesystem was not prepared");
    };
    if !shared_namespace {
        let slave = Propagation { kind: PropagationKind::Slave, recursive: true };
        mount::set_root_propagation(slave).context("keep mounts from the host")?;
    }
    let place = Root::current().and_then(|host| host.resolve(&path));
    let place = place.with_context(|| format!("find the root filesystem {path:?}"))?;
    // The parent has walked this path already; what it leads to must still be that.
    let identity = |fd: BorrowedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    if identity(place.as_fd()).context("stat")? != identity(tree.as_fd()).context("stat")? {
        fail!(Code::System, "the root filesystem {path:?} was replaced while the container was being made");
    }
    mount::move_mount(tree.as_fd(), place.as_fd()).context("attach the root filesystem")?;
    context.root = Some(Root::new(tree));
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
