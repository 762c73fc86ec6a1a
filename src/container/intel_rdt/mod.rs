//! linux.intelRdt: the container's share of caches and memory bandwidth (config-linux.md#intelrdt).
//!
//! A container has a resctrl group: of its own, named after it and removed with it, or one that others made
//! (`closID`), which is never removed here. What is made is on record before it is made, so that whatever instant trug
//! is killed at, `delete` finds it.

mod schemata;
pub mod stats;

use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use oci_spec::runtime::LinuxIntelRdt;
use serde::{Deserialize, Serialize};

use crate::fail;
use crate::linux::Errno;
use crate::linux::procfs::Proc;
use crate::linux::resctrl::{self, Resctrl};
use crate::report::{Code, Context, Error, Result};

const POINTER: &str = "/linux/intelRdt";
/// `closID` of the root of the filesystem, which everything is in that nobody has put elsewhere.
const DEFAULT_CLASS: &str = "/";

/// A container's group, as it is on record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The root of the filesystem when the container was made.
    root: PathBuf,
    directory: PathBuf,
    /// Made for this container, and to be removed with it.
    own: bool,
    /// The directory of the container's monitoring group.
    monitoring: Option<PathBuf>,
    /// What is in force: the config's, and what `update` has changed since.
    config: LinuxIntelRdt,
}

impl Group {
    /// The group that a config asks for. Nothing is made yet; what will be is known then.
    ///
    /// # Errors
    /// A class that must be there and is not; one that is there with other schemata than the config's.
    pub fn of(config: &LinuxIntelRdt, id: &str, resctrl: &Resctrl) -> Result<Self> {
        let class = config.clos_id().as_deref().filter(|class| !class.is_empty());
        let root = resctrl.root().to_path_buf();
        let directory = match class {
            Some(DEFAULT_CLASS) => root.clone(),
            Some(class) => root.join(class),
            None => root.join(id),
        };
        let exists = directory.exists();
        if class.is_some() {
            check_class(config, &directory, exists, resctrl)?;
        }
        let monitored = config.enable_monitoring().unwrap_or(false);
        let monitoring = monitored.then(|| directory.join("mon_groups").join(id));
        Ok(Self { root, own: class.is_none() && !exists, directory, monitoring, config: config.clone() })
    }

    /// Makes what is missing and writes the schemata.
    pub fn make(&self) -> Result<()> {
        let made = resctrl::make_group(&self.directory);
        made.with_context(|| self.explain(format!("make the resctrl group {:?}", self.directory)))
            .at(POINTER)?;
        self.set()?;
        let Some(monitoring) = &self.monitoring else { return Ok(()) };
        let made = resctrl::make_group(monitoring);
        made.with_context(|| self.explain(format!("make the monitoring group {monitoring:?}")))
            .at(format!("{POINTER}/enableMonitoring"))?;
        Ok(())
    }

    /// Writes the schemata in force, the general ones last.
    pub fn set(&self) -> Result<()> {
        let text = schemata::text(&self.config);
        if text.is_empty() {
            return Ok(());
        }
        let file = self.directory.join("schemata");
        resctrl::write(&file, &text)
            .with_context(|| self.explain(format!("write {text:?} to {file:?}")))
            .at(POINTER)
    }

    /// Puts a process in: what it forks is born there.
    pub fn add(&self, pid: Pid) -> Result<()> {
        for directory in [Some(&self.directory), self.monitoring.as_ref()].into_iter().flatten() {
            match resctrl::write(&directory.join("tasks"), &pid.to_string()) {
                // One that has ended needs no share; whoever waits for it hears why.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => {
                    let doing = self.explain(format!("add process {pid} to the resctrl group {directory:?}"));
                    return Err(errno).context(doing).at(POINTER);
                }
            }
        }
        Ok(())
    }

    /// Removes what was made for the container alone.
    pub fn remove(&self) -> Result<()> {
        if let Some(monitoring) = &self.monitoring {
            resctrl::remove_group(monitoring)
                .with_context(|| format!("remove the monitoring group {monitoring:?}"))?;
        }
        if !self.own {
            return Ok(());
        }
        resctrl::remove_group(&self.directory)
            .with_context(|| format!("remove the resctrl group {:?}", self.directory))
    }

    /// With other schemata; those that are not given stay.
    pub fn with(&self, cache: Option<&str>, bandwidth: Option<&str>) -> Self {
        let mut other = self.clone();
        if let Some(cache) = cache {
            other.config.set_l3_cache_schema(Some(cache.to_owned()));
        }
        if let Some(bandwidth) = bandwidth {
            other.config.set_mem_bw_schema(Some(bandwidth.to_owned()));
        }
        other
    }

    fn resctrl(&self) -> Resctrl {
        Resctrl::at(&self.root)
    }

    /// What was being done, with the kernel's own words about what it disliked.
    fn explain(&self, doing: String) -> String {
        match self.resctrl().last_status() {
            Some(status) => format!("{doing} (last_cmd_status: {status})"),
            None => doing,
        }
    }
}

/// A class that is named may be shared with others: it is joined as it is, or made where the config says how.
fn check_class(config: &LinuxIntelRdt, directory: &Path, exists: bool, resctrl: &Resctrl) -> Result<()> {
    if !exists && schemata::text(config).is_empty() {
        let error = Error::from(Errno::ENOENT).context(format!(
            "clos dir {directory:?} not accessible (must be pre-created when schemata, l3CacheSchema and memBwSchema \
             are empty)"
        ));
        return Err(error.code(Code::InvalidConfig).at(format!("{POINTER}/closID")));
    }
    if !exists {
        return Ok(());
    }
    for (field, wanted) in
        [("l3CacheSchema", config.l3_cache_schema()), ("memBwSchema", config.mem_bw_schema())]
    {
        let Some(wanted) = wanted.as_deref().filter(|wanted| !wanted.is_empty()) else { continue };
        let file = directory.join("schemata");
        let found = resctrl::read(&file).with_context(|| format!("read {file:?}"))?;
        let step = resctrl.read_info("MB", "bandwidth_gran").ok().and_then(|text| text.parse().ok());
        if let Some(line) = schemata::first_difference(wanted, &found, step) {
            let error = Error::new(
                Code::InvalidConfig,
                format!(
                    "the resctrl group {directory:?} exists with another schema: {line:?}, and not {wanted:?}"
                ),
            );
            return Err(error.at(format!("{POINTER}/{field}")));
        }
    }
    Ok(())
}

/// The filesystem that a config with intelRdt needs; validation has looked for it already.
pub fn mounted(proc: &Proc) -> Result<Resctrl> {
    match Resctrl::find(proc).context("look for the resctrl filesystem")? {
        Some(resctrl) => Ok(resctrl),
        None => fail!(Code::Unsupported, "intelRdt is specified in config, but Intel RDT is not enabled"),
    }
}

#[cfg(test)]
mod tests;
