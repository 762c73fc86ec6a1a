//! New, joined and shared namespaces.

use std::fs;

use crate::support::{Container, Outcome, Process, is_peer, skip};

const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
];

fn own(kind: &str) -> anyhow::Result<String> {
    Process::open(std::process::id() as i32)?.namespace(kind)
}

#[test]
fn each_listed_namespace_is_new() -> Outcome {
    let container = Container::with(|config| {
        config.namespace("cgroup");
    })?;
    container.detach()?;
    let init = container.init()?;
    for (_, file) in KINDS {
        assert_ne!(init.namespace(file)?, own(file)?, "{file}");
    }
    assert_eq!(init.namespace("user")?, own("user")?);
    Ok(())
}

#[test]
fn each_namespace_that_is_not_listed_is_the_hosts() -> Outcome {
    for (kind, file) in KINDS.into_iter().filter(|(kind, _)| *kind != "mount") {
        let container = Container::with(|config| {
            config.namespace("cgroup").without_namespace(kind);
            if kind == "uts" {
                config["hostname"] = serde_json::Value::Null;
            }
        })?;
        container.detach()?;
        let init = container.init()?;
        assert_eq!(init.namespace(file)?, own(file)?, "{kind}");
        for (_, other) in KINDS.into_iter().filter(|(other, _)| *other != kind) {
            assert_ne!(init.namespace(other)?, own(other)?, "{other} without {kind}");
        }
    }
    Ok(())
}

#[test]
fn namespaces_of_another_container_can_be_joined() -> Outcome {
    let target = Container::with(|config| {
        config.namespace("cgroup");
    })?;
    target.detach()?;
    let target_init = target.init()?;
    let guest = Container::with(|config| {
        for (kind, file) in KINDS.into_iter().filter(|(kind, _)| *kind != "mount") {
            config.join_namespace(kind, &format!("/proc/{}/ns/{file}", target_init.pid));
        }
        config["hostname"] = serde_json::Value::Null;
        config.args(&["sleep", "1009"]);
    })?;
    guest.detach()?;
    let init = guest.init()?;
    for (_, file) in KINDS.into_iter().filter(|(kind, _)| *kind != "mount") {
        assert_eq!(init.namespace(file)?, target_init.namespace(file)?, "{file}");
    }
    assert_ne!(init.namespace("mnt")?, target_init.namespace("mnt")?);
    guest.exec(&["ps"])?.says("sleep 1000").says("sleep 1009");
    guest.kill("KILL")?.ok();
    init.wait_gone()?;
    assert!(target_init.is_alive()?);
    Ok(())
}

#[test]
fn a_joined_network_namespace_survives_the_guest() -> Outcome {
    let target = Container::new()?;
    target.detach()?;
    let path = format!("/proc/{}/ns/net", target.init()?.pid);
    let guest = Container::with(|config| {
        config.join_namespace("network", &path).args(&["ip", "addr", "show", "lo"]);
    })?;
    guest.run()?.says("127.0.0.1");
    target.exec(&["ip", "addr", "show", "lo"])?.says("127.0.0.1");
    Ok(())
}

#[test]
fn loopback_is_up_in_a_new_network_namespace_and_nothing_else_is_there() -> Outcome {
    let container = Container::with(|config| {
        config.shell("ls /sys/class/net; ip addr show lo");
    })?;
    let output = container.run()?;
    output.says("127.0.0.1").says("LOOPBACK,UP");
    assert!(output.lines()[0] == "lo" && !output.stdout().contains("eth"), "{output}");
    Ok(())
}

#[test]
fn the_first_process_of_a_new_pid_namespace_is_pid_1() -> Outcome {
    let container = Container::with(|config| {
        config.shell("echo $$; ls -d /proc/[0-9]*");
    })?;
    container.run()?.says("1\n/proc/1");
    Ok(())
}

#[test]
fn a_duplicate_namespace_is_refused() -> Outcome {
    let container = Container::with(|config| {
        config.push("/linux/namespaces", serde_json::json!({"type": "pid"}));
    })?;
    container.run()?.fails(1, "duplicate");
    Ok(())
}

#[test]
fn an_unknown_kind_of_namespace_is_refused() -> Outcome {
    let container = Container::with(|config| {
        config.namespace("moon");
    })?;
    container.run()?.fails(1, "moon");
    Ok(())
}

#[test]
fn a_namespace_path_of_another_kind_is_refused() -> Outcome {
    if is_peer() {
        return skip("known: runc joins whatever the path is");
    }
    let container = Container::with(|config| {
        config.join_namespace("network", "/proc/self/ns/ipc");
    })?;
    container.run()?.fails(1, "network");
    Ok(())
}

