//! One container's directory and the files in it.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;

use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, mkfifoat, unlinkat};
use serde::{Deserialize, Serialize};

use super::{CGROUP_FILE, CONFIG_FILE, ContainerId, RESCTRL_FILE, START_FIFO, STATE_FILE, files, not_found};
use crate::cgroup::{self, Location};
use crate::container::intel_rdt::Group;
use crate::container::state::{Phase, ProcessId, State, Status};
use crate::fail;
use crate::linux::procfs::Proc;
use crate::linux::{Errno, host};
use crate::report::{Code, Context, Result, log};

/// Far above any state: annotations are the only part that can be large.
const STATE_LIMIT: usize = 16 << 20;
/// The loader's own limit for a config.
const CONFIG_LIMIT: usize = 64 << 20;
const CGROUP_LIMIT: usize = 1 << 20;
const RESCTRL_LIMIT: usize = 1 << 20;

/// What looking at one container has in common with looking at the next.
pub struct Observer {
    proc: Proc,
    cgroup_mounts: cgroup::Mounts,
}

impl Observer {
    pub fn new() -> Result<Self> {
        let proc = Proc::open().context("open /proc")?;
        Ok(Self { proc, cgroup_mounts: cgroup::Mounts::default() })
    }
}

/// An open container directory.
pub struct Container {
    id: ContainerId,
    root: Rc<OwnedFd>,
    directory: OwnedFd,
    path: PathBuf,
    locked: bool,
}

/// The content of cgroup.json.
#[derive(Serialize, Deserialize)]
struct CgroupRecord {
    /// After a reboot the same path can be another's cgroup.
    boot_id: String,
    cgroup: Location,
}

/// The content of resctrl.json.
#[derive(Serialize, Deserialize)]
struct ResctrlRecord {
    /// After a reboot all groups are gone.
    boot_id: String,
    group: Group,
}

impl Container {
    pub(super) fn new(id: ContainerId, root: Rc<OwnedFd>, directory: OwnedFd, path: PathBuf) -> Self {
        Self { id, root, directory, path, locked: false }
    }

    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The directory, to open and make things in.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The directory's absolute path, for messages and sockets.
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Waits for the lock that keeps two transitions apart. It lasts until `unlock`, or until this
    /// is dropped, or until every process that has a copy of the descriptor is gone.
    ///
    /// # Errors
    /// `Code::NotFound` where the container was deleted meanwhile.
    pub fn lock(&mut self) -> Result<()> {
        host::lock(self.directory.as_fd()).with_context(|| format!("lock {:?}", self.path))?;
        self.locked = true;
        match self.is_current()? {
            true => Ok(()),
            false => Err(not_found()),
        }
    }

    /// The same, but false at once where another command holds it.
    pub fn try_lock(&mut self) -> Result<bool> {
        if !host::try_lock(self.directory.as_fd()).with_context(|| format!("lock {:?}", self.path))? {
            return Ok(false);
        }
        self.locked = true;
        match self.is_current()? {
            true => Ok(true),
            false => Err(not_found()),
        }
    }

    /// Gives the lock up.
    pub fn unlock(&mut self) -> Result<()> {
        host::unlock(self.directory.as_fd()).with_context(|| format!("unlock {:?}", self.path))?;
        self.locked = false;
        Ok(())
    }

    /// Whether the directory is still the one that has the name.
    pub fn is_current(&self) -> Result<bool> {
        let held = fstat(&self.directory).with_context(|| format!("look at {:?}", self.path))?;
        match fstatat(&self.root, self.id.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(errno).with_context(|| format!("look at {:?}", self.path)),
        }
    }

    /// Writes the state whole: a reader sees the old one or this one. Needs the lock.
    pub fn save(&self, state: &State) -> Result<()> {
        let bytes = serde_json::to_vec(state).context("encode the state")?;
        self.replace(STATE_FILE, &bytes)
    }

    /// Reads the state.
    ///
    /// # Errors
    /// `Code::NotFound` where there is none (yet, or any more); `Code::InvalidConfig` where it is
    /// damaged.
    pub fn load(&self) -> Result<State> {
        let bytes = match files::read(self.directory(), STATE_FILE, STATE_LIMIT) {
            Ok(bytes) => bytes,
            Err(Errno::ENOENT) => return Err(not_found()),
            Err(errno) => return Err(errno).code(Code::InvalidConfig).with_context(|| self.damaged()),
        };
        let state = State::from_json(&bytes).code(Code::InvalidConfig).with_context(|| self.damaged())?;
        if state.id != self.id() {
            fail!(Code::InvalidConfig, "{}: it is that of container {:?}", self.damaged(), state.id);
        }
        Ok(state)
    }

    fn damaged(&self) -> String {
        format!("damaged state {:?} of container {}", self.path.join(STATE_FILE), self.id)
    }

    /// Writes down where the cgroup will be, once, before it is made.
    pub fn record_cgroup(&self, location: &Location) -> Result<()> {
        self.create(CGROUP_FILE, &Self::cgroup_record(location)?)
    }

    /// Takes the record back: the cgroup could not be made, and whatever has its name is not the container's.
    pub fn correct_cgroup(&self, location: &Location) -> Result<()> {
        self.replace(CGROUP_FILE, &Self::cgroup_record(location)?)
    }

