//! What the program finds: its words, environment, directory, user, limits and signals.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::{Container, Outcome, Output, is_peer, skip};

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
fn the_directory_is_the_configs() -> Outcome {
    let container = with(&["pwd"])?;
    container.edit(|config| config["process"]["cwd"] = "/etc".into())?;
    container.run()?.prints("/etc");
    Ok(())
}

#[test]
fn a_directory_that_is_missing_is_made() -> Outcome {
    let container = with(&["pwd"])?;
    container.edit(|config| config["process"]["cwd"] = "/var/new/place".into())?;
    container.run()?.prints("/var/new/place");
    assert!(container.rootfs().join("var/new/place").is_dir());
    Ok(())
}

#[test]
fn a_relative_directory_is_refused() -> Outcome {
    let container = with(&["pwd"])?;
    container.edit(|config| config["process"]["cwd"] = "etc".into())?;
    container.run()?.fails(1, "wd");
    Ok(())
}

#[test]
fn the_directory_never_leads_out_through_an_inherited_descriptor() -> Outcome {
    // CVE-2024-21626: a leaked descriptor of a host directory as the working directory.
    for number in 3..24 {
        let container = with(&["sh", "-c", "pwd; ls ../../../../bundle 2>/dev/null && echo ESCAPED; true"])?;
        container.edit(|config| config["process"]["cwd"] = format!("/proc/self/fd/{number}").into())?;
        let words = ["run", &container.id];
        let hostile = "exec 7</ 8</sys/fs/cgroup 9<.";
        let output = container.runtime(words).after(hostile).output()?;
        assert!(!output.stdout().contains("ESCAPED"), "{number}: {output}");
        assert!(output.status() == 1 || output.stdout().starts_with("/proc/"), "{number}: {output}");
    }
    Ok(())
}

#[test]
fn the_directory_of_exec_never_leads_out_either() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    for number in 3..16 {
        let cwd = format!("/proc/self/fd/{number}");
        let words = ["sh", "-c", "ls ../../../../bundle 2>/dev/null && echo ESCAPED; true"];
        let output = container.exec_invocation(&["--cwd", &cwd], &words);
        let output = output.after("exec 7</ 8</sys/fs/cgroup 9<.").output()?;
        assert!(!output.stdout().contains("ESCAPED"), "{number}: {output}");
    }
    Ok(())
}

#[test]
fn a_directory_through_a_symlink_stays_in_the_root_filesystem() -> Outcome {
    let container = with(&["sh", "-c", "pwd -P"])?;
    symlink("../../../../../../etc", container.rootfs().join("var/up"))?;
    container.edit(|config| config["process"]["cwd"] = "/var/up".into())?;
    container.run()?.prints("/etc");
    Ok(())
}

#[test]
fn a_directory_that_only_root_may_enter_is_entered_before_the_user_changes() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let container = with(&["ls", "/tmp"])?;
    let private = container.rootfs().join("private");
    fs::create_dir(&private)?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700))?;
    container.edit(|config| {
        config.user(42, 42);
        config["process"]["cwd"] = "/private".into();
    })?;
    container.run()?.ok();
    Ok(())
}

#[test]
fn exec_as_root_enters_a_directory_that_is_anothers() -> Outcome {
    use std::os::unix::fs::{PermissionsExt, chown};
    let container = Container::with(|config| {
        config.user(42, 0);
        config["process"]["cwd"] = "/private".into();
    })?;
    let private = container.rootfs().join("private");
    fs::create_dir(&private)?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700))?;
    chown(&private, Some(42), Some(0))?;
    container.detach()?;
    container.exec_with(&["--user", "0"], &["true"])?.ok();
    Ok(())
}

#[test]
fn user_group_and_additional_groups_are_the_configs_alone() -> Outcome {
    let container = with(&["sh", "-c", "id -u; id -g; id -G; grep Groups /proc/self/status"])?;
    container.edit(|config| {
        config.user(1000, 1001);
        config["process"]["user"]["additionalGids"] = json!([5, 77]);
    })?;
    container.run()?.prints("1000\n1001\n1001 5 77\nGroups:\t5 77");
    Ok(())
}

#[test]
fn the_callers_groups_are_dropped() -> Outcome {
    let container = with(&["grep", "Groups", "/proc/self/status"])?;
    let words = ["run", &container.id];
    let invocation = container.runtime(words).under(["setpriv", "--groups", "4242,4243"]);
    invocation.output()?.prints("Groups:");
    Ok(())
}

