//! What the tests of this floor share: cgroups to play with, gone again whatever happens.

use std::io::{BufRead, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::Pid;

use super::directory::Directory;
use super::{Driver, Manager};
use crate::linux::cgroup_tree::{CgroupTree, Layout};
use crate::linux::clone::{CloneArgs, Cloned, clone3};
use crate::linux::procfs::Proc;
use crate::linux::testing::Scratch;

/// A plain directory with files that look like a cgroup's.
pub struct Fake(Scratch);

impl Fake {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        for (name, content) in files {
            std::fs::write(scratch.join(name), content).expect("write a test file");
        }
        Self(scratch)
    }

    pub fn directory(&self) -> Directory {
        Directory::pretend(self.0.path())
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("read a test file")
    }
}

/// This host's hierarchies, where some are v1; None where none is or we are not root.
pub fn v1_tree() -> Option<CgroupTree> {
    let proc = Proc::open().expect("/proc");
    let tree = CgroupTree::detect(&proc).expect("cgroup hierarchies");
    if !nix::unistd::geteuid().is_root() || tree.layout == Layout::Unified {
        eprintln!("skipped: needs root and cgroup v1");
        return None;
    }
    Some(tree)
}

/// A cgroup of this test alone; killed and removed at the end, whatever that is.
pub struct Box {
    pub manager: Manager,
    /// The first component of its path, which may be above it.
    name: String,
}

impl Box {
    /// Not made yet. `below` goes under a name that nobody else has.
    pub fn new(tree: &CgroupTree, below: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("trug-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new("/").join(&name).join(below);
        let location = Manager::locate(tree, Driver::Cgroupfs, Some(&path), "unused", false).expect("locate");
        Self { manager: Manager::new(location), name }
    }

    /// Made, with these resources.
    pub fn made(tree: &CgroupTree, resources: serde_json::Value) -> Self {
        let made = Self::new(tree, "");
        made.manager.create(&super::write::testing::resources(resources)).expect("create");
        made
    }

    /// Its directory in the hierarchy of a controller; "" is the unified tree.
    pub fn path(&self, controller: &str) -> &Path {
        let mut paths = self.manager.location().paths.iter();
        let found = paths.find(|(key, _)| key.split(',').any(|name| name == controller));
        found.map(|(_, path)| path).unwrap_or_else(|| panic!("no hierarchy for {controller:?}"))
    }

    pub fn read(&self, controller: &str, file: &str) -> String {
        let path = self.path(controller).join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        text.trim().to_owned()
    }

    /// The directories that are there now.
    pub fn directories(&self) -> Vec<&PathBuf> {
        self.manager.location().paths.values().filter(|path| path.is_dir()).collect()
    }

    pub fn apply(&self, resources: serde_json::Value) -> crate::report::Result<()> {
        self.manager.apply(&super::write::testing::resources(resources))
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        let killed = self.manager.signal_all(nix::libc::SIGKILL);
        let removed = self.manager.remove(Duration::from_secs(10));
        // What was made above it goes too.
        for path in self.manager.location().paths.values() {
            let above = path
                .ancestors()
                .take_while(|path| path.components().any(|name| name.as_os_str() == &*self.name));
            above.for_each(|path| drop(std::fs::remove_dir(path)));
        }
        if let Err(error) = killed.and(removed) {
            eprintln!("test cgroup {:?} is left behind: {error}", self.name);
        }
    }
}

/// A process that was cloned into a v2 cgroup, if one is given, has done something then, and waits to be killed.
pub fn cloned(unified: Option<OwnedFd>, act: impl FnOnce() -> nix::Result<()>) -> Pid {
    let (done, doing) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let args = CloneArgs { namespaces: &[], cgroup: unified.as_ref().map(AsFd::as_fd), sibling: false };
    match clone3(&args).expect("clone3") {
        Cloned::Child => {
            if act().and_then(|()| nix::unistd::write(&doing, b".")).is_err() {
                crate::linux::process::exit_now(1);
            }
            loop {
                nix::unistd::pause();
            }
        }
        Cloned::Parent { pid, .. } => {
            drop(doing);
            assert_eq!(nix::unistd::read(&done, &mut [0]), Ok(1), "the process has failed");
            pid
        }
    }
}

/// A shell that goes away with the test. `exec sleep` is what most want.
pub struct Shell(Child);

impl Shell {
    pub fn run(script: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("spawn a shell"))
    }

    pub fn sleeping() -> Self {
        Self::run("exec sleep 1000")
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }

    /// Waits for a line of its output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.0.stdout.as_mut().expect("stdout");
        std::io::BufReader::with_capacity(1, output).read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// A line for its `read`.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.0.stdin.as_mut().expect("stdin"), "{line}").expect("tell the shell");
    }

    /// Which signal ended it, if one did; waits for the end.
    pub fn ended_by(&mut self) -> Option<i32> {
        self.0.wait().expect("wait").signal()
    }

    /// The path in each hierarchy, from /proc.
    pub fn cgroups(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid())).expect("its cgroups")
    }

    pub fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("its state");
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).expect("a state letter")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
