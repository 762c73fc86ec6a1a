//! What the program finds: its words, its environment, and itself.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::{Container, Outcome, is_peer, skip};

fn with(args: &[&str]) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.args(args);
    })
}

#[test]
fn arguments_arrive_as_they_are() -> Outcome {
    let words = ["printf", "[%s]", "", "two words", "\"quoted\"", "*", "$HOME", "ü", "-x"];
    with(&words)?.run()?.prints("[][two words][\"quoted\"][*][$HOME][ü][-x]");
    Ok(())
}

#[test]
fn a_program_is_looked_up_on_the_containers_path() -> Outcome {
    let container = with(&["tool"])?;
    container.script("opt/tools/tool", "#!/bin/sh\necho found\n")?;
    container.edit(|config| {
        config.only_env(&["PATH=/nowhere:/opt/tools:/bin"]);
    })?;
    container.run()?.prints("found");
    Ok(())
}

#[test]
fn the_first_executable_on_the_path_is_taken() -> Outcome {
    let container = with(&["tool"])?;
    container.file("first/tool", "not executable")?;
    container.script("second/tool", "#!/bin/sh\necho second\n")?;
    container.script("third/tool", "#!/bin/sh\necho third\n")?;
    container.edit(|config| {
        config.only_env(&["PATH=/first:/second:/third"]);
    })?;
    container.run()?.prints("second");
    Ok(())
}

#[test]
fn a_program_named_with_a_slash_is_relative_to_the_directory() -> Outcome {
    let container = with(&["./tool"])?;
    container.script("opt/tool", "#!/bin/sh\npwd\n")?;
    container.edit(|config| config["process"]["cwd"] = "/opt".into())?;
    container.run()?.prints("/opt");
    Ok(())
}

#[test]
fn a_program_that_is_missing_is_said_to_be() -> Outcome {
    let output = with(&["no-such-program"])?.run()?;
    output.fails(1, "no-such-program").fails(1, "executable file not found in $PATH");
    let output = with(&["/no/such/program"])?.run()?;
    output.fails(1, "/no/such/program").fails(1, "no such file or directory");
    Ok(())
}

#[test]
fn a_directory_is_no_program() -> Outcome {
    let output = with(&["/bin"])?.run()?;
    output.exits(1);
    let said = output.stderr();
    assert!(said.contains("is a directory") || said.contains("permission denied"), "{output}");
    Ok(())
}

#[test]
fn a_file_that_may_not_be_executed_is_no_program() -> Outcome {
    let container = with(&["/plain"])?;
    container.file("plain", "text")?;
    container.run()?.fails(1, "permission denied");
    Ok(())
}

#[test]
fn the_error_of_a_bad_interpreter_is_one_line() -> Outcome {
    let container = with(&["/run.sh"])?;
    container.script("run.sh", "#!/mmnnttbb foo bar\nsh\n")?;
    let output = container.run()?;
    output.refused();
    assert!(output.stderr().contains("exec /run.sh: no such file or directory"), "{output}");
    assert_eq!(output.stderr().lines().count(), 1, "{output}");
    Ok(())
}

#[test]
fn no_arguments_at_all_are_refused() -> Outcome {
    for args in [json!([]), json!(null)] {
        let container = Container::with(|config| config["process"]["args"] = args)?;
        container.run()?.fails(1, "args");
    }
    Ok(())
}

#[test]
fn the_environment_is_the_configs_and_home() -> Outcome {
    let container = with(&["env"])?;
    container.edit(|config| {
        config.only_env(&["PATH=/bin", "ONE=1"]);
    })?;
    let words = ["run", &container.id];
    let output = container.runtime(words).env("LEAK", "from the caller").output()?;
    let mut lines = output.ok().lines();
    lines.sort();
    assert_eq!(lines, ["HOME=/root", "ONE=1", "PATH=/bin"]);
    Ok(())
}

#[test]
fn the_last_of_two_values_of_a_variable_wins() -> Outcome {
    let container = with(&["env"])?;
    container.edit(|config| {
        config.only_env(&["PATH=/bin", "ONE=two", "ONE=three"]);
    })?;
    let output = container.run()?;
    output.says("ONE=three");
    assert_eq!(output.lines().iter().filter(|line| line.starts_with("ONE=")).count(), 1, "{output}");
    container.edit(|config| {
        config.only_env(&["PATH=/bin", "ONE=two", "ONE="]);
    })?;
    let output = container.run()?;
    assert!(output.ok().lines().contains(&"ONE=".to_string()), "{output}");
    assert!(!output.stdout().contains("two"), "{output}");
    Ok(())
}

