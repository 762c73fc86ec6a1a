//! What a program inherits through execve: limits, signals, session, keyring, scheduling.

use serde_json::json;

use crate::support::{Container, Outcome, Output, is_peer, skip};

fn with(args: &[&str]) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.args(args);
    })
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
