//! One container of one test: its bundle, its state root, its names; and its certain end.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::{Config, Fifo, Invocation, Output, Process, cgroup, leftovers, program, rootfs};

/// Who makes the cgroups of the containers under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    Cgroupfs,
    Systemd,
}

/// `TRUG_TEST_DRIVER`: cgroupfs where it is not said.
pub fn driver() -> Driver {
    match std::env::var("TRUG_TEST_DRIVER").as_deref() {
        Ok("systemd") => Driver::Systemd,
        _ => Driver::Cgroupfs,
    }
}

/// A bundle with a container id. Dropped, it force-deletes the container and claims that nothing of it
/// is left: no process, mount, cgroup or state directory.
pub struct Container {
    directory: TempDir,
    pub id: String,
    /// Below each hierarchy's mount.
    pub cgroup: String,
    /// The same as config.json says it.
    pub cgroups_path: String,
    marker: String,
    unified: bool,
}

impl Container {
    /// A bundle of busybox that would sleep; nothing has been run.
    pub fn new() -> Result<Self> {
        Self::with(|_| {})
    }

    /// The same with a changed config.
    pub fn with(change: impl FnOnce(&mut Config)) -> Result<Self> {
        // Names by chance, not by pid: another suite may run in another pid namespace.
        let directory = tempfile::Builder::new().prefix("trug-it-").rand_bytes(8).tempdir()?;
        let name = directory.path().file_name().context("a directory has a name")?.to_string_lossy();
        let id = name.trim_start_matches("trug-").to_string();
        let (cgroup, cgroups_path) = match driver() {
            Driver::Cgroupfs => (format!("/{name}"), format!("/{name}")),
            Driver::Systemd => (format!("/system.slice/{name}.scope"), format!("system.slice:trug:{id}")),
        };
        let marker = format!("TRUG_TEST={id}");
        fs::create_dir(directory.path().join("state"))?;
        fs::create_dir(directory.path().join("bundle"))?;
        rootfs::fill(&directory.path().join("bundle/rootfs"))?;
        let container = Self { directory, id, cgroup, cgroups_path, marker, unified: false };
        let mut config = Config::plain(&container.cgroups_path, &container.marker);
        change(&mut config);
        container.write_config(&config)?;
        Ok(container)
    }

    /// With a bundle of somebody else's; its container goes to this one's root and cgroup.
    pub fn from_bundle(source: &Path) -> Result<Self> {
        let container = Self::new()?;
        fs::remove_dir_all(container.bundle())?;
        Invocation::new(["cp", "-a"]).arg(source).arg(container.bundle()).output()?.ok();
        container.edit(|config| config["linux"]["cgroupsPath"] = container.cgroups_path.clone().into())?;
        Ok(container)
    }

    /// Has the runtime see cgroup v2 alone. Where the machine has v1 with a v2 tree beside it, that
    /// tree is put over /sys/fs/cgroup, in a mount namespace of each command's own.
    pub fn on_unified(mut self) -> Self {
        self.unified = true;
        self
    }

