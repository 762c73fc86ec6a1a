//! User namespaces, made and joined; ids of mounts mapped; clocks set; network devices moved.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use serde_json::json;

use crate::support::config::Config;
use crate::support::{Container, Invocation, Outcome, is_peer, skip};

const UID: u32 = 100_000;
const GID: u32 = 200_000;

/// A new user namespace of 1000 ids.
fn mapped(config: &mut Config) -> &mut Config {
    config.namespace("user");
    config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": UID, "size": 1000}]);
    config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": GID, "size": 1000}]);
    config
}

fn container(change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    let container = Container::with(|config| change(mapped(config)))?;
    give(&container.rootfs(), UID, GID)?;
    Ok(container)
}

/// Gives a tree to somebody.
fn give(path: &Path, uid: u32, gid: u32) -> anyhow::Result<()> {
    Invocation::new(["chown", "-Rh", &format!("{uid}:{gid}")]).arg(path).output()?.ok();
    Ok(())
}

#[test]
fn root_in_a_user_namespace_is_somebody_else_outside() -> Outcome {
    let container = container(|config| {
        config.namespace("cgroup");
    })?;
    container.detach()?;
    let init = container.init()?;
    let status = fs::metadata(format!("/proc/{}", init.pid))?;
    assert_eq!((status.uid(), status.gid()), (UID, GID));
    container.exec_shell("id -u; cat /proc/self/uid_map; cat /proc/self/setgroups")?.says("allow");
    let map = container.exec_shell("awk '{print $1,$2,$3}' /proc/self/uid_map")?;
    map.prints(&format!("0 {UID} 1000"));
    container.exec_with(&["--user", "7:8"], &["id"])?.says("uid=7").says("gid=8");
    Ok(())
}

#[test]
fn what_is_made_in_a_user_namespace_belongs_to_the_container() -> Outcome {
    container(|config| {
        config.shell(
            "stat -c '%n %u %g' /dev /dev/pts /dev/shm /proc/1; echo x > /dev/null; \
             grep -c ' /dev/null ' /proc/mounts; hostname",
        );
    })?
    .run()?
    .says("/dev 0 0\n/dev/pts 0 0\n/dev/shm 0 0\n/proc/1 0 0")
    .says("\n1\ntrug");
    Ok(())
}

#[test]
fn limits_that_init_could_not_set_itself_are_set() -> Outcome {
    let container = container(|config| {
        config["process"]["oomScoreAdj"] = json!(50);
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 20, "hard": 30}]);
        config.shell("cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; sleep 1000");
    })?;
    container.detach()?;
    container.exec_shell("cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn")?.prints("50\n20\n30");
    Ok(())
}

#[test]
fn without_a_network_namespace_sysfs_is_the_hosts() -> Outcome {
    if is_peer() {
        return skip("a peer may refuse it");
    }
    container(|config| {
        config.without_namespace("network").shell("ls /sys/class/net; grep ' /sys sysfs ro' /proc/mounts");
    })?
    .run()?
    .ok()
    .says("lo");
    Ok(())
}

#[test]
fn an_id_outside_the_map_is_refused_by_name() -> Outcome {
    if is_peer() {
        return skip("a peer has its own words");
    }
    container(|config| {
        config.user(1000, 0);
    })?
    .run()?
    .fails(1, "no user mapping found for uid 1000 [config.json /process/user/uid]");
    Ok(())
}

#[test]
fn a_user_namespace_is_joined_with_and_without_its_pid_namespace() -> Outcome {
    let target = container(|_| {})?;
    target.detach()?;
    let target_init = target.init()?;
    for share_pid in [false, true] {
        let guest = Container::with(|config| {
            let path = |name: &str| format!("/proc/{}/ns/{name}", target_init.pid);
            config.join_namespace("user", &path("user")).join_namespace("network", &path("net"));
            if share_pid {
                config.join_namespace("pid", &path("pid"));
            }
        })?;
        give(&guest.rootfs(), UID, GID)?;
        guest.detach()?;
        let init = guest.init()?;
        assert_eq!(init.namespace("user")?, target_init.namespace("user")?);
        assert_eq!(init.namespace("net")?, target_init.namespace("net")?);
        assert_eq!(init.namespace("pid")? == target_init.namespace("pid")?, share_pid);
        guest.exec_shell("id -u; readlink /proc/self/ns/user")?.says(&target_init.namespace("user")?);
        guest.delete_by_force()?.ok();
    }
    assert!(target_init.is_alive()?);
    Ok(())
}

#[test]
fn maps_beside_a_user_namespace_to_join_must_be_those_of_the_namespace() -> Outcome {
    let target = container(|_| {})?;
    target.detach()?;
    let pid = target.init()?.pid;
    let guest = |size: u32| {
        container(|config| {
            config.join_namespace("user", &format!("/proc/{pid}/ns/user")).shell("id -u");
            config["linux"]["uidMappings"][0]["size"] = json!(size);
        })
    };
    // Engines give both.
    guest(1000)?.run()?.says("0");
    let text = "user namespaces enabled, but both namespace path and non-matching mapping specified";
    guest(999)?.run()?.fails(1, text);
    Ok(())
}

