//! Whatever instant a command is killed at, `delete --force` afterwards leaves nothing.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Container, Outcome, Process, is_peer, leftovers, rounds, skip, strace};

/// A container with some of everything: cgroup limits, mounts, a hook.
fn rich() -> anyhow::Result<Container> {
    Container::with(|config| {
        config.mount("/mnt", "bind", ".", &["rbind", "ro"]).mount("/var", "tmpfs", "tmpfs", &["tmpcopyup"]);
        config.hook("createRuntime", serde_json::json!({"path": "/bin/true"}));
        config["linux"]["resources"]["pids"] = serde_json::json!({"limit": 50});
    })
}

/// Deletes by force, twice, and claims that nothing is left; then that the id can be used again.
fn is_undone(container: &Container, point: &str) -> Outcome {
    let deleted = container.delete_by_force()?;
    assert_eq!(deleted.status(), 0, "killed {point}: {deleted}");
    container.delete_by_force()?.ok();
    // A process that saw its parent's end goes by itself: wait for that, it is no leak.
    for process in container.processes()? {
        process.wait_gone()?;
    }
    assert_eq!(container.leftovers()?, Vec::<String>::new(), "killed {point}");
    Ok(())
}

/// Kills `words` after each of `count` parts of the time that it takes.
fn sweep(words: &[&str], count: u32, prepare: impl Fn(&Container) -> Outcome) -> Outcome {
    let count = rounds(count);
    let container = rich()?;
    prepare(&container)?;
    let begin = Instant::now();
    container.command(words)?;
    let whole = begin.elapsed();
    is_undone(&container, "never")?;
    for number in 0..count {
        prepare(&container)?;
        let mut running = container.runtime(words.iter().copied().chain([container.id.as_str()])).spawn()?;
        let process = Process::open(running.pid())?;
        if !process.ends_within(whole * number / count)? {
            running.signal(Signal::KILL)?;
        }
        running.wait()?;
        is_undone(&container, &format!("after {number}/{count} of {whole:?}"))?;
    }
    prepare(&container)?;
    container.command(words)?.ok();
    Ok(())
}

#[test]
fn create_can_be_killed_at_any_time() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves cgroups and processes");
    }
    sweep(&["create"], 60, |_| Ok(()))
}

#[test]
fn a_detached_run_can_be_killed_at_any_time() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves cgroups and processes");
    }
    sweep(&["run", "-d"], 40, |_| Ok(()))
}

#[test]
fn start_can_be_killed_at_any_time() -> Outcome {
    sweep(&["start"], 20, |container| {
        container.create()?.ok();
        Ok(())
    })
}

#[test]
fn delete_can_be_killed_at_any_time() -> Outcome {
    sweep(&["delete", "--force"], 20, |container| container.detach().map(drop))
}

