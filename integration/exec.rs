//! `exec`: one more process in a running container, confined as the first one is.

use std::fs;

use serde_json::json;

use crate::support::{Container, Outcome, Process, is_peer, skip};

fn detached() -> anyhow::Result<Container> {
    let container = Container::new()?;
    container.detach()?;
    Ok(container)
}

#[test]
fn exec_runs_a_command_in_the_container() -> Outcome {
    let container = detached()?;
    container.exec(&["echo", "hello from exec"])?.prints("hello from exec");
    container.exec(&["hostname"])?.prints("trug");
    Ok(())
}

#[test]
fn exec_exits_with_the_commands_status() -> Outcome {
    let container = detached()?;
    container.exec(&["true"])?.exits(0);
    container.exec(&["false"])?.exits(1);
    for status in [3, 42, 254] {
        container.exec_shell(&format!("exit {status}"))?.exits(status);
    }
    container.exec_shell("kill -9 $$")?.exits(137);
    container.exec_shell("kill -TERM $$")?.exits(143);
    Ok(())
}

#[test]
fn a_failure_of_exec_itself_is_status_255() -> Outcome {
    let container = detached()?;
    container.exec(&["no-such-program"])?.fails(255, "exec failed: ");
    container.exec_with(&["--pid-file", "/none/such/pid"], &["true"])?.exits(255);
    let nobody = Container::new()?;
    nobody.exec(&["true"])?.fails(255, "container does not exist");
    Ok(())
}

#[test]
fn a_pid_file_that_cannot_be_written_leaves_no_process() -> Outcome {
    let container = detached()?;
    container.exec_with(&["--detach", "--pid-file", "/none/such/pid"], &["sleep", "1004"])?.exits(255);
    let output = container.runtime(["ps", "-f", "json", &container.id]).output()?;
    assert_eq!(output.json(), json!([container.init()?.pid]));
    Ok(())
}

#[test]
fn exec_in_a_stopped_container_is_refused() -> Outcome {
    let container = detached()?;
    container.stop()?;
    container.exec(&["true"])?.fails(255, "cannot exec in a stopped container");
    Ok(())
}

#[test]
fn exec_in_a_paused_container_is_refused_unless_asked_for() -> Outcome {
    let container = detached()?;
    container.command(&["pause"])?.ok();
    let refusal = "cannot exec in a paused container (use --ignore-paused to override)";
    container.exec(&["true"])?.fails(255, refusal);
    let pid_file = container.path("pid").to_string_lossy().into_owned();
    let words = ["--ignore-paused", "--detach", "--pid-file", &pid_file];
    let invocation = container.exec_invocation(&words, &["sleep", "1005"]);
    let mut running = invocation.spawn()?;
    container.command(&["resume"])?.ok();
    // Whether it waits for the thaw or not, it succeeds.
    let status = running.wait()?;
    assert!(status.success(), "{}", running.stderr());
    Ok(())
}

#[test]
fn exec_passes_standard_streams() -> Outcome {
    let container = detached()?;
    let words = ["sh", "-c", "cat; echo err >&2"];
    let output = container.exec_invocation(&[], &words).stdin("through").output()?;
    output.prints("through");
    assert_eq!(output.stderr(), "err");
    Ok(())
}

#[test]
fn exec_starts_in_the_containers_directory_or_the_one_named() -> Outcome {
    let container = Container::with(|config| config["process"]["cwd"] = "/etc".into())?;
    container.detach()?;
    container.exec(&["pwd"])?.prints("/etc");
    container.exec_with(&["--cwd", "/tmp"], &["pwd"])?.prints("/tmp");
    Ok(())
}

#[test]
fn exec_adds_to_the_containers_environment() -> Outcome {
    let container = Container::with(|config| {
        config.env("FROM_CONFIG=kept");
    })?;
    container.detach()?;
    let flags = ["--env", "ONE=1", "--env", "TWO=2"];
    container.exec_with(&flags, &["sh", "-c", "echo $FROM_CONFIG $ONE $TWO"])?.prints("kept 1 2");
    container.exec_with(&["-e", "FROM_CONFIG=new"], &["sh", "-c", "echo $FROM_CONFIG"])?.prints("new");
    Ok(())
}

#[test]
fn exec_runs_as_the_user_of_the_config() -> Outcome {
    let container = Container::with(|config| {
        config.user(1234, 2345);
        config["process"]["user"]["additionalGids"] = json!([7, 8]);
    })?;
    container.detach()?;
    container.exec(&["sh", "-c", "id -u; id -g; id -G"])?.prints("1234\n2345\n2345 7 8");
    Ok(())
}

