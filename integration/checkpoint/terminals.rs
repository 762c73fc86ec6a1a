//! Terminals: the container's own, by a socket or at the caller's; and the caller's, as standard streams.

use crate::support::criu::{command_on, with_criu};
use crate::support::{Container, DescriptorSocket, Invocation, Outcome, Terminal, criu};

const ECHO: &str = "stty -echo; i=0; while read line; do i=$((i+1)); echo line $i $line; done; exit 7";

fn with_own_terminal() -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell(ECHO);
        config["process"]["terminal"] = true.into();
    })
}

/// `restore` of what is in `images`, with these flags.
fn restore(container: &Container, flags: &[&str]) -> Invocation {
    criu::invocation(container, "restore", &container.path("images"), flags)
}

#[test]
fn a_terminal_comes_back_by_the_console_socket() -> Outcome {
    with_criu(|| {
        let container = with_own_terminal()?;
        let socket = DescriptorSocket::listen(&container.path("console.sock"))?;
        let path = socket.path.to_string_lossy().into_owned();
        container.command(&["run", "--detach", "--console-socket", &path])?.ok();
        let mut console = socket.receive()?.console()?;
        console.write("one\n")?;
        console.wait_for("line 1 one")?;
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.ok();
        // Nobody could have the terminal: that is said before anything is made.
        restore(&container, &["--detach"]).output()?.fails(1, "without setting console socket");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        restore(&container, &["--detach", "--console-socket", &path]).output()?.ok();
        let mut console = socket.receive()?.console()?;
        console.write("two\n")?;
        console.wait_for("line 2 two")?;
        Ok(())
    })
}

#[test]
fn a_terminal_comes_back_in_the_foreground_at_the_caller_s() -> Outcome {
    with_criu(|| {
        let container = with_own_terminal()?;
        let here = Terminal::open(24, 80)?;
        let settings = here.settings()?;
        let mut run = container.runtime(["run", &container.id]).spawn_on(&here)?;
        here.write("one\n")?;
        here.wait_for("line 1 one")?;
        command_on(&container, "checkpoint", &container.path("images"), &[])?.ok();
        run.wait()?;
        assert_eq!(here.settings()?, settings);

        let there = Terminal::open(30, 100)?;
        let settings = there.settings()?;
        let mut restored = restore(&container, &[]).spawn_on(&there)?;
        there.write("two\n")?;
        there.wait_for("line 2 two")?;
        assert!(there.is_raw()?, "keys go to the container's terminal");
        container.exec_shell("stty size < /proc/1/fd/0")?.prints("30 100");
        // End of file, by the container's line discipline.
        there.write("\u{4}")?;
        assert_eq!(restored.wait()?.code(), Some(7), "the program's status");
        assert_eq!(there.settings()?, settings, "the terminal is the caller's again");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}

#[test]
fn standard_streams_that_were_the_caller_s_terminal_are_replaced_by_the_next_one_s() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            config.shell(ECHO.trim_start_matches("stty -echo; "));
        })?;
        let here = Terminal::open(24, 80)?;
        let mut run = container.runtime(["run", &container.id]).spawn_on(&here)?;
        here.write("one\n")?;
        here.wait_for("line 1 one")?;
        command_on(&container, "checkpoint", &container.path("images"), &[])?.ok();
        run.wait()?;
        restore(&container, &["--detach"]).output()?.fails(1, "standard input was a terminal");

        let there = Terminal::open(24, 80)?;
        let mut restored = restore(&container, &[]).spawn_on(&there)?;
        there.write("two\n")?;
        there.wait_for("line 2 two")?;
        there.write("\u{4}")?;
        assert_eq!(restored.wait()?.code(), Some(7));
        Ok(())
    })
}

/// One that the program has as another descriptor is nobody's business but the caller's.
#[test]
fn a_terminal_of_a_session_outside_is_saved_where_that_is_allowed() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            config.shell("echo up >&3; while read line; do :; done < /never");
        })?;
        let _never = container.fifo("never")?;
        let here = Terminal::open(24, 80)?;
        let run = container.runtime(["run", "--detach", "--preserve-fds", "1", &container.id]);
        // Standard streams are not terminals here, descriptor 3 is.
        let mut run = run.after("exec 3<>$(tty) </dev/null >/dev/null 2>/dev/null").spawn_on(&here)?;
        assert_eq!(run.wait()?.code(), Some(0));
        here.wait_for("up")?;
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.fails(1, "--shell-job");
        assert_eq!(container.status()?, "running");
        command_on(&container, "checkpoint", &images, &["--shell-job", "--leave-running"])?.ok();
        assert_eq!(container.status()?, "running");
        Ok(())
    })
}
