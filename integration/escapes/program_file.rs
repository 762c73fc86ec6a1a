//! The runtime's own file, and what the runtime holds open while it enters a container.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Container, Invocation, Outcome, invocation, is_peer, program, skip, strace};

/// A copy of the runtime that a test may lose, and what it was.
fn expendable(container: &Container) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let directory = container.path("sbin");
    fs::create_dir(&directory)?;
    let copy = directory.join("runtime");
    program::copy(&invocation::runtime(), &copy)?;
    let before = fs::read(&copy)?;
    Ok((copy, before))
}

fn by_copy(container: &Container, copy: &Path, words: &[&str]) -> Invocation {
    let all = [copy.to_string_lossy().into_owned(), "--root".into()];
    let root = container.state_root().to_string_lossy().into_owned();
    let (key, value) = container.marker().split_once('=').unwrap_or_default();
    let all = all.into_iter().chain([root]).chain(words.iter().map(|word| word.to_string()));
    Invocation::new(all).from(container.bundle()).env(key, value)
}

const ALL: [&str; 9] = [
    "CAP_SYS_ADMIN",
    "CAP_SYS_PTRACE",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_CHOWN",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_SYS_CHROOT",
];

/// Keeps what it finds open, and tries it by every way that a shell has: to write, to remount, to bind.
const GRAB: &str = "echo up > /bell; n=0; while :; do for p in /proc/[0-9]*; do \
     [ $p = /proc/1 ] && continue; [ -e $p/root/bell ] && [ $p != /proc/$$ ] || continue; \
     (echo evil > $p/exe) 2>/dev/null && echo written >> /grabbed; \
     (exec 9< $p/exe && mount -o remount,bind,rw /proc/self/fd/9 && echo evil > /proc/self/fd/9) 2>/dev/null && echo remounted >> /grabbed; \
     touch /tmp/m; (mount --bind $p/exe /tmp/m && mount -o remount,bind,rw /tmp/m && echo evil > /tmp/m) 2>/dev/null && echo bound >> /grabbed; \
     umount /tmp/m 2>/dev/null; done; done";

#[test]
fn cve_2019_5736_the_entry_point_is_the_runtime() -> Outcome {
    for script in [false, true] {
        let container = Container::with(|config| {
            config.args(&["/evil", "--version"]).capabilities(&ALL);
            config["process"]["noNewPrivileges"] = false.into();
        })?;
        let (copy, before) = expendable(&container)?;
        match script {
            false => symlink("/proc/self/exe", container.rootfs().join("evil"))?,
            true => container.script("evil", "#!/proc/self/exe\n")?,
        }
        by_copy(&container, &copy, &["run", &container.id]).output()?;
        container.edit(|config| {
            config.args(&["sleep", "1000"]);
        })?;
        by_copy(&container, &copy, &["run", "-d", &container.id]).output()?.ok();
        by_copy(&container, &copy, &["exec", &container.id, "/evil"]).output()?;
        assert!(fs::read(&copy)? == before, "the runtime's file was changed");
    }
    Ok(())
}

#[test]
fn cve_2019_5736_the_entering_process_is_grabbed() -> Outcome {
    let container = Container::with(|config| {
        config.capabilities(&ALL).args(&["sh", "-c", GRAB]);
        config["process"]["noNewPrivileges"] = false.into();
    })?;
    let (copy, before) = expendable(&container)?;
    let mut bell = container.fifo("bell")?;
    by_copy(&container, &copy, &["run", "-d", &container.id]).output()?.ok();
    bell.line()?;
    for _ in 0..40 {
        by_copy(&container, &copy, &["exec", &container.id, "true"]).output()?;
    }
    container.delete_by_force()?.ok();
    assert!(fs::read(&copy)? == before, "the runtime's file was changed");
    Ok(())
}

#[test]
fn cve_2019_5736_a_hook_and_a_library_path_do_not_undo_the_seal() -> Outcome {
    // The hook runs in the container's mount namespace and looks at its parent, which is the runtime.
    let container = Container::with(|config| {
        config.args(&["true"]).env("LD_PRELOAD=/evil.so");
        config.shell_hook("createContainer", "(echo evil > /proc/$PPID/exe) 2>/dev/null && exit 7; exit 0");
    })?;
    let (copy, before) = expendable(&container)?;
    by_copy(&container, &copy, &["run", &container.id]).output()?.ok();
    assert!(fs::read(&copy)? == before, "the runtime's file was changed");
    Ok(())
}

#[test]
fn cve_2016_9962_the_entering_process_is_closed_to_root_in_the_container() -> Outcome {
    let spy = "echo up > /bell; while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || \
               for f in $p/fd/*; do readlink $f; done 2>/dev/null | grep -v -e pipe: -e socket: -e /dev/null \
               -e /proc -e /seen -e deleted -e /bin -e /bell >> /seen; done; done";
    let container = Container::with(|config| {
        config.args(&["sh", "-c", spy]);
        config["process"]["noNewPrivileges"] = false.into();
    })?;
    let mut bell = container.fifo("bell")?;
    container.detach()?;
    bell.line()?;
    for _ in 0..40 {
        container.exec_invocation(&[], &["true"]).after("exec 7</etc/passwd 9</").output()?;
    }
    let seen = fs::read_to_string(container.rootfs().join("seen")).unwrap_or_default();
    let host = seen.lines().find(|line| *line == "/" || line.contains("passwd") || line.contains("state"));
    assert!(host.is_none(), "{host:?} of the host was seen");
    Ok(())
}