#[test]
fn exec_runs_as_another_user_when_asked() -> Outcome {
    let container = detached()?;
    container.exec_with(&["--user", "1000:1001"], &["sh", "-c", "id -u; id -g"])?.prints("1000\n1001");
    container.exec_with(&["-u", "1000"], &["id", "-u"])?.prints("1000");
    Ok(())
}

#[test]
fn exec_takes_additional_groups() -> Outcome {
    let container = detached()?;
    let flags = ["--user", "1000:1000", "--additional-gids", "100", "--additional-gids", "65534"];
    container.exec_with(&flags, &["id", "-G"])?.prints("1000 100 65534");
    Ok(())
}

#[test]
fn a_user_that_is_not_a_plain_number_is_never_taken_for_root() -> Outcome {
    let container = detached()?;
    let exact = ["1", "65534", "4294967294", "1:1"];
    for user in exact {
        let expected = user.split(':').next().unwrap_or(user);
        container.exec_with(&["-u", user], &["id", "-u"])?.prints(expected);
    }
    let odd = [
        "4294967295",
        "4294967296",
        "9223372036854775808",
        "-1",
        "1:",
        ":1",
        " 1",
        "1 ",
        "0x1",
        "1:abc",
        "abc",
    ];
    for user in odd {
        let output = container.exec_with(&[&format!("--user={user}")], &["id", "-u"])?;
        if !is_peer() {
            // runc takes 4294967296 for root.
            output.refused();
        }
    }
    Ok(())
}

#[test]
fn home_is_the_users_own_or_the_root_directory() -> Outcome {
    let container = detached()?;
    container.exec(&["sh", "-c", "echo $HOME"])?.prints("/root");
    container.exec_with(&["-u", "2000"], &["sh", "-c", "echo $HOME"])?.prints("/home/tempuser");
    container.exec_with(&["-u", "1000"], &["sh", "-c", "echo $HOME"])?.prints("/");
    Ok(())
}

#[test]
fn exec_detached_answers_at_once_and_writes_the_pid_file() -> Outcome {
    let container = detached()?;
    container.exec_with(&["-d", "--pid-file", "pid.txt"], &["sleep", "1006"])?.ok();
    let text = fs::read_to_string(container.bundle().join("pid.txt"))?;
    let process = Process::open(text.parse()?)?;
    assert!(process.is_alive()?);
    assert_ne!(process.pid, container.init()?.pid);
    assert_eq!(process.namespace("pid")?, container.init()?.namespace("pid")?);
    Ok(())
}

#[test]
fn the_pid_file_of_exec_is_relative_to_where_the_caller_stands() -> Outcome {
    let container = detached()?;
    let flags = ["--pid-file", "pid.txt"];
    container.exec_invocation(&flags, &["true"]).from(container.path("")).output()?.ok();
    assert!(fs::read_to_string(container.path("pid.txt"))?.parse::<i32>()? > 1);
    Ok(())
}

#[test]
fn exec_is_in_every_namespace_of_the_container() -> Outcome {
    let container = Container::with(|config| {
        config.namespace("cgroup");
    })?;
    container.detach()?;
    let init = container.init()?;
    for kind in ["pid", "net", "ipc", "uts", "mnt", "cgroup", "user"] {
        container.exec(&["readlink", &format!("/proc/self/ns/{kind}")])?.prints(&init.namespace(kind)?);
    }
    Ok(())
}

#[test]
fn exec_is_in_every_cgroup_of_the_container() -> Outcome {
    let container = detached()?;
    let groups = container.exec(&["cat", "/proc/self/cgroup"])?;
    groups.ok();
    let init = fs::read_to_string(format!("/proc/{}/cgroup", container.init()?.pid))?;
    assert_eq!(groups.stdout(), init.trim());
    Ok(())
}

/// The lines of /proc/PID/status that are a process's confinement.
const CONFINEMENT: &str = "^(NoNewPrivs|Seccomp|CapInh|CapPrm|CapEff|CapBnd|CapAmb|Umask|Uid|Gid):";