#[test]
fn the_umask_is_the_configs_or_0022_whatever_the_callers_is() -> Outcome {
    for (umask, expected) in [(None, "0022"), (Some(0o77), "0077"), (Some(0), "0000")] {
        let container = with(&["sh", "-c", "umask"])?;
        container.edit(|config| config["process"]["user"]["umask"] = json!(umask))?;
        let words = ["run", &container.id];
        container.runtime(words).after("umask 0707").output()?.prints(expected);
    }
    Ok(())
}

#[test]
fn the_umask_of_the_config_holds_for_exec() -> Outcome {
    let container = Container::with(|config| config["process"]["user"]["umask"] = json!(63))?;
    container.detach()?;
    container.exec(&["grep", "^Umask:", "/proc/1/status"])?.prints("Umask:\t0077");
    container.exec(&["grep", "^Umask:", "/proc/self/status"])?.prints("Umask:\t0077");
    Ok(())
}

#[test]
fn resource_limits_are_set() -> Outcome {
    let container = with(&["sh", "-c", "ulimit -S -n; ulimit -H -n; ulimit -c; ulimit -S -s"])?;
    container.edit(|config| {
        config["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            {"type": "RLIMIT_STACK", "soft": 1048576, "hard": 2097152}
        ]);
    })?;
    container.run()?.prints("100\n200\n0\n1024");
    Ok(())
}

#[test]
fn limits_that_are_not_listed_are_the_callers() -> Outcome {
    let container = with(&["sh", "-c", "ulimit -n"])?;
    container.edit(|config| config["process"]["rlimits"] = json!([]))?;
    let words = ["run", &container.id];
    container.runtime(words).after("ulimit -n 321").output()?.prints("321");
    Ok(())
}

#[test]
fn raising_a_hard_limit_without_the_right_to_is_a_clear_error() -> Outcome {
    let container = Container::new()?;
    container.edit(|config| {
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 400, "hard": 400}]);
    })?;
    let words = ["run", &container.id];
    let output = container.runtime(words).after("ulimit -n 300");
    let output =
        output.under(["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]).output()?;
    output.fails(1, "operation not permitted");
    if !is_peer() {
        output.fails(1, "RLIMIT_NOFILE");
    }
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn an_unknown_or_doubled_limit_is_refused() -> Outcome {
    let one = json!({"type": "RLIMIT_NOFILE", "soft": 10, "hard": 10});
    for limits in [json!([{"type": "RLIMIT_MOON", "soft": 1, "hard": 1}]), json!([one, one])] {
        let container = Container::with(|config| config["process"]["rlimits"] = limits.clone())?;
        let output = container.run()?;
        if is_peer() && limits[0] == limits[1] {
            continue;
        }
        output.exits(1);
    }
    Ok(())
}

#[test]
fn the_oom_score_adjustment_is_set() -> Outcome {
    let container = with(&["cat", "/proc/self/oom_score_adj"])?;
    container.edit(|config| config["process"]["oomScoreAdj"] = json!(321))?;
    container.run()?.prints("321");
    Ok(())
}

#[test]
fn no_new_privileges_is_what_the_config_says() -> Outcome {
    for (wanted, expected) in [(true, "NoNewPrivs:\t1"), (false, "NoNewPrivs:\t0")] {
        let container = with(&["grep", "NoNewPrivs", "/proc/self/status"])?;
        container.edit(|config| config["process"]["noNewPrivileges"] = wanted.into())?;
        container.run()?.prints(expected);
    }
    Ok(())
}

/// Claims that none of the 31 standard signals is blocked or ignored; the C library keeps 32 and 33 to itself.
#[track_caller]
fn has_clean_signals(output: &Output) {
    for line in output.ok().lines() {
        let set = line.split_whitespace().nth(1).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        assert_eq!(set.map(|set| set & 0x7fff_ffff), Some(0), "{output}");
    }
    assert_eq!(output.lines().len(), 2, "{output}");
}

#[test]
fn signals_are_neither_blocked_nor_ignored_whatever_the_caller_does() -> Outcome {
    let container = with(&["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"])?;
    let words = ["run", &container.id];
    has_clean_signals(&container.runtime(words).after("trap '' USR1 PIPE HUP TERM INT").output()?);
    Ok(())
}

#[test]
fn signals_are_clean_for_exec_too() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let words = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"];
    has_clean_signals(&container.exec_invocation(&[], &words).after("trap '' USR1 PIPE HUP TERM").output()?);
    Ok(())
}

#[test]
fn the_program_leads_a_session_of_its_own() -> Outcome {
    // Field 6 of /proc/PID/stat is the session, field 5 the process group.
    let container = with(&["sh", "-c", "cut -d' ' -f5,6 /proc/1/stat"])?;
    container.run()?.prints("1 1");
    Ok(())
}

#[test]
fn the_session_keyring_is_the_containers_own() -> Outcome {
    let container = with(&["cat", "/proc/keys"])?;
    container.edit(|config| {
        config["linux"]["maskedPaths"] = json!([]);
    })?;
    let output = container.run()?;
    if output.status() != 0 {
        return skip("this kernel has no /proc/keys");
    }
    output.says(&format!("_ses.{}", container.id));
    Ok(())
}

#[test]
fn the_session_keyring_is_the_callers_if_asked_for() -> Outcome {
    let container = with(&["cat", "/proc/keys"])?;
    container.edit(|config| config["linux"]["maskedPaths"] = json!([]))?;
    let output = container.command(&["run", "--no-new-keyring"])?;
    // The kernel lists the keys of everybody of the same user: only this container's name must be missing.
    assert!(!output.ok().stdout().contains(&format!("_ses.{}:", container.id)), "{output}");
    Ok(())
}

#[test]
fn the_personality_of_linux32_reaches_run_and_exec() -> Outcome {
    let container = Container::with(|config| {
        config["linux"]["personality"] = json!({"domain": "LINUX32", "flags": []});
    })?;
    container.detach()?;
    container.exec(&["uname", "-m"])?.prints("i686");
    container.stop()?;
    container.delete()?.ok();
    container.edit(|config| {
        config.args(&["uname", "-m"]);
    })?;
    container.run()?.prints("i686");
    container.edit(|config| config["linux"]["personality"] = json!({"domain": "LINUX"}))?;
    container.run()?.prints("x86_64");
    Ok(())
}

#[test]
fn the_personality_is_set_though_seccomp_forbids_it_afterwards() -> Outcome {
    let container = with(&["uname", "-m"])?;
    container.edit(|config| {
        config["linux"]["personality"] = json!({"domain": "LINUX"});
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ERRNO"}]
        });
    })?;
    container.run()?.prints("x86_64");
    Ok(())
}

