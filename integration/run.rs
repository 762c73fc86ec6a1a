//! `run`: in the foreground, detached, kept; and the status it ends with.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Container, Outcome, cgroup, is_peer, skip};

fn shell(script: &str) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell(script);
    })
}

#[test]
fn run_exits_with_the_programs_status() -> Outcome {
    for status in [0, 1, 2, 42, 127, 255] {
        shell(&format!("exit {status}"))?.run()?.exits(status);
    }
    Ok(())
}

#[test]
fn run_exits_with_128_and_the_signal_that_ended_the_program() -> Outcome {
    // A first process ignores what it has no handler for, so a child of it dies and passes that on.
    shell("sh -c 'kill -9 $$' || exit $?")?.run()?.exits(137);
    Ok(())
}

#[test]
fn run_reports_a_kill_from_outside_as_137() -> Outcome {
    let container = shell("echo up; exec sleep 1000")?;
    let mut running = container.runtime(["run", &container.id]).spawn()?;
    running.wait_for("up")?;
    container.kill("KILL")?.ok();
    assert_eq!(running.finish()?.0, 137);
    Ok(())
}

#[test]
fn run_passes_standard_input_to_the_program() -> Outcome {
    let container = shell("cat")?;
    container.runtime(["run", &container.id]).stdin("some words").output()?.prints("some words");
    Ok(())
}

#[test]
fn the_end_of_standard_input_reaches_the_program() -> Outcome {
    let container = shell("cat; echo end")?;
    let mut running = container.runtime(["run", &container.id]).spawn()?;
    running.write("a line\n")?;
    running.wait_for("a line")?;
    running.close_stdin();
    assert_eq!(running.finish()?, (0, "a line\nend\n".to_string()));
    Ok(())
}

#[test]
fn standard_output_and_error_stay_apart() -> Outcome {
    let output = shell("echo out; echo err >&2")?.run()?;
    output.prints("out");
    assert_eq!(output.stderr(), "err");
    Ok(())
}

#[test]
fn a_megabyte_of_output_arrives_whole() -> Outcome {
    let output = shell("head -c 1048576 /dev/zero | tr '\\0' x")?.run()?;
    output.ok();
    assert_eq!(output.raw_stdout().len(), 1 << 20);
    Ok(())
}

#[test]
fn run_removes_the_container_at_its_end() -> Outcome {
    let container = shell("true")?;
    container.run()?.ok();
    container.command(&["state"])?.fails(1, "container does not exist");
    Ok(())
}

#[test]
fn run_keep_leaves_a_stopped_container() -> Outcome {
    let container = shell("true")?;
    container.command(&["run", "--keep"])?.ok();
    assert_eq!(container.status()?, "stopped");
    container.delete()?.ok();
    container.command(&["state"])?.fails(1, "container does not exist");
    Ok(())
}

#[test]
fn run_keep_leaves_the_cgroup_too() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids"]) {
        return skip(&reason);
    }
    let container = shell("true")?;
    container.command(&["run", "--keep"])?.ok();
    assert_eq!(cgroup::value("pids", &container.cgroup, "pids.max")?, "max");
    Ok(())
}

#[test]
fn run_detached_answers_while_the_program_runs() -> Outcome {
    let container = Container::new()?;
    container.command(&["run", "-d"])?.ok();
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn run_detached_writes_the_pid_file() -> Outcome {
    let container = Container::new()?;
    container.command(&["run", "-d", "--pid-file", "pid.txt"])?.ok();
    let text = fs::read_to_string(container.bundle().join("pid.txt"))?;
    assert_eq!(text, container.init()?.pid.to_string());
    Ok(())
}

#[test]
fn run_in_the_foreground_writes_the_pid_file_too() -> Outcome {
    let container = shell("true")?;
    container.command(&["run", "--pid-file", "pid.txt"])?.ok();
    let pid: i32 = fs::read_to_string(container.bundle().join("pid.txt"))?.parse()?;
    assert!(pid > 1);
    Ok(())
}

#[test]
fn the_shortest_program_never_hangs_a_run() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    for _ in 0..40 {
        container.run()?.ok();
    }
    Ok(())
}

#[test]
fn run_prints_the_end_of_a_short_program() -> Outcome {
    let container = shell("echo last words")?;
    for _ in 0..20 {
        container.run()?.prints("last words");
    }
    Ok(())
}

#[test]
fn a_run_that_fails_leaves_nothing() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["/no/such/program"]);
    })?;
    container.run()?.fails(1, "/no/such/program");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn the_root_filesystem_may_be_the_bundle_itself() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["test", "-f", "/config.json"]);
        config["root"]["path"] = ".".into();
    })?;
    fs::rename(container.bundle().join("config.json"), container.rootfs().join("config.json"))?;
    let words = ["run", &container.id];
    container.runtime(words).from(container.rootfs()).output()?.ok();
    Ok(())
}

#[test]
fn the_root_filesystem_may_be_named_absolutely() -> Outcome {
    let container = shell("echo here")?;
    let path = container.rootfs().to_string_lossy().into_owned();
    container.edit(|config| config["root"]["path"] = path.into())?;
    container.run()?.prints("here");
    Ok(())
}

#[test]
fn a_symlink_to_the_root_filesystem_is_followed_once_by_the_host() -> Outcome {
    if is_peer() {
        return skip("known: runc refuses it");
    }
    let container = shell("echo here")?;
    symlink("rootfs", container.bundle().join("link"))?;
    container.edit(|config| config["root"]["path"] = "link".into())?;
    container.run()?.prints("here");
    Ok(())
}

#[test]
fn a_root_filesystem_that_is_not_there_is_named() -> Outcome {
    let container = Container::with(|config| config["root"]["path"] = "nowhere".into())?;
    container.run()?.fails(1, "nowhere");
    Ok(())
}

#[test]
fn a_read_only_root_takes_no_writes() -> Outcome {
    let container = shell("touch /x 2>&1 || true; touch /dev/shm/x && echo tmpfs is writable")?;
    container.edit(|config| config["root"]["readonly"] = true.into())?;
    container.run()?.says("Read-only file system").says("tmpfs is writable");
    assert!(!container.rootfs().join("x").exists());
    Ok(())
}

#[test]
fn a_writable_root_keeps_what_is_written() -> Outcome {
    let container = shell("echo kept > /file")?;
    container.run()?.ok();
    assert_eq!(fs::read_to_string(container.rootfs().join("file"))?, "kept\n");
    Ok(())
}

#[test]
fn run_without_a_pivot_has_the_same_root() -> Outcome {
    let container = shell("ls /bin/busybox; ls -d /work 2>&1 || true; stat -f -c %T /proc")?;
    container.command(&["run", "--no-pivot"])?.says("/bin/busybox").says("proc");
    Ok(())
}

#[test]
fn run_without_a_pivot_exposes_no_unmasked_proc() -> Outcome {
    let container = Container::with(|config| {
        let script = "mount -t proc none /proc && echo h > /proc/sysrq-trigger";
        config.args(&["unshare", "-mrpf", "sh", "-euxc", script]);
        config.push("/process/capabilities/bounding", "CAP_SETFCAP".into());
        config.push("/process/capabilities/permitted", "CAP_SETFCAP".into());
    })?;
    container.command(&["run", "--no-pivot"])?.fails(1, "mount: permission denied");
    Ok(())
}

#[test]
fn the_callers_own_options_of_run_are_accepted() -> Outcome {
    for option in ["--no-subreaper", "-no-subreaper", "--no-new-keyring"] {
        let container = shell("echo fine")?;
        container.command(&["run", option])?.prints("fine");
    }
    Ok(())
}
