//! T-SECCOMP: filters that forbid what the runtime itself would like to call, and the cache of compiled filters.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Container, DescriptorSocket, Outcome, is_peer, skip};

const NEWER: [&str; 9] = [
    "close_range",
    "openat2",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "fsopen",
    "fsconfig",
    "faccessat2",
    "clone3",
];

fn with_profile(profile: Value) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell("grep Seccomp: /proc/self/status");
        config["linux"]["seccomp"] = profile;
    })
}

#[test]
fn a_profile_older_than_the_runtimes_calls_can_be_used() -> Outcome {
    for errno in [1, 38] {
        let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": NEWER, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]});
        for (user, no_new_privileges) in [(0, true), (0, false), (1000, true), (1000, false)] {
            let container = with_profile(profile.clone())?;
            container.edit(|config| {
                config.user(user, user);
                config["process"]["noNewPrivileges"] = no_new_privileges.into();
                config["process"]["cwd"] = "/tmp".into();
            })?;
            container.run()?.prints("Seccomp:\t2");
            container.edit(|config| {
                config.args(&["sleep", "1000"]);
            })?;
            container.detach()?;
            container.exec(&["grep", "Seccomp:", "/proc/self/status"])?.prints("Seccomp:\t2");
        }
    }
    Ok(())
}

#[test]
fn no_descriptor_leaks_where_the_profile_forbids_close_range() -> Outcome {
    for no_new_privileges in [true, false] {
        let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": NEWER, "action": "SCMP_ACT_ERRNO"}]});
        let container = with_profile(profile)?;
        container.edit(|config| {
            config.shell("ls /proc/self/fd | tr '\\n' ' '");
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
        })?;
        let hostile = "exec 7</etc/passwd 9</ 20<.";
        container.runtime(["run", &container.id]).after(hostile).output()?.prints("0 1 2 3");
        container.edit(|config| {
            config.args(&["sleep", "1000"]);
        })?;
        container.create()?.ok();
        for (number, target) in container.init()?.descriptors()? {
            let known =
                ["pipe:", "socket:", "/dev/null", "exec.fifo"].iter().any(|part| target.contains(part));
            assert!(known || number < 3, "descriptor {number} leads to {target}");
        }
    }
    Ok(())
}

#[test]
fn a_listener_comes_with_the_containers_state_for_init_and_for_exec() -> Outcome {
    let container = Container::new()?;
    let agent = DescriptorSocket::listen(&container.path("agent"))?;
    container.edit(|config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": agent.path, "listenerMetadata": "for the agent",
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]});
    })?;
    container.detach()?;
    let init = i64::from(container.init()?.pid);
    let first = agent.receive()?;
    assert_eq!(first.descriptors.len(), 1);
    let sent: Value = serde_json::from_str(&first.payload)?;
    assert_eq!((&sent["fds"], &sent["metadata"]), (&json!(["seccompFd"]), &json!("for the agent")));
    assert_eq!((sent["pid"].as_i64(), sent["state"]["pid"].as_i64()), (Some(init), Some(init)));
    assert_eq!((&sent["state"]["id"], &sent["state"]["status"]), (&json!(container.id), &json!("creating")));
    assert!(sent["ociVersion"].is_string() && sent["state"]["bundle"].is_string());

    container.exec(&["true"])?.ok();
    let second = agent.receive()?;
    let sent: Value = serde_json::from_str(&second.payload)?;
    assert_eq!(second.descriptors.len(), 1);
    assert_ne!(sent["pid"].as_i64(), Some(init));
    assert_eq!((sent["state"]["pid"].as_i64(), &sent["state"]["status"]), (Some(init), &json!("running")));
    Ok(())
}

