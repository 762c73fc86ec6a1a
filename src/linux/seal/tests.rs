//! `ensure` re-executes the program that calls it, so each test starts this test program once more with `the_helper`
//! alone in it, which seals itself, says how, and waits until its standard input ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::open;

use super::super::mount::{FsContext, move_mount, open_tree_clone_fd};
use super::super::testing::{Scratch, in_child};
use super::super::{capability, namespace};
use super::*;

/// The helper is quiet unless it is asked for.
const ASKED: &str = "TRUG_TEST_SEAL";
/// A descriptor that the helper's first turn reads a byte from before it does anything.
const GATE: &str = "TRUG_TEST_GATE";

#[test]
fn the_helper() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    if let (Ok(gate), None) = (std::env::var(GATE), std::env::var_os(TURN)) {
        let gate = super::super::fd::adopt(gate.parse().unwrap());
        super::super::fd::read(gate.as_fd(), &mut [0]).unwrap();
    }
    let seal = ensure();
    let facts = format!(
        "seal={seal:?} turn={:?} dumpable={:?} inherited={} odd={} argv0={:?}\n",
        std::env::var_os(TURN),
        nix::sys::prctl::get_dumpable(),
        super::super::fd::is_open(77),
        environment::entries().iter().any(|entry| entry.as_bytes() == b"no equals sign"),
        std::env::args_os().next().unwrap(),
    );
    let mut out = std::io::stdout();
    out.write_all(facts.as_bytes()).and_then(|()| out.flush()).unwrap();
    drop(std::io::stdin().read(&mut [0]));
    process::exit_now(0);
}

struct Helper {
    child: Child,
    facts: String,
}

impl Helper {
    fn command(program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["--exact", "linux::seal::tests::the_helper", "--nocapture", "--test-threads=1"]);
        command.env_clear().env(ASKED, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let facts = lines.map_while(|line| line.ok()).find(|line| line.contains("seal="));
        Self { child, facts: facts.unwrap_or_default() }
    }
    fn file(&self, flags: OFlag) -> Result<OwnedFd> {
        open(format!("/proc/{}/exe", self.child.id()).as_str(), flags | OFlag::O_CLOEXEC, Mode::empty())
    }
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn own_program() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

fn hash(path: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    fs::read(path).unwrap().hash(&mut hasher);
    hasher.finish()
}

/// All that a container with every capability could try on a descriptor of our executable, and which of it worked.
fn attack(file: &OwnedFd) -> Vec<&'static str> {
    let mut worked = Vec::new();
    let mut tried = |what, success: bool| worked.extend(success.then_some(what));
    let by_descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    let writable = Attributes { clear: Attr::RDONLY, ..Attributes::default() };
    tried("mount_setattr", set_attributes(file.as_fd(), writable, false).is_ok());
    tried("fspick", FsContext::pick(file.as_fd()).is_ok());
    let clone = open_tree_clone_fd(file.as_fd(), false);
    tried(
        "mount_setattr of a clone",
        clone.is_ok_and(|clone| set_attributes(clone.as_fd(), writable, false).is_ok()),
    );
    for flags in [OFlag::O_WRONLY, OFlag::O_RDWR, OFlag::O_WRONLY | OFlag::O_APPEND] {
        let opened = open(by_descriptor.as_str(), flags, Mode::empty());
        tried("write", opened.is_ok_and(|opened| nix::unistd::write(&opened, b"evil").is_ok()));
    }
    tried("truncate", nix::unistd::truncate(by_descriptor.as_str(), 0).is_ok());
    worked
}

/// Attacks from another mount namespace, as a container would.
fn assert_withstands(files: &[&OwnedFd]) {
    in_child(|| {
        namespace::unshare(namespace::Kind::Mount).unwrap();
        for file in files {
            assert_eq!(attack(file), [""; 0]);
        }
    });
}

