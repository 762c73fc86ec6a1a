//! A restore and its caller: who is whose parent, what becomes of signals, what the end is, and what a killed restore
//! leaves.

use std::time::Instant;

use anyhow::Result;
use rustix::process::Signal;

use super::counter::{Counter, SCRIPT};
use crate::signals;
use crate::support::criu::{self, with_criu};
use crate::support::{Container, Fifo, Invocation, Outcome, Process, Running, rounds};

/// Runs it with pipes, as it is restored here, until it is up.
fn run_with_pipes(container: &Container) -> Outcome {
    let mut run = container.runtime(["run", "--detach", &container.id]).spawn()?;
    assert_eq!(run.wait()?.code(), Some(0), "{}", run.stderr());
    Ok(())
}

fn checkpoint(container: &Container) -> Outcome {
    criu::command_on(container, "checkpoint", &container.path("images"), &[])?.ok();
    Ok(())
}

/// `restore` with these flags; its log tells how far it is.
fn restore(container: &Container, flags: &[&str]) -> Invocation {
    let images = container.path("images").to_string_lossy().into_owned();
    let words = ["--debug", "restore", "--image-path", &images].into_iter().chain(flags.iter().copied());
    container.runtime(words.chain([container.id.as_str()])).env("PATH", criu::path())
}

/// In the foreground, up to where the processes are there.
fn attended(container: &Container, flags: &[&str]) -> Result<Running> {
    let running = restore(container, flags).spawn()?;
    running.wait_for_error("criu: post-restore")?;
    Ok(running)
}

fn is_child(process: &Process, of: i32) -> Result<bool> {
    Ok(Process::open(of)?.children()?.iter().any(|child| child.pid == process.pid))
}

/// A restore of a program that says each signal it gets.
fn restored_listener() -> Result<(Container, Fifo, Running)> {
    let (container, mut bell) = signals::listener()?;
    run_with_pipes(&container)?;
    assert_eq!(bell.line()?, "up");
    checkpoint(&container)?;
    let running = restore(&container, &[]).spawn()?;
    // One that comes before there is a program is held for it.
    running.wait_for_error("criu: setup-namespaces")?;
    running.signal(Signal::TERM)?;
    assert_eq!(bell.line()?, "got TERM");
    Ok((container, bell, running))
}

