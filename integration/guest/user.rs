//! An ordinary user's containers, in units of the user's own systemd. The guest has such a user.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{directory, lacks_systemd};
use crate::support::config::Config;
use crate::support::invocation::runtime;
use crate::support::{Container, Invocation, Outcome, program, skip};

const UID: u32 = 1000;
const BUS: &str = "/run/user/1000/bus";

/// Why there is no such user here, if so.
fn lacks_user() -> Option<&'static str> {
    lacks_systemd().or((!Path::new(BUS).exists()).then_some("no user with a systemd of its own is here"))
}

fn container(change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    let map = json!([{"containerID": 0, "hostID": UID, "size": 1}]);
    let mut container = Container::with(|config| {
        config.user_namespace(map).namespace("cgroup");
        config.mount_options("/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"]);
        change(config);
    })?;
    let path = format!("user.slice:trug:{}", container.id);
    container.edit(|config| config["linux"]["cgroupsPath"] = path.into())?;
    container.cgroup =
        format!("/user.slice/user-{UID}.slice/user@{UID}.service/user.slice/trug-{}.scope", container.id);
    program::copy(&runtime(), &container.path("trug"))?;
    Invocation::new(["chown", "-Rh", "1000:1000"]).arg(container.path("")).output()?.ok();
    Ok(container)
}

/// The runtime, run by the user.
fn trug(container: &Container, words: &[&str]) -> Invocation {
    let own = container.path("trug").to_string_lossy().into_owned();
    let root = container.path("users").to_string_lossy().into_owned();
    let all = ["as-user", &own, "--root", &root, "--systemd-cgroup"];
    Invocation::new(all.iter().chain(words)).from(container.bundle())
}

#[test]
fn a_users_container_is_a_scope_of_the_users_systemd() -> Outcome {
    if let Some(reason) = lacks_user() {
        return skip(reason);
    }
    let container = container(|config| {
        config["linux"]["resources"] = json!({
            "pids": {"limit": 33},
            "memory": {"limit": 67_108_864, "swap": 100_663_296, "reservation": 33_554_432},
            "cpu": {"shares": 512, "quota": 20_000, "period": 100_000, "cpus": "1", "mems": "0"}
        });
    })?;
    trug(&container, &["run", "--detach", &container.id]).output()?.ok();
    let unit = format!("trug-{}.scope", container.id);
    let show = Invocation::new([
        "as-user",
        "systemctl",
        "--user",
        "show",
        "--value",
        "--property",
        "ActiveState",
        &unit,
    ]);
    assert_eq!(show.output()?.ok().stdout(), "active");
    for (file, expected) in [
        ("pids.max", "33\n"),
        ("memory.max", "67108864\n"),
        ("memory.swap.max", "33554432\n"),
        ("memory.low", "33554432\n"),
        ("cpu.weight", "59\n"),
        ("cpu.max", "20000 100000\n"),
        ("cpuset.cpus", "1\n"),
        ("cpuset.mems", "0\n"),
    ] {
        assert_eq!(fs::read_to_string(directory(&container).join(file))?, expected, "{file}");
    }
    trug(&container, &["update", "--pids-limit", "44", &container.id]).output()?.ok();
    assert_eq!(fs::read_to_string(directory(&container).join("pids.max"))?, "44\n");
    trug(&container, &["pause", &container.id]).output()?.ok();
    trug(&container, &["resume", &container.id]).output()?.ok();
    trug(&container, &["delete", "--force", &container.id]).output()?.ok();
    assert_eq!(show.output()?.ok().stdout(), "inactive");
    Ok(())
}

/// From a session, whose cgroup is not the user's to move a process out of: systemd does it.
#[test]
fn a_process_that_is_executed_from_elsewhere_is_put_into_the_users_scope() -> Outcome {
    if let Some(reason) = lacks_user() {
        return skip(reason);
    }
    let container = container(|_| {})?;
    trug(&container, &["run", "--detach", &container.id]).output()?.ok();
    let calls = container.path("calls").to_string_lossy().into_owned();
    let traced = ["strace", "-f", "-s", "500", "-e", "trace=sendto,sendmsg,write", "-o", &calls];
    let exec = trug(&container, &["exec", &container.id, "cat", "/proc/self/cgroup"]).under(traced);
    exec.output()?.prints("0::/");
    assert!(fs::read_to_string(&calls)?.contains("AttachProcessesToUnit"), "systemd was not asked");
    let below = directory(&container).join("below");
    Invocation::new(["as-user", "mkdir"]).arg(&below).output()?.ok();
    let exec = trug(&container, &["exec", "--cgroup", "below", &container.id, "cat", "/proc/self/cgroup"]);
    exec.output()?.prints("0::/below");
    trug(&container, &["delete", "--force", &container.id]).output()?.ok();
    Ok(())
}

/// The user's systemd hands on only what it was given itself.
#[test]
fn a_limit_of_a_controller_that_the_user_was_not_given_is_refused_by_name() -> Outcome {
    if let Some(reason) = lacks_user() {
        return skip(reason);
    }
    let container = container(|config| {
        config["linux"]["resources"]["hugepageLimits"] = json!([{"pageSize": "2MB", "limit": 4_194_304}]);
    })?;
    let output = trug(&container, &["run", "--detach", &container.id]).output()?;
    output.fails(1, "hugetlb").fails(1, "not available").fails(1, "/linux/resources/hugepageLimits/0/limit");
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}