#[test]
fn the_attack_works_on_what_is_not_sealed() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "content").unwrap();
    let file = open(&scratch.join("file"), OFlag::O_PATH, Mode::empty()).unwrap();
    assert_eq!(attack(&file), ["mount_setattr of a clone", "write", "write", "write", "truncate"]);
    in_child(|| {
        // The file, not its directory, cloned, and the clone still held: what `through_directory_clone` must not do.
        let tree = open_tree_clone_fd(file.as_fd(), false).unwrap();
        let readonly = Attributes { set: Attr::RDONLY, ..Attributes::default() };
        set_attributes(tree.as_fd(), readonly, false).unwrap();
        namespace::unshare(namespace::Kind::Mount).unwrap();
        assert!(attack(&tree).contains(&"write"), "the kernel would let it through");
    });
}

#[test]
fn a_program_on_a_writable_filesystem_runs_through_a_clone_that_nobody_can_write_through() {
    let before = hash(&own_program());
    let helper = Helper::start(Helper::command(&own_program()));
    assert!(
        helper.facts.contains("seal=Ok(DirectoryClone) turn=None dumpable=Ok(false)"),
        "{}",
        helper.facts
    );
    let file = helper.file(OFlag::O_PATH).unwrap();
    let readable = helper.file(OFlag::O_RDONLY).unwrap();
    assert_withstands(&[&file, &readable]);
    helper.end();
    assert_withstands(&[&file, &readable]);
    assert_eq!(hash(&own_program()), before);
}

#[test]
fn a_copy_is_sealed_against_everything() {
    let mut command = Helper::command(&own_program());
    command.env(CHOICE, "memfd");
    let helper = Helper::start(command);
    assert!(helper.facts.contains("seal=Ok(MemfdCopy) turn=None dumpable=Ok(false)"), "{}", helper.facts);
    let file = helper.file(OFlag::O_RDONLY).unwrap();
    assert!(is_sealed(file.as_fd()));
    assert_eq!(fstat(&file).unwrap().st_size as u64, fs::metadata(own_program()).unwrap().len());
    assert_withstands(&[&file]);
    helper.end();
    assert_withstands(&[&file]);
}

#[test]
fn without_the_privilege_to_mount_it_is_a_copy() {
    let mut command = Helper::command(&own_program());
    let keep: Vec<String> = capability::names().into_iter().filter(|name| name != "SYS_ADMIN").collect();
    // SAFETY: the closure makes system calls and small allocations only.
    unsafe { command.pre_exec(move || capability::limit_bounding(&keep).map_err(std::io::Error::from)) };
    let helper = Helper::start(command);
    assert!(helper.facts.contains("seal=Ok(MemfdCopy)"), "{}", helper.facts);
    helper.end();
}

#[test]
fn arguments_environment_and_descriptors_are_passed_on() {
    let mut command = Helper::command(&own_program());
    let program = CString::new(own_program().into_os_string().into_vec()).unwrap();
    let args =
        [c"another name", c"--exact", c"linux::seal::tests::the_helper", c"--nocapture"].map(CString::from);
    let env = [CString::new(format!("{ASKED}=1")).unwrap(), c"no equals sign".into()];
    // SAFETY: the closure makes system calls and small allocations only, and ends in execve.
    unsafe {
        command.pre_exec(move || {
            super::super::fd::place(BorrowedFd::borrow_raw(2), 77, false)?;
            Err(process::execute(&program, &args, &env).into())
        })
    };
    let helper = Helper::start(command);
    for fact in ["inherited=true", "odd=true", "argv0=\"another name\"", "seal=Ok(DirectoryClone)"] {
        assert!(helper.facts.contains(fact), "{fact}: {}", helper.facts);
    }
    helper.end();
}

