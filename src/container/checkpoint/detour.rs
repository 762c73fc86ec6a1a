//! A mount namespace of the restore's own, for as long as CRIU is started in it: what is mounted there never reaches
//! the host, and is gone when CRIU is, however we end.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

use crate::linux::mount::{self, Propagation, PropagationKind};
use crate::linux::namespace::{self, Kind};
use crate::linux::procfs::Proc;
use crate::report::{Context, Result};

/// The way back.
pub struct Detour {
    namespace: OwnedFd,
    root: OwnedFd,
    directory: OwnedFd,
}

impl Detour {
    /// Enters a copy of the host's mounts that hears of the host's unmounts, and is not heard.
    pub fn begin(proc: &Proc) -> Result<Self> {
        let directory = |path: &str| {
            open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
                .with_context(|| format!("open {path:?}"))
        };
        let way_back = Self {
            namespace: proc.open_own_namespace("mnt").context("open our own mount namespace")?,
            root: directory("/")?,
            directory: directory(".")?,
        };
        namespace::unshare(Kind::Mount).context("make a mount namespace for the restore")?;
        let slave = Propagation { kind: PropagationKind::Slave, recursive: true };
        match mount::set_root_propagation(slave).context("keep mounts from the host") {
            Ok(()) => Ok(way_back),
            Err(error) => Err(error.and(way_back.end())),
        }
    }

    /// Goes back to the host's mounts.
    pub fn end(self) -> Result<()> {
        let doing = "go back to the host's mount namespace";
        namespace::join(self.namespace.as_fd(), Kind::Mount).context(doing)?;
        // setns leaves us at the namespace's own root (`man 2 setns`), which need not have been ours.
        mount::chroot(self.root.as_fd()).context(doing)?;
        fchdir(&self.directory).context(doing)
    }
}