#[test]
fn a_new_user_namespace_beside_a_network_namespace_of_the_host() -> Outcome {
    let network = Container::new()?;
    network.detach()?;
    let other = network.init()?;
    let container = container(|config| {
        config.join_namespace("network", &format!("/proc/{}/ns/net", other.pid)).without_mount("/sys");
        config["linux"]["maskedPaths"] = json!([]);
    })?;
    container.detach()?;
    assert_eq!(container.init()?.namespace("net")?, other.namespace("net")?);
    Ok(())
}

#[test]
fn the_owners_of_a_mounts_files_are_mapped() -> Outcome {
    let maps = json!([{"containerID": 0, "hostID": 5000, "size": 10}]);
    for kind in ["bind", "tmpfs"] {
        let container = Container::with(|config| {
            let (source, options) =
                if kind == "bind" { ("../given", "rbind") } else { ("tmpfs", "mode=755") };
            config.mount("/mnt", kind, source, &[options]);
            let last = config["mounts"].as_array().map_or(0, Vec::len) - 1;
            config["mounts"][last]["uidMappings"] = maps.clone();
            config["mounts"][last]["gidMappings"] = maps.clone();
            config.shell("stat -c '%u %g' /mnt");
        })?;
        if kind == "tmpfs" && is_peer() {
            continue;
        }
        fs::create_dir_all(container.path("given"))?;
        chown(container.path("given"), Some(3), Some(4))?;
        container.run()?.prints(if kind == "bind" { "5003 5004" } else { "5000 5000" });
    }
    Ok(())
}

#[test]
fn a_filesystem_that_cannot_map_ids_is_named() -> Outcome {
    if is_peer() {
        return skip("a peer has its own words");
    }
    Container::with(|config| {
        let maps = json!([{"containerID": 0, "hostID": 5000, "size": 10}]);
        config.push(
            "/mounts",
            json!({"destination": "/mnt", "type": "bind", "source": "/sys", "options": ["bind"],
                   "uidMappings": maps, "gidMappings": maps}),
        );
    })?
    .run()?
    .fails(1, "cannot map the ids of a mount: invalid argument");
    Ok(())
}

#[test]
fn the_clocks_of_a_time_namespace_are_set_for_init_and_exec() -> Outcome {
    let container = container(|config| {
        config.namespace("time");
        config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000}, "monotonic": {"secs": 7}});
    })?;
    container.detach()?;
    let uptime = container.exec_shell("cut -d. -f1 /proc/uptime")?.stdout();
    assert!(uptime.trim().parse::<u64>()? >= 1_000_000, "{uptime}");
    container.exec_shell("cat /proc/self/timens_offsets")?.says("1000000");
    Ok(())
}

/// A pair of interfaces that is gone with the test.
struct Veth(String);

impl Veth {
    fn new(name: &str) -> anyhow::Result<Option<Self>> {
        let peer = format!("{name}p");
        let made =
            Invocation::new(["ip", "link", "add", name, "type", "veth", "peer", "name", &peer]).output()?;
        Ok((made.status() == 0).then(|| Self(peer)))
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        // Gone already with the container's end of it.
        drop(Invocation::new(["ip", "link", "del", &self.0]).output());
    }
}

#[test]
fn a_network_device_is_moved_renamed_and_keeps_its_address() -> Outcome {
    let Some(_veth) = Veth::new("trugt0")? else {
        return skip("this kernel has no veth");
    };
    Invocation::new(["ip", "address", "add", "192.0.2.7/24", "dev", "trugt0"]).output()?.ok();
    let container = container(|config| {
        config["linux"]["netDevices"] = json!({"trugt0": {"name": "inside0"}});
        config.shell("ip address show dev inside0");
    })?;
    container.run()?.ok().says("192.0.2.7/24").says("UP");
    Ok(())
}

#[test]
fn a_network_device_comes_back_when_the_container_fails() -> Outcome {
    if is_peer() {
        return skip("runc loses it");
    }
    let Some(_veth) = Veth::new("trugt1")? else {
        return skip("this kernel has no veth");
    };
    Invocation::new(["ip", "address", "add", "192.0.2.8/24", "dev", "trugt1"]).output()?.ok();
    Container::with(|config| {
        config["linux"]["netDevices"] = json!({"trugt1": {"name": "inside1"}});
        config.shell_hook("createRuntime", "exit 3");
    })?
    .run()?
    .fails(1, "createRuntime");
    Invocation::new(["ip", "address", "show", "dev", "trugt1"]).output()?.ok().says("192.0.2.8/24");
    Ok(())
}
