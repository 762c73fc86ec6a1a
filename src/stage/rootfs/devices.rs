//! Nodes and links of /dev, made by *at calls with one component in a directory that was resolved
//! inside the root (CVE-2026-41579, CVE-2026-47766: an image's /dev symlink).

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::UnlinkatFlags;

use super::root;
use crate::linux::{device, fd, mount};
use crate::plan::Device;
use crate::report::{Code, Context as _, Error, Result};
use crate::stage::context::Context;

/// Makes one device node, or binds the host's where nodes cannot be made.
pub fn make_device(context: &mut Context, index: usize, node: &Device) -> Result<()> {
    match node.bind {
        true => bind_device(context, index, node),
        false => make_node(context, node),
    }
    .with_context(|| format!("make device {:?}", node.path))
}

fn make_node(context: &Context, node: &Device) -> Result<()> {
    let entry = root(context)?.make_parent(&node.path).context("make its directory")?;
    let (parent, made) = (entry.parent.as_fd(), node.identity());
    device::make_node(parent, &entry.name, made, node.mode, node.uid, node.gid).context("mknod")
}

fn bind_device(context: &mut Context, index: usize, node: &Device) -> Result<()> {
    let Some(source) = context.prepared.trees.sources.remove(&index) else {
        return Err(Error::new(Code::Internal, "the host's node was not prepared"));
    };
    let target = root(context)?.make_file(&node.path, 0o644).context("make the bind's target")?;
    mount::move_mount(source.as_fd(), target.as_fd()).context("bind the host's node")
}

/// A default link (`/dev/fd`, …). What the image or a mount has there stays.
pub fn make_symlink(context: &Context, path: &Path, target: &Path) -> Result<()> {
    let entry =
        root(context)?.make_parent(path).with_context(|| format!("make the directory of {path:?}"))?;
    match device::make_symlink(entry.parent.as_fd(), &entry.name, target) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno).with_context(|| format!("make symlink {path:?}")),
    }
}

/// `/dev/ptmx` -> `pts/ptmx`, in place of whatever file is there.
pub fn link_ptmx(context: &Context) -> Result<()> {
    let path = Path::new("/dev/ptmx");
    let entry = root(context)?.make_parent(path).context("make the directory of \"/dev/ptmx\"")?;
    match nix::unistd::unlinkat(entry.parent.as_fd(), entry.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno).context("remove the old \"/dev/ptmx\""),
    }
    device::make_symlink(entry.parent.as_fd(), &entry.name, Path::new("pts/ptmx"))
        .context("make symlink \"/dev/ptmx\"")
}

/// Puts the container's /dev/null where the host's is standard input, output or error.
pub fn use_own_null(context: &Context) -> Result<()> {
    let streams = fd::null_streams().context("look at the standard streams")?;
    if streams.is_empty() {
        return Ok(());
    }
    let null = root(context)?
        .open_char(Path::new("/dev/null"), fd::NULL_DEVICE)
        .context("open \"/dev/null\" of the container for its standard streams")
        .hint("it is to be the null device, character 1:3")?;
    streams.into_iter().try_for_each(|number| {
        fd::place(null.as_fd(), number, false)
            .with_context(|| format!("put the container's \"/dev/null\" at descriptor {number}"))
    })
}