#[test]
fn exec_keeps_the_whole_confinement_of_the_first_process() -> Outcome {
    let container = Container::with(|config| {
        config.user(1000, 1001).capabilities(&["CAP_KILL"]);
        config["process"]["user"]["umask"] = json!(0o77);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]
        });
    })?;
    container.detach()?;
    let of = |pid: &str| container.exec(&["grep", "-E", CONFINEMENT, &format!("/proc/{pid}/status")]);
    let (init, own) = (of("1")?, of("self")?);
    init.says("NoNewPrivs:\t1").says("Seccomp:\t2").says("Umask:\t0077").says("Uid:\t1000");
    own.prints(&init.stdout());
    container.exec(&["mkdir", "/tmp/forbidden"])?.fails(1, "Operation not permitted");
    Ok(())
}

#[test]
fn exec_keeps_no_new_privileges_unless_the_config_lacked_it() -> Outcome {
    let container = Container::with(|config| config["process"]["noNewPrivileges"] = false.into())?;
    container.detach()?;
    container.exec(&["grep", "NoNewPrivs", "/proc/self/status"])?.prints("NoNewPrivs:\t0");
    let flags = ["--no-new-privs"];
    container.exec_with(&flags, &["grep", "NoNewPrivs", "/proc/self/status"])?.prints("NoNewPrivs:\t1");
    Ok(())
}

#[test]
fn exec_lifts_no_new_privileges_where_it_is_told_to() -> Outcome {
    let container = Container::with(|config| config["process"]["noNewPrivileges"] = true.into())?;
    container.detach()?;
    let status = ["grep", "NoNewPrivs", "/proc/self/status"];
    container.exec(&status)?.prints("NoNewPrivs:\t1");
    container.exec_with(&["--no-new-privs=false"], &status)?.prints("NoNewPrivs:\t0");
    Ok(())
}

#[test]
fn exec_keeps_the_resource_limits() -> Outcome {
    let container = Container::with(|config| {
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]);
    })?;
    container.detach()?;
    container.exec(&["sh", "-c", "ulimit -S -n; ulimit -H -n"])?.prints("77\n88");
    let process =
        json!({"args": ["sh", "-c", "ulimit -H -n"], "cwd": "/", "env": ["PATH=/bin"], "rlimits": []});
    container.exec_process(&[], &process)?.prints("88");
    Ok(())
}

#[test]
fn exec_uses_the_config_of_create_whatever_became_of_the_bundle() -> Outcome {
    if is_peer() {
        return skip("known: runc reads the bundle's file of today");
    }
    let container = Container::with(|config| {
        config.env("WORD=then").user(1000, 1000);
    })?;
    container.detach()?;
    container.edit(|config| {
        config.env("WORD=today").user(0, 0);
        config["process"]["noNewPrivileges"] = false.into();
    })?;
    container.exec(&["sh", "-c", "echo $WORD; id -u"])?.prints("then\n1000");
    fs::remove_file(container.bundle().join("config.json"))?;
    container.exec(&["sh", "-c", "echo $WORD; id -u"])?.prints("then\n1000");
    Ok(())
}

#[test]
fn a_process_file_says_everything_about_the_process() -> Outcome {
    let container = detached()?;
    let process = json!({
        "args": ["sh", "-c", "pwd; id -u; id -g; echo $ONE; grep NoNewPrivs /proc/self/status"],
        "cwd": "/etc",
        "env": ["PATH=/bin", "ONE=1"],
        "user": {"uid": 12, "gid": 34},
        "noNewPrivileges": false
    });
    container.exec_process(&[], &process)?.prints("/etc\n12\n34\n1\nNoNewPrivs:\t0");
    Ok(())
}

#[test]
fn what_is_wrong_in_a_process_file_is_not_said_of_the_config() -> Outcome {
    if is_peer() {
        return skip("asks for more than runc does: the place in the file");
    }
    let container = detached()?;
    let process = json!({"args": ["true"], "cwd": "relative"});
    let output = container.exec_process(&[], &process)?;
    output.fails(255, "exec failed: process file ").fails(255, "[/cwd]");
    assert!(!output.stderr().contains("config.json"), "{output}");
    container.exec_with(&["--cwd", "relative"], &["true"])?.fails(255, "[config.json /process/cwd]");
    Ok(())
}

#[test]
fn a_process_file_can_be_detached() -> Outcome {
    let container = detached()?;
    let process = json!({"args": ["sleep", "1007"], "cwd": "/", "env": ["PATH=/bin", container.marker()]});
    container.exec_process(&["--detach", "--pid-file", "pid.txt"], &process)?.ok();
    let pid: i32 = fs::read_to_string(container.bundle().join("pid.txt"))?.parse()?;
    assert!(Process::open(pid)?.is_alive()?);
    Ok(())
}

