//! Seccomp filters: what they refuse, when they begin, and that they hold for everyone.

use serde_json::{Value, json};

use crate::support::{Container, Outcome};

fn with(profile: Value, script: &str) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell(script);
        config["linux"]["seccomp"] = profile;
    })
}

fn forbidding(names: &[&str]) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": names, "action": "SCMP_ACT_ERRNO"}]})
}

#[test]
fn a_forbidden_call_answers_eperm() -> Outcome {
    let container = with(forbidding(&["mkdir", "mkdirat"]), "mkdir /tmp/x || true; touch /tmp/y; ls /tmp")?;
    let output = container.run()?;
    output.prints("y");
    assert!(output.stderr().contains("Operation not permitted"), "{output}");
    Ok(())
}

#[test]
fn a_forbidden_call_answers_the_errno_that_is_asked_for() -> Outcome {
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]});
    let output = with(profile, "mkdir /tmp/x")?.run()?;
    assert!(output.stderr().contains("No space left on device"), "{output}");
    Ok(())
}

#[test]
fn a_call_is_forbidden_by_its_arguments_only_where_they_match() -> Outcome {
    // kill(pid, 10): the second argument is the signal.
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}]});
    let script = "trap 'echo usr2' USR2; kill -USR1 $$ || echo refused; kill -USR2 $$";
    with(profile, script)?.run()?.prints("refused\nusr2");
    Ok(())
}

#[test]
fn a_call_that_kills_ends_the_program_by_a_signal() -> Outcome {
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]});
    let output = with(profile, "sh -c 'mkdir /tmp/x' || echo $?")?.run()?;
    output.prints("159");
    Ok(())
}

#[test]
fn the_filter_is_installed_with_and_without_no_new_privileges() -> Outcome {
    for no_new_privileges in [true, false] {
        let container =
            with(forbidding(&["mkdir", "mkdirat"]), "grep Seccomp: /proc/self/status; mkdir /tmp/x || true")?;
        container.edit(|config| config["process"]["noNewPrivileges"] = no_new_privileges.into())?;
        let output = container.run()?;
        output.prints("Seccomp:\t2");
        assert!(output.stderr().contains("Operation not permitted"), "{output}");
    }
    Ok(())
}

#[test]
fn the_filter_holds_for_exec() -> Outcome {
    let container = with(forbidding(&["mkdir", "mkdirat"]), "exec sleep 1000")?;
    container.detach()?;
    container.exec(&["grep", "Seccomp:", "/proc/self/status"])?.prints("Seccomp:\t2");
    container.exec(&["mkdir", "/tmp/x"])?.fails(1, "Operation not permitted");
    Ok(())
}

#[test]
fn a_user_other_than_root_is_filtered_too() -> Outcome {
    let container = with(forbidding(&["mkdir", "mkdirat"]), "mkdir /tmp/x || true")?;
    container.edit(|config| {
        config.user(1000, 1000);
    })?;
    assert!(container.run()?.ok().stderr().contains("Operation not permitted"));
    Ok(())
}

#[test]
fn a_call_that_this_machine_does_not_know_is_passed_over() -> Outcome {
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["no_such_call_at_all"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["bdflush"], "action": "SCMP_ACT_ALLOW"}]});
    with(profile, "echo fine")?.run()?.prints("fine");
    Ok(())
}

#[test]
fn a_call_that_this_machine_does_not_know_is_refused_where_an_annotation_asks_for_that() -> Outcome {
    if crate::support::is_peer() {
        return crate::support::skip("runc knows no annotations of crun");
    }
    let container = with(forbidding(&["no_such_call", "mkdir"]), "true")?;
    container.edit(|config| {
        config["annotations"] = json!({"run.oci.seccomp_fail_unknown_syscall": "1"});
    })?;
    container.run()?.fails(1, "in the seccomp profile [config.json /linux/seccomp/syscalls/0]");
    Ok(())
}

#[test]
fn a_senseless_profile_is_refused() -> Outcome {
    let profiles = [
        json!({"defaultAction": "SCMP_ACT_MOON"}),
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_MOON"]}),
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 9, "value": 1, "op": "SCMP_CMP_EQ"}]}]}),
        json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_MOON"]}),
    ];
    for profile in profiles {
        let container = with(profile.clone(), "true")?;
        let output = container.run()?;
        assert_eq!(output.status(), 1, "{profile}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{profile}");
    }
    Ok(())
}
