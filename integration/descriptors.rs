//! Which descriptors cross into the container: standard streams, those asked for, and no other.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Container, Outcome, Output, is_peer, skip};

/// What a careless caller may leave open: files and directories of the host.
const HOSTILE: &str = "exec 5</etc 7</etc/passwd 9</ 20</sys/fs/cgroup 31>/dev/null";

/// Prints the descriptors of the shell itself, by number, without opening any.
const LIST: &str = "for n in $(seq 0 40); do [ ! -L /proc/self/fd/$n ] || echo $n; done";

fn lister() -> anyhow::Result<Container> {
    Container::with(|config| {
        config.args(&["sh", "-c", LIST]);
    })
}

/// The numbers that the shell printed.
#[track_caller]
fn inherited(output: &Output) -> Vec<u32> {
    output.ok().lines().iter().filter_map(|line| line.parse().ok()).collect()
}

fn run_with(container: &Container, flags: &[&str], set_up: &str) -> anyhow::Result<Output> {
    let words = ["run"].iter().chain(flags).copied().chain([container.id.as_str()]);
    container.runtime(words).after(set_up).output()
}

#[test]
fn the_program_has_standard_streams_and_nothing_else() -> Outcome {
    let container = lister()?;
    assert_eq!(inherited(&run_with(&container, &[], HOSTILE)?), [0, 1, 2]);
    Ok(())
}

#[test]
fn an_exec_has_standard_streams_and_nothing_else() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let output = container.exec_invocation(&[], &["sh", "-c", LIST]).after(HOSTILE).output()?;
    assert_eq!(inherited(&output), [0, 1, 2]);
    Ok(())
}

#[test]
fn a_detached_program_has_standard_streams_and_nothing_else() -> Outcome {
    let container = Container::new()?;
    let words = ["run", "-d", &container.id];
    container.runtime(words).after(HOSTILE).output()?.ok();
    let numbers: Vec<i32> = container.init()?.descriptors()?.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    Ok(())
}

#[test]
fn a_created_container_holds_nothing_of_the_host() -> Outcome {
    if is_peer() {
        return skip("known: runc's init keeps a handle of its own");
    }
    let container = Container::new()?;
    let words = ["create", &container.id];
    container.runtime(words).after(HOSTILE).output()?.ok();
    let state = container.state_directory().to_string_lossy().into_owned();
    for (number, target) in container.init()?.descriptors()? {
        let of_no_place = ["socket:[", "pipe:[", "anon_inode:", "/memfd:", "/dev/null"];
        let allowed = number <= 2
            || of_no_place.iter().any(|kind| target.starts_with(kind))
            || target.starts_with(&state)
            || ["/", "/proc", "/exec.fifo"].contains(&target.as_str());
        assert!(allowed, "descriptor {number} leads to {target}");
    }
    Ok(())
}

#[test]
fn no_descriptor_of_a_created_container_leads_to_a_directory_of_the_host() -> Outcome {
    let container = Container::new()?;
    let words = ["create", &container.id];
    container.runtime(words).after(HOSTILE).output()?.ok();
    let pid = container.init()?.pid;
    for (number, target) in container.init()?.descriptors()? {
        let through = format!("/proc/{pid}/fd/{number}/etc/hostname");
        assert!(fs::metadata(&through).is_err(), "descriptor {number} ({target}) shows the host");
    }
    Ok(())
}

#[test]
fn descriptors_that_are_asked_for_are_passed() -> Outcome {
    let container = lister()?;
    let set_up = "exec 3</etc/hostname 4</etc/passwd 5</etc/group 7</etc";
    assert_eq!(inherited(&run_with(&container, &["--preserve-fds", "2"], set_up)?), [0, 1, 2, 3, 4]);
    Ok(())
}

#[test]
fn a_passed_descriptor_is_the_callers_own_file() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["sh", "-c", "cat <&4"]);
    })?;
    fs::write(container.path("note"), "a note\n")?;
    let set_up = format!("exec 3</dev/null 4<{}", container.path("note").display());
    run_with(&container, &["--preserve-fds=2"], &set_up)?.prints("a note");
    Ok(())
}

#[test]
fn exec_passes_descriptors_too() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    fs::write(container.path("note"), "a note\n")?;
    let set_up = format!("exec 3</dev/null 4<{}", container.path("note").display());
    let words = ["cat", "/proc/self/fd/4"];
    let invocation = container.exec_invocation(&["--preserve-fds=2"], &words).after(&set_up);
    invocation.output()?.prints("a note");
    Ok(())
}

#[test]
fn create_passes_descriptors_to_the_program_of_start() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["sh", "-c", "cat <&3"]);
    })?;
    fs::write(container.path("note"), "a note\n")?;
    let words = ["create", "--preserve-fds", "1", &container.id];
    let set_up = format!("exec 3<{}", container.path("note").display());
    let created = container.runtime(words).after(&set_up).output()?;
    created.ok();
    let init = container.init()?;
    container.start()?.ok();
    init.wait_gone()?;
    created.prints("a note");
    Ok(())
}

