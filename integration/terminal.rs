//! Terminals: handed to a console socket, or to the person in front of `run` and `exec -t`.

use rustix::process::Signal;
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};
use serde_json::json;

use crate::support::{Config, Container, DescriptorSocket, Outcome, Terminal, is_peer, skip};

fn with_terminal(script: &str, change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell(script);
        config["process"]["terminal"] = true.into();
        change(config);
    })
}

fn socket(container: &Container) -> anyhow::Result<DescriptorSocket> {
    DescriptorSocket::listen(&container.path("console.sock"))
}

/// One command with a console socket and this container's id.
fn with_socket(
    container: &Container,
    socket: &DescriptorSocket,
    words: &[&str],
) -> anyhow::Result<crate::support::Output> {
    let path = socket.path.to_string_lossy().into_owned();
    let words: Vec<&str> = words.iter().copied().chain(["--console-socket", &path]).collect();
    container.command(&words)
}

#[test]
fn create_sends_one_message_with_the_master_of_the_terminal() -> Outcome {
    let container = with_terminal("echo hello; tty", |_| {})?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["create"])?.ok();
    let received = socket.receive()?;
    assert!(
        received.payload.starts_with("/dev/p"),
        "the payload is the terminal's name: {:?}",
        received.payload
    );
    assert!(received.is_closed()?, "one message and no more");
    let console = received.console()?;
    let init = container.init()?;
    container.start()?.ok();
    console.wait_for("hello")?;
    console.wait_for("/dev/pts/0")?;
    init.wait_gone()?;
    Ok(())
}

#[test]
fn run_detached_sends_the_terminal_too() -> Outcome {
    let container = with_terminal("stty -echo; read line; echo got $line; exec sleep 1000", |_| {})?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["run", "-d"])?.ok();
    let mut console = socket.receive()?.console()?;
    console.write("typed\n")?;
    console.wait_for("got typed")?;
    Ok(())
}

#[test]
fn all_three_streams_are_the_terminal() -> Outcome {
    let container =
        with_terminal("for n in 0 1 2; do readlink /proc/self/fd/$n; done; exec sleep 1000", |_| {})?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["run", "-d"])?.ok();
    let console = socket.receive()?.console()?;
    console.wait_for("/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0")?;
    Ok(())
}

#[test]
fn the_terminal_is_the_controlling_one_and_the_console() -> Outcome {
    let script = "echo via tty > /dev/tty; echo via console > /dev/console; stat -c %t:%T /dev/console; exec sleep 1000";
    let container = with_terminal(script, |_| {})?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["run", "-d"])?.ok();
    let console = socket.receive()?.console()?;
    console.wait_for("via tty")?;
    console.wait_for("via console")?;
    console.wait_for("88:0")?;
    Ok(())
}

#[test]
fn the_terminal_belongs_to_the_user_and_the_tty_group() -> Outcome {
    for uid in [0, 1000] {
        let container = with_terminal("stat -c owner=%u:%g $(tty); exec sleep 1000", |config| {
            config.user(uid, 100);
        })?;
        let socket = socket(&container)?;
        with_socket(&container, &socket, &["run", "-d"])?.ok();
        socket.receive()?.console()?.wait_for(&format!("owner={uid}:5"))?;
    }
    Ok(())
}

#[test]
fn the_console_has_the_size_of_the_config() -> Outcome {
    let container = with_terminal("stty size; exec sleep 1000", |config| {
        config["process"]["consoleSize"] = json!({"height": 33, "width": 99});
    })?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["run", "-d"])?.ok();
    socket.receive()?.console()?.wait_for("33 99")?;
    Ok(())
}

#[test]
fn the_receiver_of_the_master_can_resize() -> Outcome {
    let script = "trap 'stty size' WINCH; echo up; while :; do sleep 1000 & wait $! || true; done";
    let container = with_terminal(script, |_| {})?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["run", "-d"])?.ok();
    let console = socket.receive()?.console()?;
    console.wait_for("up")?;
    tcsetwinsize(&console.master, Winsize { ws_row: 12, ws_col: 34, ws_xpixel: 0, ws_ypixel: 0 })?;
    console.wait_for("12 34")?;
    Ok(())
}

#[test]
fn a_typed_interrupt_reaches_the_program() -> Outcome {
    let script = "trap 'echo interrupted' INT; echo up; while :; do sleep 1000 & wait $! || true; done";
    let container = with_terminal(script, |_| {})?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["run", "-d"])?.ok();
    let mut console = socket.receive()?.console()?;
    console.wait_for("up")?;
    console.write("\x03")?;
    console.wait_for("interrupted")?;
    Ok(())
}