#[test]
fn cve_2016_8649_lxc_no_descriptor_of_the_runtime_reaches_the_program() -> Outcome {
    let container = Container::new()?;
    container.edit(|config| {
        config.args(&["ls", "-l", "/proc/self/fd"]);
    })?;
    let hostile = "exec 7</etc/passwd 9</ 20<.";
    let run = container.runtime(["run", &container.id]).after(hostile).output()?;
    run.ok();
    only_standard(&run.stdout());
    container.edit(|config| {
        config.args(&["sleep", "1000"]);
    })?;
    container.detach()?;
    let exec = container.exec_invocation(&[], &["ls", "-l", "/proc/self/fd"]).after(hostile).output()?;
    exec.ok();
    only_standard(&exec.stdout());
    Ok(())
}

#[track_caller]
fn only_standard(listing: &str) {
    // The fourth is ls's own, of the directory that it lists.
    let numbers = listing
        .lines()
        .skip(1)
        .filter_map(|line| line.split(" -> ").next()?.rsplit(' ').next()?.parse().ok());
    let numbers: Vec<i32> = numbers.collect();
    assert_eq!(numbers, [0, 1, 2, 3], "{listing}");
    assert!(!listing.contains("/etc/passwd"), "{listing}");
}

#[test]
fn cve_2015_3627_a_waiting_init_holds_no_file_of_the_host() -> Outcome {
    // Seen with crun 1.8.1: it holds its caller's /etc/passwd.
    let container = Container::new()?;
    container.runtime(["create", &container.id]).after("exec 7</etc/passwd 9</").output()?.ok();
    for (number, target) in container.init()?.descriptors()? {
        let known = ["pipe:", "socket:", "/dev/null", "exec.fifo", "anon_inode:"];
        let is_known = known.iter().any(|part| target.contains(part)) || number < 3;
        assert!(is_known, "descriptor {number} leads to {target}");
    }
    Ok(())
}

#[test]
fn cve_2022_0847_cve_2026_31431_the_waiting_init_is_no_image_of_a_file_that_can_be_opened_for_writing()
-> Outcome {
    // Page-cache bugs reach whatever can be read: documented; what can be claimed is that no path to write is left.
    let container = Container::new()?;
    container.create()?.ok();
    let exe = format!("/proc/{}/exe", container.init()?.pid);
    assert!(fs::OpenOptions::new().write(true).open(&exe).is_err());
    Ok(())
}

#[test]
fn cve_2026_46333_the_waiting_init_is_not_dumpable() -> Outcome {
    // A process that is not dumpable belongs to root on procfs, whoever it is.
    use std::os::unix::fs::MetadataExt;
    let container = Container::with(|config| {
        config.user(1000, 1000);
        config["process"]["noNewPrivileges"] = json!(false);
    })?;
    container.create()?.ok();
    let init = container.init()?;
    let owner = fs::metadata(format!("/proc/{}/fd", init.pid))?.uid();
    assert_eq!(owner, 0, "the waiting init belongs to uid {owner} on procfs: it can be traced");
    Ok(())
}

#[test]
fn cve_2026_41163_and_2016_8659_bubblewrap_nothing_is_dumpable_from_the_first_namespace_on() -> Outcome {
    // A moment is enough for ptrace: so it is read off the system calls, and not off luck.
    if is_peer() {
        return skip("a peer does it at another time");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config.user(1000, 1000).args(&["sleep", "1000"]);
        config["process"]["noNewPrivileges"] = json!(false);
    })?;
    let calls = "trace=prctl,clone3,setns,unshare,execve,execveat";
    let traced = |words: &[&str]| -> anyhow::Result<String> {
        let path = container.path(&format!("{}.dumpable", words[0])).to_string_lossy().into_owned();
        let tracer = strace::outliving(&container, &["-e", calls, "-o", &path]);
        container.runtime(words.iter().copied()).under(tracer).output()?.ok();
        Ok(fs::read_to_string(path)?)
    };
    for words in [&["run", "--detach", &container.id][..], &["exec", &container.id, "true"]] {
        let trace = traced(words)?;
        let place = |what: &str| trace.lines().position(|line| line.contains(what));
        let closed = place("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)");
        let entered = ["CLONE_NEW", "setns(", "unshare("].into_iter().filter_map(place).min();
        assert!(closed.is_some() && closed < entered, "{words:?}: {trace}");
        assert!(place("PR_SET_DUMPABLE, SUID_DUMP_USER").is_none(), "{words:?}: {trace}");
    }
    Ok(())
}
