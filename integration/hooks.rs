//! The six hooks: when, where, with what on their standard input, and what a failing one undoes.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Config, Container, Outcome, Process, is_peer, skip};

const ALL: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
/// Those that run as the host's programs, before or after the container's root is entered.
const OF_THE_HOST: [&str; 5] = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];

/// A container whose hooks each append to a log, given by `line` for a kind of hook.
fn with_log(line: impl Fn(&str) -> String) -> anyhow::Result<Container> {
    let container = Container::new()?;
    let log = container.path("log");
    fs::write(&log, "")?;
    let log = log.to_string_lossy().into_owned();
    container.edit(|config| {
        config.mount("/log", "bind", &log, &["bind"]);
        config.shell("echo program >> /log");
        for kind in ALL {
            let place = if kind == "startContainer" { "/log" } else { &log };
            config.shell_hook(kind, &format!("{} >> {place}", line(kind)));
        }
    })?;
    Ok(container)
}

fn log_of(container: &Container) -> anyhow::Result<Vec<String>> {
    Ok(fs::read_to_string(container.path("log"))?.lines().map(str::to_string).collect())
}

/// A hook that fails; it is the second of its kind.
fn failing(config: &mut Config, kind: &str) {
    config.hook(kind, json!({"path": "/bin/true"})).hook(kind, json!({"path": "/bin/false"}));
}

#[test]
fn hooks_run_in_the_order_of_the_life_of_a_container() -> Outcome {
    if is_peer() {
        return skip("known: runc 1.5 runs poststart at the end of create");
    }
    let container = with_log(|kind| format!("echo {kind}"))?;
    container.create()?.ok();
    assert_eq!(log_of(&container)?, ["prestart", "createRuntime", "createContainer"]);
    let init = container.init()?;
    container.start()?.ok();
    init.wait_gone()?;
    let started = log_of(&container)?;
    assert_eq!(started[3], "startContainer");
    let mut both = started[4..].to_vec();
    both.sort();
    assert_eq!(both, ["poststart", "program"]);
    container.delete()?.ok();
    assert_eq!(log_of(&container)?.last().map(String::as_str), Some("poststop"));
    Ok(())
}

#[test]
fn run_runs_all_six_hooks_once() -> Outcome {
    let container = with_log(|kind| format!("echo {kind}"))?;
    container.run()?.ok();
    let mut log = log_of(&container)?;
    assert_eq!(log.last().map(String::as_str), Some("poststop"));
    log.sort();
    let mut expected: Vec<&str> = ALL.to_vec();
    expected.push("program");
    expected.sort();
    assert_eq!(log, expected);
    Ok(())
}

#[test]
fn each_hook_finds_the_state_on_its_standard_input() -> Outcome {
    let container = with_log(|_| "(cat; echo)".into())?;
    container.edit(|config| config["annotations"] = json!({"some": "note"}))?;
    container.run()?.ok();
    let log = log_of(&container)?;
    let states: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(states.len(), 6, "{log:?}");
    for state in &states {
        assert_eq!(state["id"], container.id.as_str());
        assert_eq!(state["bundle"], container.bundle().to_string_lossy().as_ref());
        assert_eq!(state["annotations"], json!({"some": "note"}));
        assert!(state["ociVersion"].as_str().is_some_and(|version| version.starts_with("1.")), "{state}");
    }
    Ok(())
}

#[test]
fn the_state_that_a_hook_sees_has_the_status_and_the_pid_of_its_moment() -> Outcome {
    if is_peer() {
        return skip("known: runc 1.5 says created to poststart");
    }
    let container = with_log(|kind| format!("echo \"{kind} $(cat)\""))?;
    container.create()?.ok();
    let init = container.init()?;
    container.start()?.ok();
    init.wait_gone()?;
    container.delete()?.ok();
    let states: Vec<(String, Value)> = log_of(&container)?
        .iter()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(kind, text)| Some((kind.to_string(), serde_json::from_str(text).ok()?)))
        .collect();
    let status = |wanted: &str| {
        let state = states.iter().find(|(kind, _)| kind == wanted).map(|(_, state)| state.clone());
        state.unwrap_or_default()
    };
    // The pid is as the hook's own pid namespace has it (runtime-spec runtime.md#state).
    for (kind, pid) in [("prestart", init.pid), ("createRuntime", init.pid), ("createContainer", 1)] {
        assert_eq!(status(kind)["status"], "creating", "{kind}");
        assert_eq!(status(kind)["pid"], pid, "{kind}");
    }
    assert_eq!(status("startContainer")["status"], "created");
    assert_eq!(status("startContainer")["pid"], 1);
    assert_eq!(status("poststart")["status"], "running");
    assert_eq!(status("poststop")["status"], "stopped");
    Ok(())
}