    /// Why [`Self::on_unified`] cannot work here, if so.
    pub fn lacks_unified() -> Option<&'static str> {
        (cgroup::layout() == cgroup::Layout::Legacy).then_some("this machine has no cgroup v2 tree at all")
    }

    pub fn bundle(&self) -> PathBuf {
        self.directory.path().join("bundle")
    }

    pub fn rootfs(&self) -> PathBuf {
        self.bundle().join("rootfs")
    }

    /// A place of the test's own, outside the root filesystem.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn state_root(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn state_directory(&self) -> PathBuf {
        self.state_root().join(&self.id)
    }

    /// Changes the config on disk.
    pub fn edit(&self, change: impl FnOnce(&mut Config)) -> Result<()> {
        let text = fs::read_to_string(self.bundle().join("config.json"))?;
        let mut config = Config::from(serde_json::from_str::<Value>(&text)?);
        change(&mut config);
        self.write_config(&config)
    }

    fn write_config(&self, config: &Config) -> Result<()> {
        Ok(fs::write(self.bundle().join("config.json"), serde_json::to_string_pretty(&**config)?)?)
    }

    /// Puts a file into the root filesystem.
    pub fn file(&self, path: &str, text: &str) -> Result<PathBuf> {
        let path = self.place(path)?;
        fs::write(&path, text)?;
        Ok(path)
    }

    /// A path in the root filesystem whose directory is there.
    fn place(&self, path: &str) -> Result<PathBuf> {
        let path = self.rootfs().join(path);
        fs::create_dir_all(path.parent().context("a file has a parent")?)?;
        Ok(path)
    }

    /// Puts an executable script into the root filesystem.
    pub fn script(&self, path: &str, text: &str) -> Result<()> {
        program::script(&self.place(path)?, text)
    }

    /// A fifo in the root filesystem, its other end held here.
    pub fn fifo(&self, name: &str) -> Result<Fifo> {
        Fifo::make(&self.rootfs().join(name))
    }

    /// The runtime with this container's root, from its bundle's directory.
    pub fn runtime<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Invocation {
        let mut words = vec!["--root".to_string(), self.state_root().to_string_lossy().into_owned()];
        if driver() == Driver::Systemd {
            words.push("--systemd-cgroup".into());
        }
        words.extend(arguments.into_iter().map(|word| word.as_ref().to_string()));
        let (key, value) = self.marker.split_once('=').unwrap_or((&self.marker, ""));
        let invocation = Invocation::runtime(words).from(self.bundle()).env(key, value);
        match self.unified && cgroup::layout() == cgroup::Layout::Hybrid {
            true => invocation.on_unified_alone(),
            false => invocation,
        }
    }

    /// One command with this container's id last.
    pub fn command(&self, words: &[&str]) -> Result<Output> {
        self.runtime(words.iter().copied().chain([self.id.as_str()])).output()
    }

    /// `run` in the foreground.
    pub fn run(&self) -> Result<Output> {
        self.command(&["run"])
    }

    pub fn create(&self) -> Result<Output> {
        self.command(&["create"])
    }

    pub fn start(&self) -> Result<Output> {
        self.command(&["start"])
    }

    /// `run --detach`, which must succeed.
    pub fn detach(&self) -> Result<&Self> {
        self.command(&["run", "--detach"])?.ok();
        Ok(self)
    }

    pub fn exec(&self, words: &[&str]) -> Result<Output> {
        self.exec_with(&[], words)
    }

    pub fn exec_with(&self, flags: &[&str], words: &[&str]) -> Result<Output> {
        self.exec_invocation(flags, words).output()
    }

    pub fn exec_invocation(&self, flags: &[&str], words: &[&str]) -> Invocation {
        let all =
            ["exec"].iter().chain(flags).copied().chain([self.id.as_str()]).chain(words.iter().copied());
        self.runtime(all)
    }

    /// What a shell script prints in the container.
    pub fn exec_shell(&self, script: &str) -> Result<Output> {
        self.exec(&["sh", "-euc", script])
    }

    /// `exec --process` of this process.
    pub fn exec_process(&self, flags: &[&str], process: &Value) -> Result<Output> {
        let path = self.path("process.json");
        fs::write(&path, process.to_string())?;
        let path = path.to_string_lossy().into_owned();
        let flags: Vec<&str> = flags.iter().copied().chain(["--process", &path]).collect();
        self.exec_with(&flags, &[])
    }

    pub fn kill(&self, signal: &str) -> Result<Output> {
        self.runtime(["kill", &self.id, signal]).output()
    }

    pub fn delete(&self) -> Result<Output> {
        self.command(&["delete"])
    }

    pub fn delete_by_force(&self) -> Result<Output> {
        self.command(&["delete", "--force"])
    }

    /// What `state` prints.
    pub fn state(&self) -> Result<Value> {
        Ok(self.command(&["state"])?.ok().json())
    }

    pub fn status(&self) -> Result<String> {
        Ok(self.state()?["status"].as_str().context("no status in the state")?.to_string())
    }

    /// The container's first process.
    pub fn init(&self) -> Result<Process> {
        let pid = self.state()?["pid"].as_i64().context("no pid in the state")?;
        ensure!(pid > 0, "the container has no process");
        Process::open(pid as i32)
    }

    /// Kills it, and waits until it is gone.
    pub fn stop(&self) -> Result<()> {
        let init = self.init()?;
        self.kill("KILL")?.ok();
        init.wait_gone()
    }

    /// Whatever is left of it on the machine.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        leftovers::of(self.directory.path(), &self.state_root(), &self.cgroup, &self.marker)
    }

    /// Every process of this container, and every runtime process that was run for it.
    pub fn processes(&self) -> Result<Vec<Process>> {
        Process::with_marker(&self.marker)
    }

    /// Every process in its cgroup.
    pub fn members(&self) -> Result<Vec<Process>> {
        let directories = cgroup::directories(&self.cgroup)?;
        let directory = directories.first().context("the container has no cgroup")?;
        cgroup::processes(directory)?.into_iter().map(Process::open).collect()
    }

    /// The marker as it stands in an environment.
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// Deletes it, and answers what is left all the same; then takes even that away, so that a failed
    /// test leaves nothing to the machine either.
    fn clear_up(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        if self.state_directory().exists() {
            let deleted = self.delete_by_force()?;
            if deleted.status() != 0 {
                left.push(deleted.to_string());
            }
        }
        left.extend(self.leftovers()?);
        for process in self.processes()? {
            process.kill(rustix::process::Signal::KILL)?;
            process.wait_gone()?;
        }
        for directory in cgroup::directories(&self.cgroup)? {
            // Best effort: what cannot be removed has been reported above.
            let _ = fs::remove_dir(directory);
        }
        Ok(left)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let left = self.clear_up();
        if std::thread::panicking() {
            return;
        }
        match left {
            Ok(left) => assert!(left.is_empty(), "{} left behind: {left:?}", self.id),
            Err(error) => panic!("clearing up {}: {error:#}", self.id),
        }
    }
}
