//! What a hostile container tries against the runtime itself.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Container, Invocation, Outcome, invocation, is_peer, program, skip, strace};

/// A copy of the runtime that a test may lose, and what it was.
fn expendable(container: &Container) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let directory = container.path("sbin");
    fs::create_dir(&directory)?;
    let copy = directory.join("runtime");
    program::copy(&invocation::runtime(), &copy)?;
    Ok((copy.clone(), fs::read(copy)?))
}

fn run_copy(container: &Container, copy: &Path, words: &[&str]) -> Invocation {
    let root = container.state_root().to_string_lossy().into_owned();
    let all = [copy.to_string_lossy().into_owned(), "--root".into(), root];
    let (key, value) = container.marker().split_once('=').unwrap_or_default();
    let all = all.into_iter().chain(words.iter().map(|word| word.to_string()));
    Invocation::new(all).from(container.bundle()).env(key, value)
}

#[test]
fn a_program_that_is_a_link_to_the_runtime_cannot_write_it() -> Outcome {
    // CVE-2019-5736.
    for entry in ["link", "interpreter"] {
        let container = Container::with(|config| {
            config.args(&["/evil"]);
        })?;
        let (copy, before) = expendable(&container)?;
        match entry {
            "link" => symlink("/proc/self/exe", container.rootfs().join("evil"))?,
            _ => container.script("evil", "#!/proc/self/exe\n")?,
        }
        run_copy(&container, &copy, &["run", &container.id]).output()?;
        assert!(fs::read(&copy)? == before, "the runtime's file was changed");
    }
    Ok(())
}

#[test]
fn the_runtime_cannot_be_written_through_the_processes_of_exec() -> Outcome {
    // A root of all capabilities waits for exec's process and writes to its /proc/PID/exe.
    let container = Container::with(|config| {
        config.capabilities(&["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]);
        config["process"]["noNewPrivileges"] = false.into();
        let script = "echo up > /bell; while :; do for p in /proc/[0-9]*; do \
                      [ $p = /proc/1 ] || [ $p = /proc/$$ ] || (echo evil > $p/exe) 2>/dev/null; done; done";
        config.args(&["sh", "-c", script]);
    })?;
    let (copy, before) = expendable(&container)?;
    let mut bell = container.fifo("bell")?;
    run_copy(&container, &copy, &["run", "-d", &container.id]).output()?.ok();
    bell.line()?;
    for _ in 0..25 {
        run_copy(&container, &copy, &["exec", &container.id, "true"]).output()?;
    }
    container.delete_by_force()?.ok();
    assert!(fs::read(&copy)? == before, "the runtime's file was changed");
    Ok(())
}

/// Addresses, from the file's beginning, of what only relocation writes: the program headers PT_GNU_RELRO (elf.h).
fn relocated(file: &[u8]) -> Vec<u64> {
    let number = |at: usize, bytes: usize| {
        file[at..at + bytes].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    let headers = (0..number(56, 2)).map(|index| (number(32, 8) + index * 56) as usize);
    headers.filter(|at| number(*at, 4) == 0x6474_e552).map(|at| number(at + 16, 8)).collect()
}

#[test]
fn what_was_relocated_at_the_start_is_read_only() -> Outcome {
    if is_peer() {
        return skip("it is trug's file that is looked into");
    }
    let container = Container::new()?;
    container.create()?.ok();
    let maps = fs::read_to_string(format!("/proc/{}/maps", container.init()?.pid))?;
    // start-end permissions offset …
    let mappings: Vec<(u64, u64, &str)> = maps
        .lines()
        .filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some((number(start)?, number(end)?, rest))
        })
        .collect();
    let inode = fs::metadata(invocation::runtime())?.ino().to_string();
    let own = |rest: &str| rest.split_whitespace().nth(3) == Some(&inode);
    let base = mappings.iter().find(|(_, _, rest)| own(rest)).map(|(start, ..)| *start);
    let base = base.unwrap_or_else(|| panic!("the runtime's file is not in {maps}"));
    let addresses = relocated(&fs::read(invocation::runtime())?);
    assert!(!addresses.is_empty(), "the file has such a segment");
    for address in addresses.into_iter().map(|address| base + address) {
        let of = mappings.iter().find(|(start, end, _)| (*start..*end).contains(&address));
        assert!(of.is_some_and(|(_, _, rest)| rest.starts_with("r--p")), "{address:x} in {maps}");
    }
    Ok(())
}

#[test]
fn the_waiting_first_process_is_a_sealed_image_of_the_runtime() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    let exe = format!("/proc/{}/exe", container.init()?.pid);
    let written = fs::OpenOptions::new().write(true).open(&exe);
    let answer = written.err().map(|error| error.raw_os_error());
    // A read-only mount, a running text, or a sealed memory file.
    let refusals = [
        rustix::io::Errno::ROFS,
        rustix::io::Errno::TXTBSY,
        rustix::io::Errno::PERM,
        rustix::io::Errno::ACCESS,
    ];
    assert!(refusals.iter().any(|errno| answer == Some(Some(errno.raw_os_error()))), "{answer:?}");
    assert!(!is_writable_mount(&exe)?, "the image's file system is writable");
    Ok(())
}