/// Kills `create` when it is about to make the `nth` call of `name`; false where it made fewer.
fn killed_at(container: &Container, name: &str, nth: u32) -> anyhow::Result<bool> {
    let inject = format!("inject={name}:signal=KILL:when={nth}");
    let words = ["create", &container.id];
    let tracer = ["strace", "-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &inject];
    let output = container.runtime(words).under(tracer).output()?;
    Ok(output.status() == -9 || output.status() == 137)
}

#[test]
fn create_can_be_killed_at_any_of_its_system_calls() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves cgroups and processes");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = rich()?;
    let calls = [
        "mkdir",
        "mkdirat",
        "rename",
        "renameat",
        "renameat2",
        "openat",
        "openat2",
        "write",
        "clone3",
        "sendmsg",
        "recvmsg",
        "read",
        "poll",
        "ppoll",
        "flock",
        "fsync",
        "mknodat",
        "close",
        "exit_group",
    ];
    for name in calls {
        for nth in 1.. {
            let killed = killed_at(&container, name, nth)?;
            is_undone(&container, &format!("at {name} number {nth}"))?;
            // The later ones of a call that is made very often are much alike.
            if !killed || nth >= 12 {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn the_first_process_can_be_killed_at_any_time_of_create() -> Outcome {
    let container = rich()?;
    let begin = Instant::now();
    container.create()?.ok();
    let whole = begin.elapsed();
    is_undone(&container, "never")?;
    for number in 0..20u32 {
        let mut running = container.runtime(["create", &container.id]).spawn()?;
        let creator = Process::open(running.pid())?;
        creator.ends_within(whole * number / 20)?;
        for child in creator.children()? {
            child.kill(Signal::KILL)?;
        }
        // It answers, one way or the other, and never hangs.
        running.wait()?;
        is_undone(&container, &format!("init after {number}/20"))?;
    }
    Ok(())
}

#[test]
fn a_create_whose_waiting_process_was_killed_is_stopped_and_deleted() -> Outcome {
    let container = rich()?;
    container.create()?.ok();
    let init = container.init()?;
    init.kill(Signal::KILL)?;
    init.wait_gone()?;
    assert_eq!(container.status()?, "stopped");
    container.delete()?.ok();
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_container_that_is_being_created_is_not_in_anybodys_way() -> Outcome {
    if is_peer() {
        return skip("known: runc cannot tell such a container");
    }
    // The hook holds create where it is.
    let container = Container::new()?;
    let gate = container.path("gate");
    let mut bell = container.fifo("bell")?;
    let mut held = crate::support::Fifo::make(&gate)?;
    let script =
        format!("echo here > {}; read x < {}", container.rootfs().join("bell").display(), gate.display());
    container.edit(|config| {
        config.shell_hook("createRuntime", &script);
    })?;
    let mut creating = container.runtime(["create", &container.id]).spawn()?;
    bell.line()?;
    let begin = Instant::now();
    assert_eq!(container.status()?, "creating");
    container.runtime(["list"]).output()?.says("creating");
    container.start()?.exits(1);
    container.exec(&["true"])?.exits(255);
    container.create()?.fails(1, "container with given ID already exists");
    assert!(begin.elapsed() < Duration::from_secs(20));
    held.ring()?;
    assert!(creating.wait()?.success(), "{}", creating.stderr());
    container.start()?.ok();
    Ok(())
}

#[test]
fn delete_by_force_ends_a_create_whose_hook_never_ends() -> Outcome {
    if is_peer() {
        return skip("known: runc removes the directory under a create");
    }
    let container = Container::new()?;
    let mut bell = container.fifo("bell")?;
    let script = format!("echo here > {}; exec sleep 1017", container.rootfs().join("bell").display());
    container.edit(|config| {
        config.shell_hook("createRuntime", &script);
    })?;
    let mut creating = container.runtime(["create", &container.id]).spawn()?;
    bell.line()?;
    creating.signal(Signal::KILL)?;
    creating.wait()?;
    container.delete_by_force()?.ok();
    for process in container.processes()? {
        // The hook is the host's own process, and ends with its parent.
        process.wait_gone()?;
    }
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn another_container_notices_nothing() -> Outcome {
    let (bystander, victim) = (Container::new()?, rich()?);
    bystander.detach()?;
    let before = bystander.state()?;
    for _ in 0..5 {
        let mut running = victim.runtime(["create", &victim.id]).spawn()?;
        Process::open(running.pid())?.ends_within(Duration::from_millis(20))?;
        running.signal(Signal::KILL)?;
        running.wait()?;
        victim.delete_by_force()?.ok();
    }
    assert_eq!(bystander.state()?, before);
    bystander.exec(&["true"])?.ok();
    assert_eq!(leftovers::mounts_below(&bystander.path(""))?, Vec::<String>::new());
    if is_peer() {
        // What runc leaves is its own; take it away for the claim that the drop makes.
        for process in victim.processes()? {
            process.kill(Signal::KILL)?;
            process.wait_gone()?;
        }
        for directory in crate::support::cgroup::directories(&victim.cgroup)? {
            std::fs::remove_dir(directory)?;
        }
    }
    Ok(())
}

/// Kills `words` when they are about to make the `nth` call of `name`; false where they made fewer.
fn command_killed_at(container: &Container, words: &[&str], name: &str, nth: u32) -> anyhow::Result<bool> {
    let inject = format!("inject={name}:signal=KILL:when={nth}");
    let tracer = ["strace", "-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &inject];
    let output = container.runtime(words).under(tracer).output()?;
    Ok(output.status() == -9 || output.status() == 137)
}

/// More calls of one name than pause makes.
const MANY: u32 = 200;

#[test]
fn a_pause_that_is_killed_on_its_way_leaves_a_container_that_goes_on() -> Outcome {
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = rich()?;
    container.detach()?;
    for name in ["write", "read"] {
        for nth in 1..MANY {
            let killed = command_killed_at(&container, &["pause", &container.id], name, nth)?;
            if container.status()? == "paused" {
                container.command(&["resume"])?.ok();
            }
            assert_eq!(container.status()?, "running", "killed at {name} {nth}");
            container.exec(&["true"])?.ok();
            if !killed {
                break;
            }
        }
    }
    is_undone(&container, "while pausing")
}

#[test]
fn a_kill_that_is_killed_between_freeze_and_thaw_is_finished_by_the_next() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves frozen processes");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    for name in ["pidfd_send_signal", "pidfd_open", "write"] {
        for nth in 1..MANY {
            let container = Container::with(|config| {
                config.without_namespace("pid");
            })?;
            container.detach()?;
            container.exec_with(&["-d"], &["sleep", "1015"])?.ok();
            let killed = command_killed_at(&container, &["kill", &container.id, "KILL"], name, nth)?;
            container.runtime(["kill", "--all", &container.id, "KILL"]).output()?.ok();
            is_undone(&container, &format!("at {name} {nth}"))?;
            if !killed {
                break;
            }
        }
    }
    Ok(())
}

/// Init finds the commit there when it is ready, and so can die with it: that is no start.
#[test]
fn an_init_that_is_killed_before_it_is_ready_is_an_error_and_leaves_nothing() -> Outcome {
    if is_peer() {
        return skip("a peer makes other calls, and says it in other words");
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    let container = Container::new()?;
    // Calls of init alone: before and after the commit came, as a rule; but it makes no difference.
    for call in ["pivot_root", "capset"] {
        for words in [&["create"][..], &["run", "--detach"]] {
            let inject = format!("inject={call}:signal=KILL:when=1");
            let tracer = ["strace", "-f", "-o", "/dev/null", "-e", &inject];
            let words = words.iter().copied().chain([container.id.as_str()]);
            let output = container.runtime(words).under(tracer).output()?;
            output.fails(1, "container init was killed by signal 9 while it was being made");
            assert_eq!(container.leftovers()?, Vec::<String>::new(), "{call}");
        }
    }
    Ok(())
}

#[test]
fn an_error_that_comes_of_inits_death_says_that_too() -> Outcome {
    if is_peer() {
        return skip("a peer says it in other words");
    }
    let container = Container::with(|config| {
        let script = "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); kill -9 $pid
                      until grep -q '^State:.Z' /proc/$pid/status; do :; done
                      echo no init >&2; exit 3";
        config.shell_hook("createRuntime", script);
    })?;
    let output = container.create()?;
    output.fails(1, "container init was killed by signal 9 while it was being made: ").fails(1, "no init");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}