#[test]
fn signals_go_to_the_restored_program_and_its_status_is_the_restore_s() -> Outcome {
    with_criu(|| {
        let (container, mut bell, mut running) = restored_listener()?;
        for (signal, name) in [(Signal::HUP, "HUP"), (Signal::INT, "INT"), (Signal::USR1, "USR1")] {
            running.signal(signal)?;
            assert_eq!(bell.line()?, format!("got {name}"));
        }
        running.signal(Signal::USR2)?;
        assert_eq!(running.wait()?.code(), Some(9));
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}

#[test]
fn a_program_that_is_killed_is_told_as_128_and_the_signal() -> Outcome {
    with_criu(|| {
        let (container, _bell, mut running) = restored_listener()?;
        container.kill("KILL")?.ok();
        assert_eq!(running.wait()?.code(), Some(137));
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}

#[test]
fn the_restored_process_is_the_child_of_a_restore_in_the_foreground() -> Outcome {
    with_criu(|| {
        for flags in [&[][..], &["--no-subreaper"]] {
            let mut counter = Counter::new(|_| {})?;
            run_with_pipes(&counter.container)?;
            checkpoint(&counter.container)?;
            let running = attended(&counter.container, flags)?;
            counter.counts(1)?;
            assert!(is_child(&counter.container.init()?, running.pid())?, "{flags:?}");
        }
        Ok(())
    })
}

/// conmon is one.
#[test]
fn the_restored_process_of_a_detached_restore_goes_to_the_nearest_subreaper() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        run_with_pipes(&counter.container)?;
        checkpoint(&counter.container)?;
        // PR_SET_CHILD_SUBREAPER
        let script = "syscall(157, 36, 1, 0, 0, 0) == 0 or die; \
                      system(@ARGV) == 0 or exit 1; syswrite(STDOUT, 'restored'); <STDIN>";
        let reaper = restore(&counter.container, &["--detach"]).under(["perl", "-e", script]).spawn()?;
        reaper.wait_for("restored")?;
        assert!(is_child(&counter.container.init()?, reaper.pid())?);
        counter.counts(1)
    })
}

/// Its parent ends once it is asked for; orphans of the host's pid namespace have no init of a container's to go to.
fn with_orphan() -> Result<(Container, Fifo, Fifo)> {
    let container = Container::with(|config| {
        config.without_namespace("pid").shell(
            "sh -c 'tail -f /dev/null & echo $! > /answer; read go < /ask'; echo orphaned > /answer; \
             tail -f /dev/null",
        );
    })?;
    let (ask, answer) = (container.fifo("ask")?, container.fifo("answer")?);
    Ok((container, ask, answer))
}

#[test]
fn orphans_come_to_a_restore_in_the_foreground_unless_it_is_to_be_no_subreaper() -> Outcome {
    with_criu(|| {
        for (flags, adopted) in [(&[][..], true), (&["--no-subreaper"], false)] {
            let (container, mut ask, mut answer) = with_orphan()?;
            run_with_pipes(&container)?;
            let orphan: i32 = answer.line()?.parse()?;
            let before = container.processes()?;
            checkpoint(&container)?;
            // In the host's pid namespace a process comes back under its number, which must be free.
            before.iter().try_for_each(Process::wait_reaped)?;
            let mut running = attended(&container, flags)?;
            ask.ring()?;
            assert_eq!(answer.line()?, "orphaned");
            let orphan = Process::open(orphan)?;
            assert_eq!(is_child(&orphan, running.pid())?, adopted, "{flags:?}");
            // In a pid namespace of its own it would not die of it (`man 7 pid_namespaces`).
            running.signal(Signal::TERM)?;
            assert_eq!(running.wait()?.code(), Some(143), "{}", running.stderr());
            // The program's end is the container's.
            orphan.wait_gone()?;
            assert_eq!(container.leftovers()?, Vec::<String>::new());
        }
        Ok(())
    })
}

#[test]
fn a_container_whose_restore_is_killed_goes_on_and_can_be_deleted() -> Outcome {
    with_criu(|| {
        let (container, mut bell, mut running) = restored_listener()?;
        running.signal(Signal::KILL)?;
        running.wait()?;
        assert_eq!(container.status()?, "running");
        container.kill("USR1")?.ok();
        assert_eq!(bell.line()?, "got USR1");
        is_undone(&container, "once restored")
    })
}

/// Deletes it by force, twice, and claims that nothing is left.
fn is_undone(container: &Container, point: &str) -> Outcome {
    container.delete_by_force()?.ok();
    container.delete_by_force()?.ok();
    // One that saw its parent's end goes by itself.
    for process in container.processes()? {
        process.wait_gone()?;
    }
    assert_eq!(container.leftovers()?, Vec::<String>::new(), "{point}");
    Ok(())
}

#[test]
fn a_restore_can_be_killed_at_any_time() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            config.shell(SCRIPT);
        })?;
        let _bells = (container.fifo("ask")?, container.fifo("answer")?);
        run_with_pipes(&container)?;
        checkpoint(&container)?;
        let begin = Instant::now();
        restore(&container, &["--detach"]).spawn()?.wait()?;
        let whole = begin.elapsed();
        is_undone(&container, "never killed")?;
        let ways = [&[][..], &["--detach"]];
        for script in ["setup-namespaces", "post-restore"] {
            for flags in ways {
                let mut running = restore(&container, flags).spawn()?;
                running.wait_for_error(&format!("criu: {script}"))?;
                running.signal(Signal::KILL)?;
                running.wait()?;
                is_undone(&container, &format!("{flags:?} at {script}"))?;
            }
        }
        let count = rounds(20);
        for (number, flags) in (0..count).zip(ways.into_iter().cycle()) {
            let mut running = restore(&container, flags).spawn()?;
            if !Process::open(running.pid())?.ends_within(whole * number / count)? {
                running.signal(Signal::KILL)?;
            }
            running.wait()?;
            is_undone(&container, &format!("{flags:?} after {number}/{count} of {whole:?}"))?;
        }
        // The images are none the worse for it.
        let mut running = restore(&container, &["--detach"]).spawn()?;
        assert_eq!(running.wait()?.code(), Some(0), "{}", running.stderr());
        Ok(())
    })
}