    fn cgroup_record(location: &Location) -> Result<Vec<u8>> {
        let record = CgroupRecord { boot_id: this_boot()?, cgroup: location.clone() };
        serde_json::to_vec(&record).context("encode the cgroup's place")
    }

    /// Where the cgroup is by that record: None where there is no readable record of this boot.
    pub fn recorded_cgroup(&self) -> Option<Location> {
        let bytes = files::read(self.directory(), CGROUP_FILE, CGROUP_LIMIT).ok()?;
        let record: CgroupRecord = serde_json::from_slice(&bytes).ok()?;
        (record.boot_id == this_boot().ok()?).then_some(record.cgroup)
    }

    /// Writes the resctrl group down, before it is made and whenever it changes.
    pub fn record_resctrl(&self, group: &Group) -> Result<()> {
        let record = ResctrlRecord { boot_id: this_boot()?, group: group.clone() };
        self.replace(RESCTRL_FILE, &serde_json::to_vec(&record).context("encode the resctrl group")?)
    }

    /// The resctrl group: None for a container without one, or one of an earlier boot.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn recorded_resctrl(&self) -> Result<Option<Group>> {
        let reading = || format!("read {:?}", self.path.join(RESCTRL_FILE));
        let bytes = match files::read(self.directory(), RESCTRL_FILE, RESCTRL_LIMIT) {
            Err(Errno::ENOENT) => return Ok(None),
            read => read.with_context(reading)?,
        };
        let record: ResctrlRecord =
            serde_json::from_slice(&bytes).code(Code::InvalidConfig).with_context(reading)?;
        Ok((record.boot_id == this_boot()?).then_some(record.group))
    }

    /// Keeps the config as it is now: the bundle's may change later, the container's may not
    /// (runtime-spec runtime.md#lifecycle).
    pub fn freeze_config(&self, raw: &[u8]) -> Result<()> {
        self.create(CONFIG_FILE, raw)
    }

    /// The config in force.
    pub fn config(&self) -> Result<Vec<u8>> {
        files::read(self.directory(), CONFIG_FILE, CONFIG_LIMIT)
            .with_context(|| format!("read {:?}", self.path.join(CONFIG_FILE)))
    }

    /// Makes a fifo in the directory.
    pub fn make_fifo(&self, name: &str) -> Result<()> {
        mkfifoat(&self.directory, name, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("make fifo {:?}", self.path.join(name)))
    }

    /// What the container is doing now, by the kernel.
    pub fn status(&self, state: &State) -> Result<Status> {
        self.status_by(state, &Observer::new()?)
    }

    /// The same, by what an observer of many containers knows already.
    pub fn status_by(&self, state: &State, observer: &Observer) -> Result<Status> {
        if !state.is_of_this_boot()? {
            return Ok(Status::Stopped);
        }
        let alive = |process: ProcessId| {
            process.is_alive(&observer.proc).with_context(|| format!("look at process {}", process.pid))
        };
        if state.phase == Phase::Creating {
            return Ok(if alive(state.runtime)? { Status::Creating } else { Status::Stopped });
        }
        let Some(init) = state.init else { return Ok(Status::Stopped) };
        if !alive(init)? {
            return Ok(Status::Stopped);
        }
        if cgroup::is_paused(&state.cgroup, &observer.cgroup_mounts)? {
            return Ok(Status::Paused);
        }
        let waits = !state.ungated
            && files::exists(self.directory(), START_FIFO)
                .with_context(|| format!("look at {:?}", self.path.join(START_FIFO)))?;
        Ok(if waits { Status::Created } else { Status::Running })
    }

    /// Removes the directory and all in it, the name last.
    pub fn discard(self) -> Result<()> {
        let removing = || format!("remove {:?}", self.path);
        // The record first: without it, what is left half-way points at no cgroup, which could be
        // another container's by then. Then the state: what is left is no container.
        for name in [CGROUP_FILE, RESCTRL_FILE, STATE_FILE, CONFIG_FILE] {
            let name = CString::new(name).with_context(removing)?;
            files::remove(self.directory(), &name).with_context(removing)?;
        }
        if !self.is_current()? {
            return files::empty(self.directory()).with_context(removing);
        }
        let remove = || unlinkat(&self.root, self.id.as_str(), UnlinkatFlags::RemoveDir);
        let removed = match remove() {
            // There is more than that in it.
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => files::empty(self.directory()).and_then(|()| remove()),
            removed => removed,
        };
        match removed {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno).with_context(removing),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::replace(self.directory(), name, bytes)
            .with_context(|| format!("write {:?}", self.path.join(name)))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::create(self.directory(), name, bytes)
            .with_context(|| format!("write {:?}", self.path.join(name)))
    }
}

fn this_boot() -> Result<String> {
    host::boot_id().context("read the boot id")
}

impl Drop for Container {
    /// A lock belongs to the open file, which a child shares: closing our copy would not give it up.
    fn drop(&mut self) {
        if self.locked
            && let Err(errno) = host::unlock(self.directory.as_fd())
        {
            log::warn(format!("unlock {:?}: {errno}", self.path));
        }
    }
}
