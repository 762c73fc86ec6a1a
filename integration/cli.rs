//! The command line itself: help, version, features, spec, and flags in every form that callers use.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Container, Invocation, Outcome, is_peer, skip};

#[test]
fn the_version_has_the_lines_that_callers_parse() -> Outcome {
    for flag in ["--version", "-v"] {
        let output = Invocation::runtime([flag]).output()?;
        let lines = output.ok().lines();
        let first: Vec<&str> = lines[0].split(' ').collect();
        assert_eq!(first[1], "version", "{output}");
        assert!(
            first[2].split('.').count() >= 3 && first[2].starts_with(|c: char| c.is_ascii_digit()),
            "{output}"
        );
        assert!(lines.iter().any(|line| line.starts_with("commit: ")), "{output}");
        assert!(lines.iter().any(|line| line.starts_with("spec: 1.")), "{output}");
        assert!(lines.iter().any(|line| line.starts_with("libseccomp: ")), "{output}");
    }
    Ok(())
}

#[test]
fn help_names_every_command() -> Outcome {
    for flag in ["--help", "-h"] {
        let output = Invocation::runtime([flag]).output()?;
        for command in [
            "create",
            "start",
            "run",
            "exec",
            "kill",
            "delete",
            "state",
            "list",
            "ps",
            "pause",
            "resume",
            "spec",
            "features",
            "events",
            "update",
            "checkpoint",
            "restore",
        ] {
            output.says(command);
        }
        for option in ["--root", "--log", "--log-format", "--debug", "--systemd-cgroup", "--rootless"] {
            output.says(option);
        }
    }
    Ok(())
}

#[test]
fn every_command_has_help() -> Outcome {
    for command in [
        "create",
        "start",
        "run",
        "exec",
        "kill",
        "delete",
        "state",
        "list",
        "ps",
        "pause",
        "resume",
        "spec",
        "features",
        "events",
        "update",
        "checkpoint",
        "restore",
    ] {
        Invocation::runtime([command, "--help"]).output()?.says(command);
    }
    Ok(())
}

#[test]
fn help_of_a_command_names_each_of_its_flags() -> Outcome {
    let flags: [(&str, &[&str]); 6] = [
        (
            "create",
            &[
                "--bundle",
                "--console-socket",
                "--pidfd-socket",
                "--pid-file",
                "--no-pivot",
                "--no-new-keyring",
                "--preserve-fds",
            ],
        ),
        (
            "run",
            &[
                "--bundle",
                "--console-socket",
                "--pidfd-socket",
                "--detach",
                "--keep",
                "--pid-file",
                "--no-subreaper",
                "--no-pivot",
                "--no-new-keyring",
                "--preserve-fds",
            ],
        ),
        (
            "exec",
            &[
                "--console-socket",
                "--pidfd-socket",
                "--cwd",
                "--env",
                "--tty",
                "--user",
                "--additional-gids",
                "--process",
                "--detach",
                "--pid-file",
                "--process-label",
                "--apparmor",
                "--no-new-privs",
                "--cap",
                "--preserve-fds",
                "--cgroup",
                "--ignore-paused",
            ],
        ),
        ("delete", &["--force"]),
        ("list", &["--format", "--quiet"]),
        ("spec", &["--bundle", "--rootless"]),
    ];
    for (command, names) in flags {
        let output = Invocation::runtime([command, "--help"]).output()?;
        for name in names {
            output.says(name);
        }
    }
    Ok(())
}

#[test]
fn an_unknown_command_or_flag_is_an_error() -> Outcome {
    for words in [vec!["moon"], vec!["--moon", "list"], vec!["list", "--moon"], vec!["run", "--moon", "x"]] {
        let output = Invocation::runtime(&words).output()?;
        assert!(matches!(output.status(), 1 | 3), "{words:?}: {output}");
        assert!(output.text().contains("moon"), "{output}");
    }
    Ok(())
}

#[test]
fn long_flags_are_taken_with_one_dash_or_two_and_with_or_without_a_sign() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let (bundle, root) = (container.bundle(), container.state_root());
    let (bundle, root) = (bundle.to_string_lossy(), root.to_string_lossy());
    let forms = [
        vec![format!("--root={root}"), "run".into(), format!("--bundle={bundle}")],
        vec![format!("-root={root}"), "run".into(), format!("-bundle={bundle}")],
        vec!["-root".into(), root.to_string(), "run".into(), "-bundle".into(), bundle.to_string()],
        vec!["--root".into(), root.to_string(), "run".into(), "-b".into(), bundle.to_string()],
        vec!["--root".into(), root.to_string(), "run".into(), "-no-subreaper".into(), format!("-b={bundle}")],
    ];
    for form in forms {
        Invocation::runtime(form).arg(&container.id).from("/").output()?.ok();
    }
    Ok(())
}

#[test]
fn flags_of_containerd_and_conmon_are_taken_as_they_come() -> Outcome {
    let container = Container::new()?;
    let log = container.path("log.json").to_string_lossy().into_owned();
    let (bundle, pid) = (
        container.bundle().to_string_lossy().into_owned(),
        container.path("pid").to_string_lossy().into_owned(),
    );
    let global = ["--log", &log, "--log-format", "json"];
    let with = |words: &[&str]| container.runtime(global.iter().chain(words).copied()).from("/").output();
    with(&["create", "--bundle", &bundle, "--pid-file", &pid, &container.id])?.ok();
    with(&["start", &container.id])?.ok();
    with(&["ps", "--format", "json", &container.id])?.ok();
    with(&["kill", "--all", &container.id, "9"])?.ok();
    with(&["delete", "--force", &container.id])?.ok();
    assert_eq!(fs::read_to_string(&log).unwrap_or_default(), "", "nothing went wrong, so nothing is said");
    Ok(())
}