#[test]
fn home_is_kept_if_set_and_made_if_empty_or_missing() -> Outcome {
    let cases: [(&[&str], &str); 5] = [
        (&["HOME=/override"], "/override"),
        (&["HOME="], "/root"),
        (&["HOME=/override", "HOME="], "/root"),
        (&["HOME=", "HOME=/override"], "/override"),
        (&[], "/root"),
    ];
    for (entries, expected) in cases {
        let container = with(&["sh", "-c", "echo $HOME; env | grep -c ^HOME="])?;
        container.edit(|config| {
            config.only_env(&[&["PATH=/bin"], entries].concat());
        })?;
        container.run()?.prints(&format!("{expected}\n1"));
    }
    Ok(())
}

#[test]
fn home_comes_from_the_containers_passwd() -> Outcome {
    for (uid, expected) in [(0, "/root"), (2000, "/home/tempuser"), (4242, "/")] {
        let container = with(&["sh", "-c", "echo $HOME"])?;
        container.edit(|config| {
            config.user(uid, 0);
        })?;
        container.run()?.prints(expected);
    }
    Ok(())
}

#[test]
fn a_hostile_passwd_costs_nothing_and_home_falls_back() -> Outcome {
    if is_peer() {
        return skip("known: runc reads a passwd of any size");
    }
    let spoil: [fn(&Container) -> anyhow::Result<()>; 4] = [
        |container| Ok(symlink("/dev/zero", container.rootfs().join("etc/passwd"))?),
        |container| container.fifo("etc/passwd").map(drop),
        |container| Ok(fs::create_dir(container.rootfs().join("etc/passwd"))?),
        |container| Ok(fs::File::create(container.rootfs().join("etc/passwd"))?.set_len(5 << 30)?),
    ];
    for act in spoil {
        let container = with(&["sh", "-c", "echo $HOME"])?;
        fs::remove_file(container.rootfs().join("etc/passwd"))?;
        act(&container)?;
        container.run()?.prints("/");
    }
    Ok(())
}

#[test]
fn a_line_end_in_a_variable_is_kept() -> Outcome {
    let container = with(&["env"])?;
    container.edit(|config| {
        config.only_env(&["PATH=/bin", "WITH_LINE=a\nb"]);
    })?;
    container.run()?.says("WITH_LINE=a\nb");
    Ok(())
}

#[test]
fn a_long_environment_and_a_long_argument_arrive_whole() -> Outcome {
    let (long, many) = ("x".repeat(100_000), 2000);
    let container = with(&["sh", "-c", "echo ${#0} $(env | grep -c ^V)", &long])?;
    container.edit(|config| {
        for number in 0..many {
            config.env(&format!("V{number}=value"));
        }
    })?;
    container.run()?.prints("100000 2000");
    Ok(())
}

#[test]
fn a_nul_in_an_argument_or_variable_is_refused() -> Outcome {
    if is_peer() {
        return skip("known: runc notices at the execve");
    }
    for (key, value) in [("args", json!(["echo", "a\0b"])), ("env", json!(["PATH=/bin", "A=a\0b"]))] {
        let container = Container::with(|config| config["process"][key] = value)?;
        container.run()?.exits(1);
        assert_eq!(container.leftovers()?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn what_is_no_program_after_all_ends_a_started_container_with_a_line_of_its_own() -> Outcome {
    // Clients keep the log and the status of a container that was started.
    for (text, why) in [("not a program", "exec format error"), ("#!/no/such\n", "no such file or directory")]
    {
        let container = with(&["/odd"])?;
        container.script("odd", text)?;
        let created = container.command(&["create"])?;
        created.ok();
        let init = container.init()?;
        container.start()?.ok();
        init.wait_gone()?;
        assert_eq!(created.stderr().trim_end(), format!("exec /odd: {why}"));
        assert_eq!(container.status()?, "stopped");
        container.delete()?.ok();
    }
    Ok(())
}