#[test]
fn the_io_priority_is_set_and_kept_by_exec() -> Outcome {
    let container = Container::with(|config| {
        config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 4});
    })?;
    container.detach()?;
    container.exec(&["ionice", "-p", "1"])?.prints("best-effort: prio 4");
    container.exec(&["ionice"])?.prints("best-effort: prio 4");
    let process = json!({"args": ["ionice"], "cwd": "/", "env": ["PATH=/bin"],
                         "ioPriority": {"class": "IOPRIO_CLASS_IDLE"}});
    container.exec_process(&[], &process)?.says("idle");
    Ok(())
}

#[test]
fn the_scheduler_is_set_and_kept_by_exec() -> Outcome {
    let container = Container::with(|config| {
        config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "priority": 0, "nice": 19});
    })?;
    container.detach()?;
    // Fields 19 and 41 of /proc/PID/stat are the nice value and the policy (SCHED_BATCH is 3).
    container.exec(&["cut", "-d", " ", "-f", "19,41", "/proc/1/stat"])?.prints("19 3");
    container.exec(&["cut", "-d", " ", "-f", "19,41", "/proc/self/stat"])?.prints("19 3");
    Ok(())
}

#[test]
fn a_senseless_scheduler_or_io_priority_is_refused() -> Outcome {
    let cases = [
        ("scheduler", json!({"policy": "SCHED_MOON"})),
        ("scheduler", json!({"policy": "SCHED_BATCH", "priority": 3})),
        ("scheduler", json!({"policy": "SCHED_OTHER", "nice": 99})),
        ("scheduler", json!({"policy": "SCHED_FIFO", "priority": 1, "runtime": 1000})),
        ("ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 9})),
        ("ioPriority", json!({"class": "IOPRIO_CLASS_MOON", "priority": 1})),
    ];
    for (key, value) in cases {
        let container = Container::with(|config| config["process"][key] = value.clone())?;
        let output = container.run()?;
        assert_eq!(output.status(), 1, "{value}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
    }
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
