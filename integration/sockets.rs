//! What the runtime tells others over sockets: a pidfd, and readiness.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::thread::JoinHandle;

use rustix::process::{Signal, pidfd_send_signal};

use crate::support::{Container, DescriptorSocket, Outcome, Process, cgroup, deadline, is_peer, skip};

fn listen(container: &Container) -> anyhow::Result<DescriptorSocket> {
    DescriptorSocket::listen(&container.path("pidfd.sock"))
}

#[test]
fn create_and_run_send_a_pidfd_of_the_first_process() -> Outcome {
    for command in [&["create"][..], &["run", "-d"][..]] {
        let container = Container::new()?;
        let socket = listen(&container)?;
        let path = socket.path.to_string_lossy().into_owned();
        let words: Vec<&str> = command.iter().copied().chain(["--pidfd-socket", &path]).collect();
        container.command(&words)?.ok();
        let received = socket.receive()?;
        assert_eq!(received.payload.trim_end_matches('\0'), "standard");
        let init = container.init()?;
        pidfd_send_signal(received.one()?, Signal::KILL)?;
        init.wait_gone()?;
        assert_eq!(container.status()?, "stopped");
    }
    Ok(())
}

#[test]
fn an_annotation_asks_for_a_pidfd_as_the_flag_does() -> Outcome {
    if is_peer() {
        return skip("runc knows no annotations of crun");
    }
    let container = Container::new()?;
    let socket = listen(&container)?;
    container.edit(|config| {
        config["annotations"] = serde_json::json!({"run.oci.pidfd_receiver": socket.path});
    })?;
    container.command(&["create"])?.ok();
    let received = socket.receive()?;
    let init = container.init()?;
    pidfd_send_signal(received.one()?, Signal::KILL)?;
    init.wait_gone()?;
    Ok(())
}

#[test]
fn exec_sends_a_pidfd_of_its_own_process() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let socket = listen(&container)?;
    let path = socket.path.to_string_lossy().into_owned();
    container.exec_with(&["-d", "--pid-file", "pid", "--pidfd-socket", &path], &["sleep", "1015"])?.ok();
    let received = socket.receive()?;
    assert_eq!(received.payload.trim_end_matches('\0'), "setns");
    let pid: i32 = std::fs::read_to_string(container.bundle().join("pid"))?.parse()?;
    let process = Process::open(pid)?;
    pidfd_send_signal(received.one()?, Signal::KILL)?;
    process.wait_gone()?;
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn a_pidfd_socket_that_nobody_listens_on_is_an_error_that_leaves_nothing() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves its state directory");
    }
    let container = Container::new()?;
    let path = container.path("nobody").to_string_lossy().into_owned();
    container.command(&["create", "--pidfd-socket", &path])?.exits(1);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_socket_path_longer_than_a_socket_address_is_an_answer_and_no_crash() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves its state directory");
    }
    let container = Container::new()?;
    let path = format!("/tmp/{}", "x".repeat(200));
    container.command(&["create", "--pidfd-socket", &path])?.exits(1);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

/// A service manager: a socket for NOTIFY_SOCKET, and all that comes to it, read on a thread until "END".
struct Manager {
    path: PathBuf,
    reader: JoinHandle<std::io::Result<Vec<String>>>,
}

impl Manager {
    fn listen(container: &Container) -> anyhow::Result<Self> {
        let path = container.path("notify.sock");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(deadline()))?;
        let reader = std::thread::spawn(move || {
            let mut lines = Vec::new();
            let mut buffer = [0; 1024];
            loop {
                // A descriptor that comes along (of a BARRIER=1) is closed by being left out.
                let count = socket.recv(&mut buffer)?;
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                if text == "END" {
                    return Ok(lines);
                }
                lines.extend(text.lines().map(str::to_string));
            }
        });
        Ok(Self { path, reader })
    }

    /// Everything that came.
    fn end(self) -> anyhow::Result<Vec<String>> {
        UnixDatagram::unbound()?.send_to(b"END", &self.path)?;
        Ok(self.reader.join().expect("no panic")?)
    }
}

#[test]
fn the_program_finds_the_notify_socket_below_run() -> Outcome {
    if is_peer() {
        return skip("known: runc waits for ever for a program that ends without a word");
    }
    let container = Container::with(|config| {
        config.shell(
            "echo $NOTIFY_SOCKET; test -S $NOTIFY_SOCKET; touch /run/notify/x 2>/dev/null || echo read-only",
        );
    })?;
    let manager = Manager::listen(&container)?;
    let words = ["run", "-d", &container.id];
    let output = container.runtime(words).env("NOTIFY_SOCKET", &manager.path).output()?;
    assert_eq!(output.stdout(), "/run/notify/notify.sock\nread-only", "{output}");
    manager.end()?;
    Ok(())
}

#[test]
fn readiness_is_relayed_with_the_main_pid() -> Outcome {
    let container = Container::with(|config| {
        config.shell("echo up > /bell; exec sleep 1000");
    })?;
    let mut bell = container.fifo("bell")?;
    let manager = Manager::listen(&container)?;
    container.runtime(["create", &container.id]).env("NOTIFY_SOCKET", &manager.path).output()?.ok();
    let pid = container.init()?.pid;
    let mut start =
        container.runtime(["start", &container.id]).env("NOTIFY_SOCKET", &manager.path).spawn()?;
    assert_eq!(bell.line()?, "up");
    // The test plays the service too: it sends to the socket through the container's root directory.
    let (service, inside) = (UnixDatagram::unbound()?, format!("/proc/{pid}/root/run/notify/notify.sock"));
    service.send_to(b"STATUS=warming up\n", &inside)?;
    service.send_to(b"READY=1\n", &inside)?;
    assert!(start.wait()?.success(), "{}", start.stderr());
    let lines = manager.end()?;
    assert!(lines.contains(&"READY=1".to_string()), "{lines:?}");
    assert!(lines.contains(&format!("MAINPID={pid}")), "{lines:?}");
    Ok(())
}

#[test]
fn start_does_not_wait_for_a_notify_socket_that_is_not_there() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    container.start()?.ok();
    Ok(())
}

#[test]
fn a_very_long_root_path_is_no_hindrance() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let root = container.path(&format!("{}/{}", "long".repeat(30), "deep".repeat(30)));
    std::fs::create_dir_all(&root)?;
    let root = root.to_string_lossy().into_owned();
    container.runtime(["--root", &root, "run", &container.id]).output()?.ok();
    Ok(())
}

#[test]
fn exec_to_a_sub_cgroup_has_a_pidfd_too() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids"]) {
        return skip(&reason);
    }
    let container = Container::new()?;
    container.detach()?;
    let below = cgroup::v1("pids", &container.cgroup).join("below");
    std::fs::create_dir(&below)?;
    let socket = listen(&container)?;
    let path = socket.path.to_string_lossy().into_owned();
    let flags = ["-d", "--cgroup", "pids:below", "--pidfd-socket", &path];
    container.exec_with(&flags, &["sleep", "1016"])?.ok();
    let pids = cgroup::processes(&below)?;
    assert_eq!(pids.len(), 1);
    let process = Process::open(pids[0])?;
    pidfd_send_signal(socket.receive()?.one()?, Signal::KILL)?;
    process.wait_gone()?;
    assert_eq!(container.status()?, "running");
    Ok(())
}