#[test]
fn asking_for_a_descriptor_that_is_not_there_is_an_error() -> Outcome {
    if is_peer() {
        return skip("known: runc takes its own descriptors for the caller's");
    }
    let container = lister()?;
    let output = run_with(&container, &["--preserve-fds", "3"], "exec 3</dev/null 4<&- 5<&-")?;
    output.exits(1);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn sockets_of_listen_fds_are_passed_with_their_variables() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["sh", "-c", &format!("echo $LISTEN_FDS $LISTEN_PID; {LIST}")]);
    })?;
    let words = ["run", &container.id];
    let set_up = "export LISTEN_PID=$$ LISTEN_FDS=2; exec 3</dev/null 4</dev/null 5</etc";
    let output = container.runtime(words).after(set_up).output()?;
    assert_eq!(output.ok().lines()[0], "2 1");
    assert_eq!(inherited(&output), [0, 1, 2, 3, 4]);
    Ok(())
}

#[test]
fn preserved_descriptors_come_after_those_of_listen_fds() -> Outcome {
    let container = lister()?;
    let words = ["run", "--preserve-fds", "1", &container.id];
    let set_up = "export LISTEN_PID=$$ LISTEN_FDS=1; exec 3</dev/null 4</dev/null 5</etc";
    let output = container.runtime(words).after(set_up).output()?;
    assert_eq!(inherited(&output), [0, 1, 2, 3, 4]);
    Ok(())
}

#[test]
fn exec_takes_no_notice_of_listen_fds() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let words = ["exec", "--preserve-fds", "1", &container.id, "sh", "-c"];
    let set_up = "export LISTEN_PID=$$ LISTEN_FDS=1; exec 3</dev/null 4</dev/null";
    let command = format!("echo \"LISTEN_FDS: $LISTEN_FDS.\"; {LIST}");
    let output = container.runtime(words).arg(command).after(set_up).output()?;
    assert_eq!(output.ok().lines()[0], "LISTEN_FDS: .");
    assert_eq!(inherited(&output), [0, 1, 2, 3]);
    Ok(())
}

#[test]
fn a_listen_fds_without_descriptors_is_an_error() -> Outcome {
    if is_peer() {
        return skip("known: runc starts it all the same");
    }
    let container = lister()?;
    let words = ["run", &container.id];
    for value in ["999", "-1", "x"] {
        let set_up = format!("export LISTEN_PID=$$ LISTEN_FDS={value}");
        let output = container.runtime(words).after(&set_up).output()?;
        assert!(output.status() == 1 || inherited(&output) == [0, 1, 2], "{value}: {output}");
    }
    Ok(())
}

#[test]
fn hooks_have_standard_streams_and_nothing_else() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves some to its createContainer hooks");
    }
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let place = container.path("descriptors");
    let script = format!("exec >> {}; {LIST}", place.display());
    let hook = serde_json::json!({"path": "/bin/busybox", "args": ["sh", "-c", script]});
    let kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
    container.edit(|config| {
        for kind in kinds {
            config.hook(kind, hook.clone());
        }
    })?;
    run_with(&container, &[], HOSTILE)?.ok();
    let text = fs::read_to_string(&place)?;
    let numbers: Vec<&str> = text.lines().collect();
    assert_eq!(numbers, ["0", "1", "2"].repeat(kinds.len()), "{text}");
    Ok(())
}

#[test]
fn standard_streams_that_are_closed_become_nothing_of_the_runtimes_own() -> Outcome {
    let container = Container::new()?;
    let words = ["run", "-d", &container.id];
    let output = container.runtime(words).after("exec 0<&- 1>&- 2>&-").output()?;
    if output.status() != 0 {
        return Ok(());
    }
    let own = container.path("").to_string_lossy().into_owned();
    for (number, target) in container.init()?.descriptors()? {
        let harmless = number <= 2 && !target.starts_with(&own) && !target.starts_with("/sys");
        assert!(harmless, "descriptor {number} leads to {target}");
    }
    Ok(())
}

#[test]
fn a_hostile_environment_does_not_reach_the_loader_of_the_program() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["env"]);
    })?;
    let words = ["run", &container.id];
    let invocation = container.runtime(words).env("LD_PRELOAD", "/evil.so").env("GCONV_PATH", "/evil");
    let output = invocation.output()?;
    assert!(!output.ok().stdout().contains("evil"), "{output}");
    Ok(())
}

#[test]
fn a_null_device_of_the_hosts_is_not_handed_to_the_program() -> Outcome {
    // By a descriptor of it, root in the container could close it to everybody on the host.
    if is_peer() {
        return skip("known: a program that runc runs in the foreground has pipes");
    }
    let script =
        "chmod 600 /proc/self/fd/0; chmod 600 /proc/self/fd/2; stat -c %a /dev/null; echo x >&2; cat";
    let container = Container::with(|config| {
        config.args(&["sh", "-c", script]);
    })?;
    let node = container.path("null");
    let set_up = format!("mknod -m 666 {0} c 1 3; exec 0<{0} 2>{0}", node.display());
    run_with(&container, &[], &set_up)?.prints("600");
    assert_eq!(fs::metadata(&node)?.permissions().mode() & 0o777, 0o666);
    Ok(())
}

#[test]
fn what_is_no_null_device_is_not_put_in_a_streams_place() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
        config["linux"]["devices"] =
            serde_json::json!([{"path": "/dev/null", "type": "c", "major": 1, "minor": 5}]);
    })?;
    let output = run_with(&container, &[], "exec </dev/null")?;
    output.exits(1);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}