#[test]
fn hooks_of_the_host_run_in_the_hosts_namespaces() -> Outcome {
    let own = Process::open(std::process::id() as i32)?;
    let container = with_log(|kind| format!("echo {kind} $(readlink /proc/self/ns/mnt /proc/self/ns/net)"))?;
    container.run()?.ok();
    let log = log_of(&container)?;
    let host = format!("{} {}", own.namespace("mnt")?, own.namespace("net")?);
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        assert!(log.contains(&format!("{kind} {host}")), "{kind}: {log:?}");
    }
    for kind in ["createContainer", "startContainer"] {
        let line = log.iter().find(|line| line.starts_with(kind)).cloned().unwrap_or_default();
        assert!(!line.contains(&own.namespace("mnt")?) && !line.contains(&own.namespace("net")?), "{line}");
    }
    Ok(())
}

#[test]
fn create_container_hooks_see_the_host_and_start_container_hooks_the_container() -> Outcome {
    let container = with_log(|kind| format!("echo {kind} $(ls -d /bin/busybox /usr/share 2>/dev/null)"))?;
    container.run()?.ok();
    let log = log_of(&container)?;
    assert!(log.contains(&"createContainer /bin/busybox /usr/share".to_string()), "{log:?}");
    assert!(log.contains(&"startContainer /bin/busybox".to_string()), "{log:?}");
    Ok(())
}

#[test]
fn create_container_hooks_see_the_containers_mounts_in_place() -> Outcome {
    let container = with_log(|_| "true".into())?;
    let (rootfs, log) = (container.rootfs(), container.path("log"));
    container.edit(|config| {
        config["hooks"] = json!({});
        let script = format!("grep -c ' {}/proc ' /proc/self/mounts > {}", rootfs.display(), log.display());
        config.shell_hook("createContainer", &script);
    })?;
    container.create()?.ok();
    assert_eq!(log_of(&container)?, ["1"]);
    Ok(())
}

#[test]
fn arguments_of_a_hook_are_its_whole_argv() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
        config.hook("createRuntime", json!({"path": "/bin/busybox", "args": ["sh", "-c", "exit 7"]}));
    })?;
    container.run()?.fails(1, "createRuntime");
    container.edit(|config| {
        config["hooks"] =
            json!({"startContainer": [{"path": "/bin/busybox", "args": ["cat", "/nosuchfile"]}]});
    })?;
    let output = container.run()?;
    output.refused();
    assert!(output.text().contains("cat: can't open") && output.text().contains("/nosuchfile"), "{output}");
    Ok(())
}

#[test]
fn the_environment_of_a_hook_is_exactly_what_is_given() -> Outcome {
    let container = Container::new()?;
    let log = container.path("log").to_string_lossy().into_owned();
    container.edit(|config| {
        config.args(&["true"]).env("LD_PRELOAD=/evil.so");
        let script = format!("busybox env >> {log}");
        for kind in OF_THE_HOST {
            let hook =
                json!({"path": "/bin/busybox", "args": ["sh", "-c", script], "env": ["ONE=1", "PATH=/bin"]});
            config.hook(kind, hook);
        }
    })?;
    container.run()?.ok();
    for line in log_of(&container)? {
        // A shell adds PWD, SHLVL and _ to what it was given.
        let own = ["ONE=1", "PATH=/bin"].contains(&line.as_str());
        assert!(
            own || line.starts_with("PWD=") || line.starts_with("SHLVL=") || line.starts_with("_="),
            "{line}"
        );
    }
    assert_eq!(log_of(&container)?.iter().filter(|line| *line == "ONE=1").count(), 5);
    Ok(())
}

#[test]
fn a_start_container_hook_has_the_environment_of_the_program() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]).only_env(&["PATH=/bin", "ONE=two", "FOO=bar"]);
        config.hook("startContainer", json!({"path": "/check-env.sh"}));
    })?;
    container.script("check-env.sh", "#!/bin/sh -ue\ntest $ONE = two\ntest $FOO = bar\necho $HOME\n")?;
    container.run()?.ok();
    Ok(())
}

#[test]
fn a_start_container_hook_has_the_programs_user_and_confinement() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]).user(1000, 1001);
        config.mount("/log", "bind", "log", &["bind"]);
        let script = "grep -E '^(Uid|Gid|NoNewPrivs):' /proc/self/status > /log";
        config.shell_hook("startContainer", script);
    })?;
    fs::write(container.bundle().join("log"), "")?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(container.bundle().join("log"), fs::Permissions::from_mode(0o666))?;
    container.run()?.ok();
    let text = fs::read_to_string(container.bundle().join("log"))?;
    assert_eq!(text, "Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nNoNewPrivs:\t1\n");
    Ok(())
}

