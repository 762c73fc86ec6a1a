//! `kill`, and the signals that `run` passes on.

use rustix::process::Signal;

use crate::support::{Container, Outcome, Running};

/// A program that says each signal it gets; it ends with 9 at USR2.
const LISTENER: &str = "for s in HUP INT TERM USR1 QUIT WINCH CONT; do trap \"echo got $s > /bell\" $s; done; \
                        trap 'exit 9' USR2; echo up > /bell; while :; do sleep 1000 & wait $! || true; done";

pub fn listener() -> anyhow::Result<(Container, crate::support::Fifo)> {
    let container = Container::with(|config| {
        config.shell(LISTENER);
    })?;
    let bell = container.fifo("bell")?;
    Ok((container, bell))
}

#[test]
fn kill_sends_the_signal_that_is_named_in_any_form() -> Outcome {
    let (container, mut bell) = listener()?;
    container.detach()?;
    assert_eq!(bell.line()?, "up");
    let forms = [
        ("TERM", "TERM"),
        ("SIGTERM", "TERM"),
        ("term", "TERM"),
        ("sigusr1", "USR1"),
        ("15", "TERM"),
        ("1", "HUP"),
        ("HUP", "HUP"),
        ("10", "USR1"),
        ("INT", "INT"),
    ];
    for (form, expected) in forms {
        container.kill(form)?.ok();
        assert_eq!(bell.line()?, format!("got {expected}"), "{form}");
    }
    Ok(())
}

#[test]
fn kill_sends_term_if_nothing_is_named() -> Outcome {
    let (container, mut bell) = listener()?;
    container.detach()?;
    bell.line()?;
    container.command(&["kill"])?.ok();
    assert_eq!(bell.line()?, "got TERM");
    Ok(())
}

#[test]
fn kill_with_an_unknown_signal_is_an_error() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    for signal in ["BADSIG", "SIGMOON", "x", "TERM2"] {
        let output = container.kill(signal)?;
        output.fails(1, "unknown signal").fails(1, signal);
    }
    for number in ["65", "4096", "99999999999"] {
        container.kill(number)?.exits(1);
    }
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn kill_of_a_stopped_container_is_an_error_but_not_with_all() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.stop()?;
    container.kill("KILL")?.fails(1, "container not running");
    container.kill("0")?.fails(1, "container not running");
    for flag in ["--all", "-a"] {
        container.runtime(["kill", flag, &container.id, "KILL"]).output()?.ok();
    }
    Ok(())
}

#[test]
fn signal_0_only_asks_whether_it_runs() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.kill("0")?.ok();
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn kill_ends_a_created_container() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    container.stop()?;
    assert_eq!(container.status()?, "stopped");
    container.delete()?.ok();
    Ok(())
}

#[test]
fn kill_all_is_taken_with_a_running_container() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let init = container.init()?;
    container.runtime(["kill", "--all", &container.id, "KILL"]).output()?.ok();
    init.wait_gone()?;
    Ok(())
}

fn in_the_foreground() -> anyhow::Result<(Container, crate::support::Fifo, Running)> {
    let (container, mut bell) = listener()?;
    let running = container.runtime(["run", &container.id]).spawn()?;
    assert_eq!(bell.line()?, "up");
    Ok((container, bell, running))
}

#[test]
fn run_passes_signals_on_to_the_program() -> Outcome {
    let (_container, mut bell, mut running) = in_the_foreground()?;
    let signals = [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::USR1, "USR1"),
        (Signal::QUIT, "QUIT"),
        (Signal::CONT, "CONT"),
    ];
    for (signal, name) in signals {
        running.signal(signal)?;
        assert_eq!(bell.line()?, format!("got {name}"));
    }
    running.signal(Signal::USR2)?;
    assert_eq!(running.wait()?.code(), Some(9));
    Ok(())
}

#[test]
fn a_signal_before_the_program_runs_is_not_lost_and_never_hangs() -> Outcome {
    for _ in 0..10 {
        let container = Container::with(|config| {
            config.args(&["true"]);
        })?;
        let mut running = container.runtime(["run", &container.id]).spawn()?;
        running.signal(Signal::USR1)?;
        running.wait()?;
    }
    Ok(())
}

#[test]
fn a_run_that_is_killed_leaves_a_container_that_can_be_deleted() -> Outcome {
    let (container, _bell, mut running) = in_the_foreground()?;
    running.signal(Signal::KILL)?;
    running.wait()?;
    container.delete_by_force()?.ok();
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_stopped_and_continued_run_goes_on() -> Outcome {
    let (_container, mut bell, mut running) = in_the_foreground()?;
    running.signal(Signal::STOP)?;
    running.signal(Signal::CONT)?;
    assert_eq!(bell.line()?, "got CONT");
    running.signal(Signal::USR2)?;
    assert_eq!(running.wait()?.code(), Some(9));
    Ok(())
}

#[test]
fn children_that_the_runtime_inherits_do_not_end_a_run() -> Outcome {
    // The caller's shell leaves a child of its own to the process that becomes the runtime.
    let container = Container::with(|config| {
        config.shell("read line; exit 6");
    })?;
    let invocation = container.runtime(["run", &container.id]).after("true & sleep 0 & true");
    let mut running = invocation.spawn()?;
    running.write("go\n")?;
    assert_eq!(running.wait()?.code(), Some(6));
    Ok(())
}
