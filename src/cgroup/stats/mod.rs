//! What a container has used, by the kernel's own count. Only reads; a controller that is not there has
//! counted nothing.

mod blkio;
mod cpu;
mod cpuset;
mod hugetlb;
mod layout;
mod memory;
mod parse;
mod pids;
mod pressure;

pub use self::layout::Stats;

use super::directory::Directory;
use super::hierarchy::{Hierarchy, unified};
use super::write::Current;
use crate::report::{Context, Result};

/// The statistics of every controller, each from the hierarchy that has it.
///
/// # Errors
/// A file that cannot be read, or is not in the form that the kernel documents: it is named.
pub fn collect(hierarchies: &[Hierarchy]) -> Result<Stats> {
    let sources = Sources { hierarchies };
    let sizes = hugetlb::sizes();
    let mut stats = Stats {
        cpu: Default::default(),
        cpuset: sources.ask("cpuset", cpuset::v1, cpuset::v2)?,
        memory: sources.ask("memory", memory::v1, memory::v2)?,
        pids: sources.ask("pids", pids::v1, pids::v2)?,
        blkio: sources.ask("blkio", blkio::v1, blkio::v2)?,
        hugetlb: sources.ask("hugetlb", |now| hugetlb::v1(now, &sizes), |now| hugetlb::v2(now, &sizes))?,
    };
    stats.cpu.usage = sources.ask("cpuacct", cpu::v1_usage, cpu::v2_usage)?;
    stats.cpu.throttling = sources.ask("cpu", cpu::v1_throttling, cpu::v2_throttling)?;
    stats.cpu.psi = sources.pressure("cpu.pressure")?;
    stats.memory.psi = sources.pressure("memory.pressure")?;
    stats.blkio.psi = sources.pressure("io.pressure")?;
    Ok(stats)
}

struct Sources<'a> {
    hierarchies: &'a [Hierarchy],
}

impl Sources<'_> {
    /// A v1 controller where it is mounted, else the unified tree.
    fn ask<T: Default>(
        &self,
        controller: &str,
        v1: impl Fn(&dyn Current) -> Result<T>,
        v2: impl Fn(&dyn Current) -> Result<T>,
    ) -> Result<T> {
        match self.hierarchies.iter().find(|hierarchy| hierarchy.has(controller)) {
            Some(hierarchy) => ask_one(hierarchy.directory()?, v1),
            None => self.ask_unified(v2),
        }
    }

    /// The processes of a hybrid are in the unified tree too, so it knows their pressure.
    fn pressure(&self, file: &str) -> Result<Option<layout::Pressure>> {
        self.ask_unified(|now| pressure::read(now, file))
    }

    fn ask_unified<T: Default>(&self, read: impl Fn(&dyn Current) -> Result<T>) -> Result<T> {
        match unified(self.hierarchies) {
            Some(hierarchy) => ask_one(hierarchy.directory()?, read),
            None => Ok(T::default()),
        }
    }
}

fn ask_one<T: Default>(directory: Option<Directory>, read: impl Fn(&dyn Current) -> Result<T>) -> Result<T> {
    match directory {
        Some(directory) => {
            read(&directory).with_context(|| format!("statistics of cgroup {:?}", directory.path()))
        }
        None => Ok(T::default()),
    }
}
