//! Nodes and links of /dev, made by *at calls with one component in a directory that was resolved
//! inside the root (CVE-2026-41579, CVE-2026-47766: an image's /dev symlink).

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::UnlinkatFlags;

use super::root;
use crate::linux::{device, fd, mount, path};
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

fn make_node(context: &mut Context, node: &Device) -> Result<()> {
    let (parent, name) = place(context, &node.path).context("make its directory")?;
    device::make_node(parent, &name, node.identity(), node.mode, node.uid, node.gid).context("mknod")
}

/// The directory that something goes to (made if missing), and its name there. Most go to the same: it is looked up once,
/// until something is mounted.
fn place<'a>(context: &'a mut Context, path: &Path) -> Result<(BorrowedFd<'a>, OsString)> {
    let (directory, name) = path::split(path)?;
    let known = context.device_directory.take().filter(|(known, _)| known == directory);
    let known = match known {
        Some(known) => known,
        None => (directory.to_owned(), root(context)?.make_directory(directory, path::PARENT_MODE)?),
    };
    let (_, parent) = &*context.device_directory.insert(known);
    Ok((parent.as_fd(), name))
}

fn bind_device(context: &mut Context, index: usize, node: &Device) -> Result<()> {
    let Some(source) = context.prepared.trees.sources.remove(&index) else {
        return Err(Error::new(Code::Internal, "the host's node was not prepared"));
    };
    let target = root(context)?.make_file(&node.path, 0o644).context("make the bind's target")?;
    mount::move_mount(source.as_fd(), target.as_fd()).context("bind the host's node")
}

/// A default link (`/dev/fd`, …). What the image or a mount has there stays.
pub fn make_symlink(context: &mut Context, path: &Path, target: &Path) -> Result<()> {
    let (parent, name) = place(context, path).with_context(|| format!("make the directory of {path:?}"))?;
    match device::make_symlink(parent, &name, target) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno).with_context(|| format!("make symlink {path:?}")),
    }
}

/// `/dev/ptmx` -> `pts/ptmx`, in place of whatever file is there.
pub fn link_ptmx(context: &mut Context) -> Result<()> {
    let path = Path::new("/dev/ptmx");
    let (parent, name) = place(context, path).context("make the directory of \"/dev/ptmx\"")?;
    match nix::unistd::unlinkat(parent, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno).context("remove the old \"/dev/ptmx\""),
    }
    device::make_symlink(parent, &name, Path::new("pts/ptmx")).context("make symlink \"/dev/ptmx\"")
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
