//! The processes of a cgroup and of those below it, and how they are named to people.

use std::collections::BTreeSet;

use nix::Result;
use nix::errno::Errno;
use nix::unistd::Pid;

use super::directory::{Directory, is_gone};
use super::hierarchy::Hierarchy;
use super::tree;
use crate::linux::procfs::Proc;
use crate::report;
use crate::report::{Code, Context};

/// More are only counted.
const NAMED: usize = 10;

/// Who is in a cgroup.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Processes {
    pub pids: BTreeSet<i32>,
    /// How many there are besides that this pid namespace has no number for (the kernel lists them as 0).
    pub foreign: usize,
}

impl Processes {
    /// Of the cgroup and all below it; nobody if it is gone.
    pub fn of(directory: &Directory) -> Result<Self> {
        let mut found = Self::default();
        let visited = tree::visit(directory, &mut |directory| found.read(directory));
        match visited {
            Err(errno) if is_gone(errno) => Ok(found),
            visited => visited.map(|()| found),
        }
    }

    /// Of the container in one hierarchy.
    pub fn in_hierarchy(hierarchy: &Hierarchy) -> report::Result<Self> {
        hierarchy.directory()?.map_or_else(|| Ok(Self::default()), |directory| Self::in_directory(&directory))
    }

    pub fn in_directory(directory: &Directory) -> report::Result<Self> {
        Self::of(directory)
            .with_context(|| format!("read the processes of cgroup {:?}", directory.path()))
            .code(Code::Cgroup)
    }

    fn read(&mut self, directory: &Directory) -> Result<()> {
        let listed = match directory.read("cgroup.procs") {
            // A threaded cgroup: the domain above it lists its processes.
            Err(Errno::EOPNOTSUPP) => return Ok(()),
            listed => listed?,
        };
        for pid in listed.lines().filter_map(|line| line.parse().ok()) {
            match pid {
                0 => self.foreign += 1,
                pid => drop(self.pids.insert(pid)),
            }
        }
        Ok(())
    }

    /// Those of two hierarchies together.
    pub fn merge(&mut self, other: Self) {
        self.pids.extend(other.pids);
        self.foreign = self.foreign.max(other.foreign);
    }

    pub fn count(&self) -> usize {
        self.pids.len() + self.foreign
    }

    /// `pid 7 (sleep, state D), pid 9 (…)`, as far as /proc can tell.
    pub fn describe(&self) -> String {
        let proc = Proc::open().ok();
        let mut words: Vec<String> =
            self.pids.iter().take(NAMED).map(|pid| describe(proc.as_ref(), *pid)).collect();
        let unnamed = self.pids.len().saturating_sub(NAMED);
        if unnamed > 0 {
            words.push(format!("{unnamed} more"));
        }
        if self.foreign > 0 {
            words.push(format!("{} of another pid namespace", self.foreign));
        }
        words.join(", ")
    }
}

fn describe(proc: Option<&Proc>, pid: i32) -> String {
    let known = proc.and_then(|proc| {
        let state = proc.stat(Pid::from_raw(pid)).ok()?.state;
        let name = proc.read_pid(Pid::from_raw(pid), "comm", 64).ok()?;
        Some(format!("pid {pid} ({}, state {state})", String::from_utf8_lossy(&name).trim_end()))
    });
    known.unwrap_or_else(|| format!("pid {pid}"))
}