/// True where the file system through which a file is seen can be written.
fn is_writable_mount(path: &str) -> anyhow::Result<bool> {
    let status = rustix::fs::statvfs(path)?;
    let link = fs::read_link(path)?;
    let in_memory = link.to_string_lossy().starts_with("/memfd:");
    Ok(!in_memory && !status.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[test]
fn the_runtimes_processes_are_closed_to_the_container() -> Outcome {
    // CVE-2016-9962: root in the container, without CAP_SYS_PTRACE, looks into a process that enters it.
    let container = Container::with(|config| {
        let script = "echo up > /bell; while :; do for p in /proc/[0-9]*; do \
                      [ $p = /proc/1 ] || ls -l $p/fd 2>/dev/null | grep -v -e pipe: -e socket: -e /dev/null -e /proc \
                      -e ' 0 -> ' -e ' 1 -> ' -e ' 2 -> ' -e total >> /seen; done; done";
        config.args(&["sh", "-c", script]);
        config["process"]["noNewPrivileges"] = false.into();
    })?;
    let mut bell = container.fifo("bell")?;
    container.detach()?;
    bell.line()?;
    for _ in 0..25 {
        let hostile = "exec 7</etc/passwd 9</";
        container.exec_invocation(&[], &["true"]).after(hostile).output()?;
    }
    let seen = fs::read_to_string(container.rootfs().join("seen")).unwrap_or_default();
    assert!(
        !seen.contains("-> /etc/passwd") && !seen.contains("bundle") && !seen.contains("state"),
        "{seen}"
    );
    Ok(())
}

#[test]
fn no_absolute_path_is_used_inside_the_containers_mount_namespace() -> Outcome {
    // The mark of the whole family of bugs of 2026: a path of the image resolved again, by string.
    if is_peer() {
        return skip("known: peers use absolute paths");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config.args(&["/bin/true"]);
    })?;
    let trace = container.path("trace");
    let path = trace.to_string_lossy().into_owned();
    let words = ["run", &container.id];
    let output = container.runtime(words).under(["strace", "-f", "-s", "300", "-o", &path]).output()?;
    output.ok();
    let text = fs::read_to_string(&trace)?;
    let offences = strace::absolute_paths_inside(&text);
    assert!(offences.is_empty(), "{}", offences.join("\n"));
    Ok(())
}

#[test]
fn nothing_of_the_name_service_is_opened_inside() -> Outcome {
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config.args(&["/bin/true"]);
    })?;
    container.file("etc/nsswitch.conf", "passwd: zzprobe\n")?;
    let path = container.path("trace").to_string_lossy().into_owned();
    let words = ["run", &container.id];
    container.runtime(words).under(["strace", "-f", "-e", "trace=file", "-o", &path]).output()?.ok();
    let text = fs::read_to_string(container.path("trace"))?;
    let made = text.find("CLONE_NEWNS").map_or("", |at| &text[at..]);
    for word in ["libnss", "nsswitch", "ld.so.cache", "gconv", "resolv.conf", "/localtime"] {
        assert!(!made.contains(word), "{word} is opened");
    }
    Ok(())
}

#[test]
fn a_directory_swapped_with_a_symlink_during_create_never_leads_out() -> Outcome {
    // CVE-2021-30465, CVE-2024-45310: a target changes between its check and its use.
    let container = Container::with(|config| {
        config.args(&["true"]);
        config.mount("/a/b/c", "tmpfs", "tmpfs", &[]).mount("/a/b/f", "bind", "note", &["bind"]);
    })?;
    fs::write(container.bundle().join("note"), "")?;
    let (outside, place) = (container.path("HOST"), container.rootfs().join("a"));
    fs::create_dir(&outside)?;
    fs::create_dir(&place)?;
    let link = container.rootfs().join("link");
    symlink(&outside, &link)?;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    std::thread::scope(|scope| -> Outcome {
        let flipper = scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = rustix::fs::renameat_with(rustix::fs::CWD, &place, rustix::fs::CWD, &link, flags);
            }
        });
        let runs = (0..40).try_for_each(|_| -> Outcome {
            let output = container.run()?;
            assert!(matches!(output.status(), 0 | 1), "{output}");
            Ok(())
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        flipper.join().expect("no panic");
        runs
    })?;
    let found: Vec<_> = fs::read_dir(&outside)?.flatten().collect();
    assert!(found.is_empty(), "something got out: {found:?}");
    Ok(())
}
