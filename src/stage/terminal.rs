//! The container's terminal: a pair of the container's own devpts. Its master goes to the parent
//! before anything of the image runs; its slave becomes stdio, /dev/console and the session's
//! controlling terminal. (CVE-2025-52565, CVE-2026-88264: never by path, never through a link.)

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{FsType, fstatfs};

use super::context::Context;
use super::rootfs::root;
use crate::fail;
use crate::linux::{fd, mount, terminal};
use crate::plan::TerminalSize;
use crate::report::{Code, Context as _, Result};

/// DEVPTS_SUPER_MAGIC (linux/magic.h).
const DEVPTS: FsType = FsType(0x1cd1);

/// Opens the pair and sends the master up.
pub fn open(context: &mut Context, size: Option<TerminalSize>) -> Result<()> {
    let slave = open_pair(context, size).context("open the container's terminal")?;
    context.terminal = Some(slave);
    Ok(())
}

fn open_pair(context: &Context, size: Option<TerminalSize>) -> Result<OwnedFd> {
    let pts = root(context)?
        .resolve(Path::new("/dev/pts"))
        .context("open /dev/pts")
        .hint("a terminal needs a devpts mount at /dev/pts")?;
    if fstatfs(&pts).context("statfs /dev/pts")?.filesystem_type() != DEVPTS {
        fail!(Code::InvalidConfig, "/dev/pts is not a devpts filesystem");
    }
    // One component of a real devpts, nothing mounted over it: this is a ptmx and nothing else.
    let how = OpenHow::new()
        .flags(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV);
    let master = openat2(&pts, "ptmx", how).context("open /dev/pts/ptmx")?;
    let slave = terminal::open_slave(master.as_fd()).context("open the slave")?;
    if let Some(size) = size {
        let size = terminal::Size { rows: size.rows, columns: size.columns };
        terminal::set_size(master.as_fd(), size).context("set the size")?;
    }
    context.channel.send_terminal(master.as_fd())?;
    Ok(slave)
}

/// Makes the slave /dev/console (for init), the controlling terminal, and stdio.
pub fn attach(context: &mut Context, console: bool) -> Result<()> {
    let Some(slave) = context.terminal.take() else {
        fail!(Code::Internal, "the terminal was not opened");
    };
    if console {
        bind_console(context, &slave).context("mount the terminal at /dev/console")?;
    }
    terminal::make_controlling(slave.as_fd()).context("make the terminal the controlling one")?;
    for number in 0..=2 {
        fd::place(slave.as_fd(), number, false).context("make the terminal stdio")?;
    }
    Ok(())
}

/// Binds the slave's own inode on /dev/console, which must be a file of the container's /dev.
fn bind_console(context: &Context, slave: &OwnedFd) -> Result<()> {
    let path = Path::new("/dev/console");
    let root = root(context)?;
    let target = match root.resolve_nofollow(path) {
        Err(Errno::ENOENT) => root.make_file(path, 0o620).context("make /dev/console")?,
        found => found.context("find /dev/console")?,
    };
    let kind = fstat(&target).context("stat /dev/console")?.st_mode & SFlag::S_IFMT.bits();
    if kind != SFlag::S_IFREG.bits() && kind != SFlag::S_IFCHR.bits() {
        fail!(Code::InvalidConfig, "/dev/console is neither a file nor a character device");
    }
    let clone = mount::open_tree_clone_fd(slave.as_fd(), false).context("clone the terminal")?;
    mount::move_mount(clone.as_fd(), target.as_fd()).context("attach it")
}