#[test]
fn a_listener_goes_where_an_annotation_or_the_environment_says() -> Outcome {
    if is_peer() {
        return skip("runc knows listenerPath alone");
    }
    let container = Container::new()?;
    let agent = DescriptorSocket::listen(&container.path("agent"))?;
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]});
    container.edit(|config| config["linux"]["seccomp"] = profile.clone())?;
    let run = || container.runtime(["run", "--detach", &container.id]);
    run().output()?.fails(1, "seccomp listenerPath is not set");
    let variable = "RUN_OCI_SECCOMP_RECEIVER";
    run().env(variable, "agent").output()?.fails(1, "is not absolute");
    run().env(variable, &agent.path).output()?.ok();
    assert_eq!(agent.receive()?.descriptors.len(), 1);
    container.command(&["delete", "--force"])?.ok();
    container.edit(|config| config["annotations"] = json!({"run.oci.seccomp.receiver": agent.path}))?;
    run().output()?.ok();
    assert_eq!(agent.receive()?.descriptors.len(), 1);
    container.exec(&["true"])?.ok();
    assert_eq!(agent.receive()?.descriptors.len(), 1);
    Ok(())
}

#[test]
fn a_listener_is_handed_over_where_the_call_that_would_hand_it_over_is_listened_to() -> Outcome {
    // sendmsg would wait for an agent that has not got the descriptor yet. (runc refuses this of write alone.)
    for no_new_privileges in [true, false] {
        let container = Container::new()?;
        let agent = DescriptorSocket::listen(&container.path("agent"))?;
        container.edit(|config| {
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
            config["linux"]["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": agent.path,
                "syscalls": [{"names": ["sendmsg", "mkdir"], "action": "SCMP_ACT_NOTIFY"}]});
        })?;
        container.detach()?;
        assert_eq!(agent.receive()?.descriptors.len(), 1);
        container.exec(&["true"])?.ok();
        assert_eq!(agent.receive()?.descriptors.len(), 1);
    }
    Ok(())
}

#[test]
fn a_profile_that_knows_no_sockets_can_be_used() -> Outcome {
    let sockets = ["socket", "socketpair", "connect", "sendmsg", "sendto", "recvmsg", "recvfrom", "shutdown"];
    for no_new_privileges in [true, false] {
        let container = with_profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": sockets, "action": "SCMP_ACT_ERRNO"}]}))?;
        container.edit(|config| config["process"]["noNewPrivileges"] = no_new_privileges.into())?;
        container.run()?.prints("Seccomp:\t2");
        container.edit(|config| {
            config.args(&["sleep", "1000"]);
        })?;
        container.detach()?;
        container.exec(&["true"])?.ok();
    }
    Ok(())
}

#[test]
fn a_missing_agent_is_an_error_and_nothing_is_left() -> Outcome {
    let container = Container::with(|config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nonexistent/agent",
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]});
    })?;
    container.run()?.fails(1, "seccomp agent");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_cached_filter_that_was_tampered_with_is_not_used() -> Outcome {
    if is_peer() {
        return skip("the cache is trug's own");
    }
    let forbid = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]});
    let container = with_profile(forbid)?;
    container.edit(|config| {
        config.shell("mkdir /tmp/x 2>/dev/null && echo made || echo refused");
    })?;
    // The second run reads what the first has kept.
    container.run()?.prints("refused");
    container.run()?.prints("refused");
    let cache = container.state_root().join("@seccomp");
    let entry = fs::read_dir(&cache)?.next().expect("an entry")?.path();
    let whole = fs::read(&entry)?;

    // An allow-all in its place, with and without the entry's own hash; then one that anybody may write.
    let allow: Vec<u8> = [&6_u16.to_ne_bytes()[..], &[0, 0], &0x7fff_0000_u32.to_ne_bytes()].concat();
    for spoiled in
        [allow.clone(), [&whole[..32], &allow].concat(), whole[..whole.len() / 2].to_vec(), Vec::new()]
    {
        fs::write(&entry, spoiled)?;
        container.run()?.prints("refused");
        assert_eq!(fs::read(&entry)?, whole, "the entry was not replaced");
    }
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666))?;
    container.run()?.prints("refused");
    assert_eq!(fs::metadata(&entry)?.permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777))?;
    fs::write(&entry, &allow)?;
    container.run()?.prints("refused");
    // `list` shows containers alone.
    container.runtime(["list", "--quiet"]).output()?.prints("");
    Ok(())
}