#[test]
fn a_failing_hook_of_create_undoes_it_and_is_named() -> Outcome {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let container = Container::with(|config| failing(config, kind))?;
        container.create()?.fails(1, &format!("error running {kind} hook #1:"));
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{kind}");
    }
    Ok(())
}

#[test]
fn a_failing_hook_of_run_keeps_the_program_from_running() -> Outcome {
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer"] {
        let container = Container::with(|config| {
            config.args(&["echo", "the program"]);
            failing(config, kind);
        })?;
        let output = container.run()?;
        output.refused();
        assert!(output.stderr().contains(&format!("error running {kind} hook #1:")), "{output}");
        assert_eq!(output.stdout(), "", "{kind}");
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{kind}");
    }
    Ok(())
}

#[test]
fn a_failing_poststart_hook_fails_the_run() -> Outcome {
    let container = Container::with(|config| failing(config, "poststart"))?;
    let output = container.run()?;
    output.refused();
    assert!(output.stderr().contains("error running poststart hook #1:"), "{output}");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_failing_poststop_hook_is_only_a_warning_and_the_next_ones_run() -> Outcome {
    if is_peer() {
        return skip("known: runc answers an error and stops");
    }
    let container = Container::with(|config| failing(config, "poststop"))?;
    let log = container.path("log").to_string_lossy().into_owned();
    container.edit(|config| {
        config.args(&["true"]).shell_hook("poststop", &format!("echo last > {log}"));
    })?;
    let output = container.run()?;
    output.ok();
    assert!(output.stderr().contains("level=warning") && output.stderr().contains("poststop"), "{output}");
    assert_eq!(log_of(&container)?, ["last"]);
    Ok(())
}

#[test]
fn a_hook_that_is_too_slow_is_killed_with_its_children() -> Outcome {
    if is_peer() {
        return skip("known: runc leaves the cgroup, and the hook's children");
    }
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer"] {
        let script = "sleep 1012; true";
        let container = Container::with(|config| {
            config.hook(kind, json!({"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 1}));
        })?;
        let output = container.run()?;
        output.refused();
        assert!(output.stderr().contains("hook ran past specified timeout of 1.0s"), "{kind}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{kind}");
    }
    Ok(())
}

#[test]
fn a_hook_must_be_an_absolute_path() -> Outcome {
    for path in ["true", "bin/true", ""] {
        let container = Container::with(|config| {
            config.args(&["true"]).hook("createRuntime", json!({"path": path}));
        })?;
        if is_peer() {
            return skip("known: runc takes any path");
        }
        container.run()?.exits(1);
        assert_eq!(container.leftovers()?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn a_hook_that_is_not_there_undoes_the_create() -> Outcome {
    let container = Container::with(|config| {
        config.hook("createRuntime", json!({"path": "/no/such/hook"}));
    })?;
    container.create()?.fails(1, "/no/such/hook");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_a_failing_hook_says_is_in_the_error() -> Outcome {
    let container = Container::with(|config| {
        config.shell_hook("createRuntime", "echo the reason why >&2; exit 3");
    })?;
    container.create()?.fails(1, "the reason why");
    Ok(())
}

#[test]
fn a_create_runtime_hook_can_set_up_the_network_of_the_container() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["sh", "-c", "ip link show dummy-it"]);
        let script = "pid=$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'); \
                      nsenter --net=/proc/$pid/ns/net ip link add dummy-it type veth peer name other-it";
        config.shell_hook("createRuntime", script);
    })?;
    container.run()?.says("dummy-it");
    Ok(())
}

#[test]
fn a_hook_that_does_not_read_its_input_does_no_harm() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
        config["annotations"] = json!({"long": "x".repeat(200_000)});
        for kind in ALL {
            config.hook(kind, json!({"path": "/bin/true"}));
        }
    })?;
    container.run()?.ok();
    Ok(())
}

#[test]
fn poststop_hooks_run_on_delete_by_force_too() -> Outcome {
    let container = with_log(|kind| format!("echo {kind}"))?;
    container.edit(|config| {
        config.args(&["sleep", "1000"]);
    })?;
    container.detach()?;
    container.delete_by_force()?.ok();
    assert_eq!(log_of(&container)?.last().map(String::as_str), Some("poststop"));
    Ok(())
}