#[test]
fn a_namespace_path_that_is_no_namespace_is_refused() -> Outcome {
    for path in ["/no/such/namespace", "/etc/passwd"] {
        let container = Container::with(|config| {
            config.join_namespace("network", path);
        })?;
        container.run()?.exits(1);
        assert_eq!(container.leftovers()?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn the_hostname_and_domainname_are_the_containers_own() -> Outcome {
    let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let container = Container::with(|config| {
        config["hostname"] = "some-host".into();
        config["domainname"] = "some.domain".into();
        config.shell("hostname; cat /proc/sys/kernel/domainname");
    })?;
    container.run()?.prints("some-host\nsome.domain");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname")?, before);
    Ok(())
}

#[test]
fn a_hostname_without_a_uts_namespace_is_refused() -> Outcome {
    let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let container = Container::with(|config| {
        config.without_namespace("uts");
    })?;
    container.run()?.fails(1, "hostname");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname")?, before);
    Ok(())
}

#[test]
fn a_namespaced_sysctl_is_set_in_the_container_alone() -> Outcome {
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")?;
    let container = Container::with(|config| {
        config["linux"]["sysctl"] =
            serde_json::json!({"net.ipv4.ip_unprivileged_port_start": "77", "kernel.msgmax": "4321"});
        config.shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax");
    })?;
    container.run()?.prints("77\n4321");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")?, before);
    Ok(())
}

#[test]
fn a_sysctl_of_the_host_is_refused() -> Outcome {
    let keys = [
        "kernel.core_pattern",
        "kernel.hostname",
        "vm.overcommit_memory",
        "net/../kernel/core_pattern",
        "net.ipv4/../../kernel/core_pattern",
    ];
    for key in keys {
        let container = Container::with(|config| config["linux"]["sysctl"] = serde_json::json!({key: "x"}))?;
        let output = container.run()?;
        output.exits(1);
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{key}");
    }
    Ok(())
}

#[test]
fn a_sysctl_of_a_namespace_that_is_the_hosts_is_refused() -> Outcome {
    for (kind, key) in [("network", "net.ipv4.ip_forward"), ("ipc", "kernel.msgmax")] {
        let container = Container::with(|config| {
            config.without_namespace(kind);
            config["linux"]["sysctl"] = serde_json::json!({key: "1"});
        })?;
        container.run()?.fails(1, key);
    }
    Ok(())
}

#[test]
fn masked_paths_without_a_mount_namespace_are_refused() -> Outcome {
    let before = fs::read_to_string("/proc/self/mountinfo")?.lines().count();
    let container = Container::with(|config| {
        config.without_namespace("mount");
    })?;
    container.run()?.exits(1);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo")?.lines().count(), before);
    Ok(())
}

#[test]
fn a_container_in_the_hosts_mount_namespace_runs() -> Outcome {
    // In a mount namespace of the test's own, since nothing unmounts what such a container mounts.
    let container = Container::with(|config| {
        config.without_namespace("mount").args(&["/bin/echo", "hello"]);
        config["linux"]["maskedPaths"] = serde_json::json!([]);
        config["linux"]["readonlyPaths"] = serde_json::json!([]);
        config.shell_hook(
            "createRuntime",
            "touch \"$(sed -n 's/.*\"bundle\": *\"\\([^\"]*\\)\".*/\\1/p')/hook-ran\"",
        );
    })?;
    let words = ["run", &container.id];
    container.runtime(words).under(["unshare", "--mount"]).output()?.prints("hello");
    assert!(container.bundle().join("hook-ran").exists());
    Ok(())
}

#[test]
fn mounts_in_the_container_never_reach_the_host() -> Outcome {
    let before = fs::read_to_string("/proc/self/mountinfo")?;
    let container = Container::with(|config| {
        config.capabilities(&["CAP_SYS_ADMIN"]);
        config.shell("mount -t tmpfs none /mnt; echo mounted > /bell; exec sleep 1000");
    })?;
    let mut bell = container.fifo("bell")?;
    container.detach()?;
    bell.line()?;
    let after = fs::read_to_string("/proc/self/mountinfo")?;
    let own = |table: &str| table.lines().filter(|line| line.contains(&container.id)).count();
    assert_eq!(own(&before), own(&after));
    assert_eq!(crate::support::leftovers::mounts_below(&container.path(""))?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_time_namespace_is_new_where_it_is_listed() -> Outcome {
    let container = Container::with(|config| {
        config.namespace("time");
        config["linux"]["timeOffsets"] = serde_json::json!({"boottime": {"secs": 1000000, "nanosecs": 0}});
        config.shell("cut -d. -f1 /proc/uptime");
    })?;
    let output = container.run()?;
    if output.status() == 1 && !is_peer() && output.stderr().contains("time") {
        return skip("time namespaces are not there yet");
    }
    output.ok();
    assert!(output.stdout().parse::<u64>()? > 1_000_000, "{output}");
    Ok(())
}