#[test]
fn a_program_on_a_readonly_mount_is_left_alone() {
    let scratch = Scratch::new();
    in_child(|| {
        let program = copy_on_own_tmpfs(&scratch);
        let top = open(scratch.path(), OFlag::O_PATH, Mode::empty()).unwrap();
        let readonly = Attributes { set: Attr::RDONLY, ..Attributes::default() };
        set_attributes(top.as_fd(), readonly, false).unwrap();
        let helper = Helper::start(Helper::command(&program));
        assert!(helper.facts.contains("seal=Ok(ReadonlyFilesystem)"), "{}", helper.facts);
        helper.end();
        let mut command = Helper::command(&program);
        command.env(CHOICE, "memfd");
        let helper = Helper::start(command);
        assert!(helper.facts.contains("seal=Ok(MemfdCopy)"), "{}", helper.facts);
        helper.end();
    });
}

#[test]
fn a_file_that_is_itself_mounted_read_only_is_copied() {
    let scratch = Scratch::new();
    in_child(|| {
        let program = copy_on_own_tmpfs(&scratch);
        let file = open(program.as_path(), OFlag::O_PATH, Mode::empty()).unwrap();
        let mount = open_tree_clone_fd(file.as_fd(), false).unwrap();
        let readonly = Attributes { set: Attr::RDONLY, ..Attributes::default() };
        set_attributes(mount.as_fd(), readonly, false).unwrap();
        let place = scratch.join("mounted");
        fs::write(&place, "").unwrap();
        move_mount(mount.as_fd(), open(place.as_path(), OFlag::O_PATH, Mode::empty()).unwrap().as_fd())
            .unwrap();
        let helper = Helper::start(Helper::command(&place));
        assert!(helper.facts.contains("seal=Ok(MemfdCopy)"), "{}", helper.facts);
        helper.end();
    });
}

#[test]
fn a_program_whose_name_is_now_another_file_is_copied() {
    let scratch = Scratch::new();
    let program = scratch.join("program");
    for (name, change) in [
        ("removed", (|program| fs::remove_file(program).unwrap()) as fn(&Path)),
        ("replaced", |program| {
            fs::remove_file(program).unwrap();
            fs::write(program, "another").unwrap();
        }),
    ] {
        // By another process: a child that another test is just starting would inherit our descriptor for writing,
        // and execve would answer ETXTBSY until it has closed that.
        in_child(|| {
            fs::copy(own_program(), &program).unwrap();
        });
        let mut command = Helper::command(&program);
        let place = program.clone();
        // The name changes while the program is already running.
        let (reader, writer) = nix::unistd::pipe().unwrap();
        command.env(GATE, reader.as_raw_fd().to_string());
        let mut child = command.spawn().unwrap();
        change(&place);
        nix::unistd::write(&writer, b"x").unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let facts = lines.map_while(|line| line.ok()).find(|line| line.contains("seal=")).unwrap_or_default();
        assert!(facts.contains("seal=Ok(MemfdCopy)"), "{name}: {facts}");
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        drop((reader, writer));
    }
}

#[test]
fn a_mark_that_lies_does_not_make_us_sealed_and_does_not_loop() {
    for (mark, answer) in
        [("clone", "seal=Ok(MemfdCopy)"), ("copy", "seal=Err(ELOOP)"), ("nonsense", "seal=Err(ELOOP)")]
    {
        let mut command = Helper::command(&own_program());
        command.env(TURN, mark);
        let helper = Helper::start(command);
        assert!(helper.facts.contains(answer), "{mark}: {}", helper.facts);
        helper.end();
    }
}

/// This test program, on a new tmpfs in a mount namespace of our own.
fn copy_on_own_tmpfs(scratch: &Scratch) -> std::path::PathBuf {
    use super::super::mount::{Propagation, PropagationKind, set_root_propagation};
    namespace::unshare(namespace::Kind::Mount).unwrap();
    set_root_propagation(Propagation { kind: PropagationKind::Private, recursive: true }).unwrap();
    let tmpfs = FsContext::open("tmpfs").unwrap().mount(Attributes::default()).unwrap();
    let place = open(scratch.path(), OFlag::O_PATH, Mode::empty()).unwrap();
    move_mount(tmpfs.as_fd(), place.as_fd()).unwrap();
    let program = scratch.join("program");
    fs::copy(own_program(), &program).unwrap();
    program
}