#[test]
fn rootless_is_auto_true_or_false() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    for value in ["auto", "false"] {
        container.runtime([&format!("--rootless={value}"), "run", &container.id]).output()?.ok();
    }
    container.runtime(["--rootless=maybe", "run", &container.id]).output()?.exits(1);
    Ok(())
}

#[test]
fn spec_writes_a_config_that_runs() -> Outcome {
    let container = Container::new()?;
    fs::remove_file(container.bundle().join("config.json"))?;
    container.runtime(["spec"]).output()?.ok();
    container.edit(|config| {
        config.args(&["echo", "hello"]);
        config["process"]["terminal"] = false.into();
        config["linux"]["cgroupsPath"] = container.cgroup.clone().into();
    })?;
    container.run()?.prints("hello");
    Ok(())
}

#[test]
fn spec_asks_for_a_shell_on_a_terminal_in_a_read_only_root() -> Outcome {
    let directory = tempfile::tempdir()?;
    Invocation::runtime(["spec"]).from(directory.path()).output()?.ok();
    let config: Value = serde_json::from_slice(&fs::read(directory.path().join("config.json"))?)?;
    assert_eq!(config["process"]["args"], json!(["sh"]));
    assert_eq!(config["process"]["terminal"], true);
    assert_eq!(config["process"]["noNewPrivileges"], true);
    assert_eq!(config["root"], json!({"path": "rootfs", "readonly": true}));
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    assert_eq!(config["process"]["capabilities"]["bounding"], capabilities);
    assert_eq!(config["process"]["capabilities"].get("inheritable"), None);
    let kinds: Vec<_> =
        config["linux"]["namespaces"].as_array().into_iter().flatten().map(|one| &one["type"]).collect();
    for kind in ["pid", "network", "ipc", "uts", "mount"] {
        assert!(kinds.contains(&&json!(kind)), "{kinds:?}");
    }
    let masked = config["linux"]["maskedPaths"].as_array().map(Vec::len);
    assert!(masked.is_some_and(|count| count >= 8));
    Ok(())
}

#[test]
fn spec_writes_to_the_bundle_that_is_named_and_over_nothing() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().to_string_lossy().into_owned();
    for flag in ["--bundle", "-b"] {
        Invocation::runtime(["spec", flag, &path]).output()?.ok();
        Invocation::runtime(["spec", flag, &path]).output()?.fails(1, "Remove it first");
        fs::remove_file(directory.path().join("config.json"))?;
    }
    Ok(())
}

#[test]
fn spec_for_the_rootless_has_a_user_namespace() -> Outcome {
    let directory = tempfile::tempdir()?;
    Invocation::runtime(["spec", "--rootless"]).from(directory.path()).output()?.ok();
    let config: Value = serde_json::from_slice(&fs::read(directory.path().join("config.json"))?)?;
    let namespaces = config["linux"]["namespaces"].as_array().cloned().unwrap_or_default();
    assert!(namespaces.contains(&json!({"type": "user"})), "{namespaces:?}");
    assert_eq!(config["linux"]["uidMappings"][0]["size"], 1);
    Ok(())
}

#[test]
fn features_describes_the_runtime() -> Outcome {
    let features = Invocation::runtime(["features"]).output()?.ok().json();
    assert_eq!(features["ociVersionMin"], "1.0.0");
    let hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    assert_eq!(features["hooks"], json!(hooks));
    for option in ["bind", "rbind", "ro", "rro", "tmpcopyup", "nosymfollow", "rprivate"] {
        assert!(
            features["mountOptions"].as_array().is_some_and(|all| all.contains(&json!(option))),
            "{option}"
        );
    }
    for kind in ["pid", "network", "ipc", "uts", "mount", "cgroup"] {
        assert!(
            features["linux"]["namespaces"].as_array().is_some_and(|all| all.contains(&json!(kind))),
            "{kind}"
        );
    }
    assert_eq!(features["linux"]["cgroup"]["v1"], true);
    assert_eq!(features["linux"]["seccomp"]["enabled"], true);
    for name in ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"] {
        let all = features["linux"]["capabilities"].as_array();
        assert!(all.is_some_and(|all| all.contains(&json!(name))), "{name}");
    }
    Ok(())
}

#[test]
fn the_default_root_may_be_missing_for_list() -> Outcome {
    if is_peer() {
        return skip("trug's own default root");
    }
    let hidden = "mount -t tmpfs none /run";
    Invocation::runtime(["list"]).after(hidden).under(["unshare", "--mount"]).output()?.ok();
    Ok(())
}

#[test]
fn the_default_root_is_below_run() -> Outcome {
    if is_peer() {
        return skip("trug's own default root");
    }
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let script = "mount -t tmpfs none /run; \"$0\" run --keep \"$1\" && ls -d /run/trug/\"$1\" && \"$0\" delete \"$1\"";
    let runtime = crate::support::invocation::runtime();
    let words = ["bash", "-c", script, &runtime.to_string_lossy(), &container.id];
    let output = Invocation::new(words).under(["unshare", "--mount"]).from(container.bundle()).output()?;
    output.says(&format!("/run/trug/{}", container.id));
    Ok(())
}