#[test]
fn exec_sends_its_own_terminal() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let socket = socket(&container)?;
    let path = socket.path.to_string_lossy().into_owned();
    let flags = ["--tty", "--detach", "--console-socket", &path];
    container.exec_with(&flags, &["sh", "-c", "tty; echo hello; exec sleep 1010"])?.ok();
    let console = socket.receive()?.console()?;
    console.wait_for("hello")?;
    console.wait_for("/dev/pts/0")?;
    Ok(())
}

#[test]
fn a_process_file_sets_the_size_of_the_console() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let socket = socket(&container)?;
    let path = socket.path.to_string_lossy().into_owned();
    let process = json!({"terminal": true, "consoleSize": {"height": 10, "width": 110}, "cwd": "/",
                         "env": ["PATH=/bin"], "args": ["sh", "-c", "stty size; exec sleep 1011"]});
    container.exec_process(&["-t", "-d", "--console-socket", &path], &process)?.ok();
    socket.receive()?.console()?.wait_for("10 110")?;
    Ok(())
}

#[test]
fn a_terminal_without_a_socket_cannot_be_detached() -> Outcome {
    let refusal = "cannot allocate tty if runc will detach without setting console socket";
    let container = with_terminal("true", |_| {})?;
    container.command(&["create"])?.fails(1, refusal);
    container.command(&["run", "-d"])?.fails(1, refusal);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_socket_without_a_terminal_or_in_the_foreground_is_refused() -> Outcome {
    let refusal = "cannot use console socket if runc will not detach or allocate tty";
    let container = Container::new()?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["create"])?.fails(1, refusal);
    container.edit(|config| config["process"]["terminal"] = true.into())?;
    with_socket(&container, &socket, &["run"])?.fails(1, refusal);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_socket_that_nobody_listens_on_is_an_error_that_leaves_nothing() -> Outcome {
    let container = with_terminal("true", |_| {})?;
    let path = container.path("nobody").to_string_lossy().into_owned();
    container.command(&["create", "--console-socket", &path])?.exits(1);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_receiver_that_hangs_up_does_no_harm() -> Outcome {
    let container = with_terminal("echo hello; true", |_| {})?;
    let socket = socket(&container)?;
    with_socket(&container, &socket, &["create"])?.ok();
    // The hangup may end the waiting process, as it ends any that leads a session.
    drop(socket.receive()?);
    container.delete_by_force()?.ok();
    Ok(())
}

#[test]
fn without_a_terminal_detaching_needs_no_socket() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    container.start()?.ok();
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn a_person_gets_the_programs_terminal_and_the_old_settings_back() -> Outcome {
    let container = with_terminal("echo up; stty size; read line; echo got $line; tty", |_| {})?;
    let terminal = Terminal::open(21, 77)?;
    let before = terminal.settings()?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("21 77")?;
    assert!(terminal.is_raw()?, "while it runs, keys go to the container untouched");
    terminal.write("typed\r")?;
    terminal.wait_for("got typed")?;
    terminal.wait_for("/dev/pts/0")?;
    assert_eq!(running.wait()?.code(), Some(0));
    assert_eq!(terminal.settings()?, before);
    Ok(())
}

#[test]
fn a_persons_resizing_is_passed_on() -> Outcome {
    let script = "trap 'stty size' WINCH; echo up; while :; do sleep 1000 & wait $! || true; done";
    let container = with_terminal(script, |_| {})?;
    let terminal = Terminal::open(20, 70)?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("up")?;
    terminal.resize(13, 57)?;
    terminal.wait_for("13 57")?;
    container.kill("KILL")?.ok();
    assert_eq!(running.wait()?.code(), Some(137));
    Ok(())
}

#[test]
fn a_persons_interrupt_goes_to_the_program_not_the_runtime() -> Outcome {
    let script =
        "trap 'echo interrupted; exit 5' INT; echo up; while :; do sleep 1000 & wait $! || true; done";
    let container = with_terminal(script, |_| {})?;
    let terminal = Terminal::open(20, 70)?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("up")?;
    terminal.write("\x03")?;
    terminal.wait_for("interrupted")?;
    assert_eq!(running.wait()?.code(), Some(5));
    Ok(())
}

#[test]
fn the_settings_come_back_after_a_program_that_was_killed() -> Outcome {
    let container = with_terminal("echo up; exec sleep 1000", |_| {})?;
    let terminal = Terminal::open(20, 70)?;
    let before = terminal.settings()?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("up")?;
    container.kill("KILL")?.ok();
    running.wait()?;
    assert_eq!(terminal.settings()?, before);
    Ok(())
}

#[test]
fn the_settings_come_back_after_a_run_that_failed() -> Outcome {
    let container = with_terminal("true", |config| {
        config.args(&["/no/such/program"]);
    })?;
    let terminal = Terminal::open(20, 70)?;
    let before = terminal.settings()?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    assert_eq!(running.wait()?.code(), Some(1));
    terminal.wait_for("no such file")?;
    assert_eq!(terminal.settings()?, before);
    Ok(())
}

#[test]
fn exec_with_a_terminal_serves_a_person() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let terminal = Terminal::open(22, 66)?;
    let before = terminal.settings()?;
    let words = ["sh", "-c", "stty size; read line; echo got $line; exit 9"];
    let mut running = container.exec_invocation(&["-t"], &words).spawn_on(&terminal)?;
    terminal.wait_for("22 66")?;
    terminal.write("typed\r")?;
    terminal.wait_for("got typed")?;
    assert_eq!(running.wait()?.code(), Some(9));
    assert_eq!(terminal.settings()?, before);
    Ok(())
}

#[test]
fn the_last_output_of_a_short_program_on_a_terminal_is_never_lost() -> Outcome {
    let container = with_terminal("echo the very last words", |_| {})?;
    for _ in 0..15 {
        let terminal = Terminal::open(20, 70)?;
        let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
        assert_eq!(running.wait()?.code(), Some(0));
        terminal.wait_for("the very last words")?;
    }
    Ok(())
}

#[test]
fn a_terminal_can_be_had_though_the_caller_has_none() -> Outcome {
    if is_peer() {
        return skip("known: runc insists on /dev/tty");
    }
    let container = with_terminal("tty; stty size", |_| {})?;
    let output = container.run()?;
    output.says("/dev/pts/0");
    container.edit(|config| {
        config.args(&["sleep", "1000"]);
        config["process"]["terminal"] = false.into();
    })?;
    container.detach()?;
    container.exec_with(&["-t"], &["sh", "-c", "tty"])?.says("/dev/pts/0");
    Ok(())
}

#[test]
fn a_hangup_signal_is_passed_on_to_a_program_on_a_terminal() -> Outcome {
    let container =
        with_terminal("trap 'exit 3' HUP; echo up; while :; do sleep 1000 & wait $! || true; done", |_| {})?;
    let terminal = Terminal::open(20, 70)?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("up")?;
    running.signal(Signal::HUP)?;
    assert_eq!(running.wait()?.code(), Some(3));
    Ok(())
}

#[test]
fn a_link_in_place_of_the_console_leads_nowhere() -> Outcome {
    // CVE-2025-52565, CVE-2026-88264: /dev/console made or bound through a link of the image.
    for readonly in [false, true] {
        let container = with_terminal("exec sleep 1000", |config| {
            for place in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
                config.without_mount(place);
            }
            config.mount(
                "/dev/pts",
                "devpts",
                "devpts",
                &["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            );
            config["root"]["readonly"] = readonly.into();
        })?;
        let outside = container.path("HOST");
        std::fs::create_dir(&outside)?;
        std::os::unix::fs::symlink(outside.join("made"), container.rootfs().join("dev/console"))?;
        let socket = socket(&container)?;
        let output = with_socket(&container, &socket, &["create"])?;
        assert!(matches!(output.status(), 0 | 1), "{output}");
        assert_eq!(std::fs::read_dir(&outside)?.count(), 0, "{output}");
    }
    Ok(())
}

#[test]
fn a_program_without_a_terminal_cannot_type_for_the_caller() -> Outcome {
    // TIOCSTI into the caller's terminal needs it to be the controlling one: it must not be.
    let container = Container::with(|config| {
        config.shell("echo x > /dev/tty || echo no terminal");
    })?;
    let terminal = Terminal::open(20, 70)?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("no terminal")?;
    running.wait()?;
    Ok(())
}

#[test]
fn the_size_of_a_terminal_is_at_first_the_persons() -> Outcome {
    if is_peer() {
        return skip("known: runc copies the size after the program has begun");
    }
    let container = with_terminal("stty size", |_| {})?;
    for (rows, columns) in [(11, 40), (50, 132)] {
        let terminal = Terminal::open(rows, columns)?;
        let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
        running.wait()?;
        terminal.wait_for(&format!("{rows} {columns}"))?;
        assert_eq!(tcgetwinsize(terminal.slave()?)?.ws_row, rows);
    }
    Ok(())
}
