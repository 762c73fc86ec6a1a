//! The entry point that seals before libc begins: the same seal whatever name the program was started by.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Container, Invocation, Outcome, invocation, is_peer, program, skip, strace};

/// The calls of the command's own process before its C library begins, which sets up its thread early; without those for
/// memory, which both make.
fn calls_before_libc(words: &[&str], container: &Container) -> anyhow::Result<Vec<String>> {
    let path = container.path("calls").to_string_lossy().into_owned();
    let tracer = ["strace", "-o", &path];
    container.runtime(words.iter().copied()).under(tracer).output()?;
    let trace = fs::read_to_string(path)?;
    let names = trace.lines().skip(1).map(|line| line.split('(').next().unwrap_or_default().to_owned());
    let own = names.take_while(|name| name != "arch_prctl");
    Ok(own.filter(|name| !["brk", "mmap"].contains(&name.as_str())).collect())
}

#[test]
fn the_first_turn_ends_before_libc_begins_where_a_container_is_entered_and_only_there() -> Outcome {
    if is_peer() || !cfg!(target_arch = "x86_64") {
        return skip("it is trug's way of doing it, on x86_64");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = Container::new()?;
    for words in [["create", "missing", "--bundle", "/missing"], ["exec", "missing", "true", "true"]] {
        let calls = calls_before_libc(&words, &container)?;
        // The sealed file is named as what is executed, or executed.
        let ends = |call: &String| ["prctl", "execveat"].contains(&call.as_str());
        assert!(calls.iter().any(ends), "{words:?}: {calls:?}");
        assert!(calls.len() < 10, "{words:?}: {calls:?}");
    }
    for words in [&["list"][..], &["state", "missing"], &["--version"]] {
        let calls = calls_before_libc(words, &container)?;
        assert!(calls.is_empty(), "{words:?}: {calls:?}");
    }
    Ok(())
}

/// Makes a container by `how` and sees that nobody can write to the program that waits inside.
fn assert_sealed(container: &Container, how: &str, invocation: Invocation) -> Outcome {
    let (key, value) = container.marker().split_once('=').unwrap_or_default();
    invocation.env(key, value).output()?.ok();
    let init = container.init()?;
    let exe = format!("/proc/{}/exe", init.pid);
    let refused = fs::OpenOptions::new().write(true).open(&exe).map(drop);
    assert!(refused.is_err(), "{how}: {exe} is open for writing");
    for (number, target) in init.descriptors()? {
        assert!(!target.contains("sbin"), "{how}: descriptor {number} leads to {target}");
    }
    container.start()?.ok();
    container.delete_by_force()?.ok();
    Ok(())
}

#[test]
fn whatever_name_it_is_started_by_it_runs_sealed() -> Outcome {
    if is_peer() {
        return skip("a peer seals itself in another way");
    }
    let container = Container::new()?;
    let directory = container.path("sbin");
    fs::create_dir(&directory)?;
    let copy = directory.join("runtime");
    program::copy(&invocation::runtime(), &copy)?;
    symlink("runtime", directory.join("link"))?;
    // Another file's name, on which the program is mounted: what its directory has by that name is no program of ours.
    let other = directory.join("other");
    fs::write(&other, "#!/bin/false\n")?;
    let (copy, other) = (copy.to_string_lossy().into_owned(), other.to_string_lossy().into_owned());
    let link = directory.join("link").to_string_lossy().into_owned();
    let with_slashes = format!("{}////./runtime", directory.display());

    let root = container.state_root().to_string_lossy().into_owned();
    let bundle = container.bundle().to_string_lossy().into_owned();
    let started_as = |name: &str, from: &Path| {
        Invocation::new([name, "--root", &root, "create", "--bundle", &bundle, &container.id]).from(from)
    };
    let mounted = format!("mount --bind {copy} {other}");
    let ways = [
        ("by its path", started_as(&copy, Path::new("/"))),
        ("by a path with slashes to spare", started_as(&with_slashes, Path::new("/"))),
        ("by a name relative to here", started_as("./runtime", &directory)),
        (
            "by a name relative to elsewhere",
            started_as("sbin/runtime", directory.parent().unwrap_or(&directory)),
        ),
        ("by a symlink", started_as(&link, Path::new("/"))),
        ("with no streams", started_as(&copy, Path::new("/")).after("exec 0<&- 1>&- 2>&-")),
        (
            "mounted on another",
            started_as(&other, Path::new("/")).after(&mounted).under(["unshare", "--mount"]),
        ),
        ("asked to be a copy", started_as(&copy, Path::new("/")).env("TRUG_SEAL", "memfd")),
        ("told that it is one", started_as(&copy, Path::new("/")).env("_TRUG_SEAL_TURN", "clone")),
    ];
    for (how, invocation) in ways {
        assert_sealed(&container, how, invocation)?;
    }
    Ok(())
}

/// What the kernel has mapped of files into the init that waits, and what it runs.
fn assert_nothing_but_sealed_files_are_mapped(container: &Container, how: &str) -> Outcome {
    let pid = container.init()?.pid;
    let program = fs::canonicalize(invocation::runtime())?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let files: Vec<&str> =
        maps.lines().filter_map(|line| line.split_once(" /")).map(|(_, name)| name).collect();
    assert!(files.len() >= 3, "{how}: {maps}");
    let own = program.to_string_lossy();
    assert!(files.iter().all(|name| format!("/{name}") != own), "{how}: {maps}");
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    assert!(arguments.ends_with(&format!("\0{}\0", container.id)), "{how}: {arguments:?}");
    let environment = fs::read_to_string(format!("/proc/{pid}/environ"))?;
    assert!(environment.split('\0').any(|entry| entry == container.marker()), "{how}: {environment:?}");
    Ok(())
}

#[test]
fn the_file_that_was_executed_is_mapped_no_more_whether_the_kernel_lets_us_name_another_or_not() -> Outcome {
    if is_peer() || !cfg!(target_arch = "x86_64") {
        return skip("it is trug's way of doing it, on x86_64");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = Container::new()?;
    container.create()?.ok();
    assert_nothing_but_sealed_files_are_mapped(&container, "named")?;
    container.delete_by_force()?.ok();

    let trace = container.path("refused").to_string_lossy().into_owned();
    let refuse = "inject=prctl:error=EPERM:when=1";
    let tracer = ["strace", "-e", "trace=prctl,execveat", "-e", refuse, "-o", &trace];
    container.runtime(["create", &container.id]).under(tracer).output()?.ok();
    let calls = fs::read_to_string(trace)?;
    assert!(calls.contains("PR_SET_MM") && calls.contains("INJECTED"), "{calls}");
    assert!(calls.contains("execveat("), "{calls}");
    assert_nothing_but_sealed_files_are_mapped(&container, "executed again")?;
    container.delete_by_force()?.ok();
    Ok(())
}