#[test]
fn a_process_file_that_is_missing_or_senseless_is_refused() -> Outcome {
    let container = detached()?;
    container.exec_with(&["--process", "/no/such/file"], &[])?.fails(255, "no such file or directory");
    for process in [json!({}), json!({"args": [], "cwd": "/"}), json!({"args": ["true"], "cwd": "etc"})] {
        container.exec_process(&[], &process)?.exits(255);
    }
    Ok(())
}

#[test]
fn exec_without_a_command_is_refused() -> Outcome {
    let container = detached()?;
    container.exec(&[])?.refused();
    Ok(())
}

#[test]
fn the_error_of_a_bad_interpreter_is_one_line() -> Outcome {
    let container = detached()?;
    container.script("run.sh", "#!/mmnnttbb foo bar\nsh\n")?;
    let output = container.exec(&["/run.sh"])?;
    output.fails(255, "exec /run.sh: no such file or directory");
    assert_eq!(output.stderr().lines().count(), 1, "{output}");
    Ok(())
}

#[test]
fn exec_leaves_the_hosts_null_device_to_its_owner() -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let container = detached()?;
    let owner = || fs::metadata("/dev/null").map(|data| (data.uid(), data.gid()));
    let before = owner()?;
    container.exec_with(&["--user", "1000:1000"], &["true"])?.ok();
    assert_eq!(owner()?, before);
    Ok(())
}

#[test]
fn a_signal_to_exec_reaches_its_command() -> Outcome {
    let container = detached()?;
    let script = "trap 'echo caught; kill $!; exit 7' TERM; echo up; while :; do sleep 1000 & wait $!; done";
    let mut running = container.exec_invocation(&[], &["sh", "-c", script]).spawn()?;
    running.wait_for("up")?;
    running.signal(rustix::process::Signal::TERM)?;
    running.wait_for("caught")?;
    assert_eq!(running.wait()?.code(), Some(7));
    Ok(())
}

#[test]
fn many_execs_at_once_are_independent() -> Outcome {
    let container = detached()?;
    std::thread::scope(|scope| -> Outcome {
        let one = |number: usize| container.exec(&["echo", &number.to_string()]);
        let threads: Vec<_> = (0..12).map(|number| scope.spawn(move || one(number))).collect();
        for (number, thread) in threads.into_iter().enumerate() {
            thread.join().expect("no panic")?.prints(&number.to_string());
        }
        Ok(())
    })
}

#[test]
fn short_execs_never_hang() -> Outcome {
    let container = detached()?;
    for _ in 0..30 {
        container.exec(&["true"])?.ok();
    }
    Ok(())
}

#[test]
fn exec_survives_the_death_of_the_container_under_it() -> Outcome {
    let container = detached()?;
    let mut running = container.exec_invocation(&[], &["sh", "-c", "echo up; sleep 1008"]).spawn()?;
    running.wait_for("up")?;
    container.stop()?;
    assert_eq!(running.wait()?.code(), Some(137));
    Ok(())
}

#[test]
fn a_label_or_profile_that_the_machine_cannot_apply_is_refused() -> Outcome {
    let container = detached()?;
    if std::path::Path::new("/sys/kernel/security/apparmor").exists() {
        return skip("AppArmor is on here");
    }
    container.exec_with(&["--apparmor", "some-profile"], &["true"])?.exits(255);
    Ok(())
}

#[test]
fn exec_to_a_sub_cgroup_or_out_of_the_container() -> Outcome {
    if let Some(reason) = crate::support::cgroup::lacks_v1(&["pids", "memory"]) {
        return skip(&reason);
    }
    let container = detached()?;
    let below = crate::support::cgroup::v1("pids", &container.cgroup).join("below");
    fs::create_dir(&below)?;
    let expected = format!(":pids:{}/below", container.cgroup);
    container.exec_with(&["--cgroup", "pids:below"], &["cat", "/proc/self/cgroup"])?.says(&expected);
    for bad in ["..", "../sibling", "pids:..", "pids:../../etc"] {
        container.exec_with(&["--cgroup", bad], &["true"])?.fails(255, "bad sub cgroup path");
    }
    container.exec_with(&["--cgroup", "nosuch"], &["true"])?.fails(255, "o such file or directory");
    container.exec_with(&["--cgroup", "whaaat:/"], &["true"])?.fails(255, "unknown controller");
    Ok(())
}
