//! User namespaces: groups that must not be dropped, privilege that must not be kept, cgroups that are delegated.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::json;

use crate::support::config::Config;
use crate::support::{Container, Invocation, Outcome, cgroup, invocation, is_peer, program, skip};

/// Where the ids of the container begin on the host.
const BASE: u32 = 100_000;
/// Nobody on this machine.
const USER: &str = "47110";
const GROUP: u32 = 4242;

fn mapped(config: &mut Config) -> &mut Config {
    config.user_namespace(json!([{"containerID": 0, "hostID": BASE, "size": 1000}]))
}

fn give(path: impl AsRef<std::ffi::OsStr>, owner: &str) -> Outcome {
    Invocation::new(["chown", "-Rh", owner]).arg(path).output()?.ok();
    Ok(())
}

#[test]
fn cve_2014_8989_a_group_that_denies_is_not_dropped() -> Outcome {
    // A file that everybody may read but one group: who is in that group must not lose it by way of a user
    // namespace of his own, in which he would otherwise have setgroups(2).
    if is_peer() {
        return skip("a peer wants a home of its own");
    }
    let script = "set +e; cat /proc/self/setgroups; su root -c 'cat /secret'; cat /secret; exit 0";
    let container = Container::with(|config| {
        let map = json!([{"containerID": 0, "hostID": USER.parse::<u32>().unwrap_or(0), "size": 1}]);
        config.user_namespace(map).namespace("cgroup").shell(script);
        config["linux"]["cgroupsPath"] = json!(null);
        config.mount_options("/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"]);
        config.capabilities(&["CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN"]);
    })?;
    let own = container.path("trug");
    program::copy(&invocation::runtime(), &own)?;
    give(container.path(""), &format!("{USER}:{USER}"))?;
    let secret = container.rootfs().join("secret");
    fs::write(&secret, "not for the group\n")?;
    chown(&secret, Some(0), Some(GROUP))?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o604))?;
    let group = GROUP.to_string();
    let as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--groups", &group];
    let run =
        Invocation::new([own.as_os_str()]).arg("--root").arg(container.path("users")).arg("run").arg("mine");
    let output = run.from(container.bundle()).under(as_user).output()?;
    output.ok();
    assert_eq!(output.stdout(), "deny", "{output}");
    Ok(())
}

#[test]
fn cve_2014_8989_groups_of_the_caller_do_not_reach_the_container() -> Outcome {
    let container = Container::with(|config| {
        config.shell("grep Groups: /proc/self/status").user(1000, 1000);
    })?;
    let caller = ["setpriv", "--groups", "4242,4243"];
    let output = container.runtime(["run", &container.id]).under(caller).output()?;
    output.ok();
    assert_eq!(output.stdout().replace([' ', '\t'], ""), "Groups:", "{output}");
    Ok(())
}

#[test]
fn cve_2020_5291_who_joins_a_user_namespace_keeps_no_privilege_in_it() -> Outcome {
    // setns(2) into a user namespace gives every capability there is in it.
    let target = Container::with(|config| {
        mapped(config);
    })?;
    give(target.rootfs(), &format!("{BASE}:{BASE}"))?;
    target.detach()?;
    let path = format!("/proc/{}/ns/user", target.init()?.pid);
    for user in [0, 1000 - 1] {
        let guest = Container::with(|config| {
            config.join_namespace("user", &path).user(user, user).shell("grep Cap /proc/self/status");
            config["process"]["capabilities"] = json!({});
        })?;
        give(guest.rootfs(), &format!("{BASE}:{BASE}"))?;
        let output = guest.run()?;
        output.ok();
        assert_eq!(output.lines().len(), 5, "{output}");
        for line in output.lines() {
            assert!(line.ends_with("\t0000000000000000"), "user {user}: {output}");
        }
    }
    let exec = target
        .exec_with(&["--user", "7:7"], &["grep", "-e", "CapEff", "-e", "CapPrm", "/proc/self/status"])?;
    exec.prints("CapPrm:\t0000000000000000\nCapEff:\t0000000000000000");
    Ok(())
}

/// A cgroup that belongs to the container's root, as rootless engines are given one; gone when it is dropped.
struct Delegated(Vec<std::path::PathBuf>);

impl Delegated {
    fn new(name: &str) -> anyhow::Result<Self> {
        let delegated = Self(cgroup::hierarchies()?.iter().map(|top| top.join(name)).collect());
        for directory in &delegated.0 {
            fs::create_dir(directory)?;
            give(directory, &format!("{BASE}:{BASE}"))?;
        }
        Ok(delegated)
    }

    fn is_untouched(&self) -> Outcome {
        for directory in &self.0 {
            let below = fs::read_dir(directory)?.flatten().filter(|entry| entry.path().is_dir());
            let made: Vec<_> = below.map(|entry| entry.path()).collect();
            assert!(made.is_empty(), "made in a cgroup of the host's: {made:?}");
        }
        Ok(())
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for directory in &self.0 {
            let _ = fs::remove_dir(directory.join("escaped"));
            let _ = fs::remove_dir(directory);
        }
    }
}

#[test]
fn cve_2023_25809_without_a_cgroup_namespace_the_hosts_cgroups_are_not_writable() -> Outcome {
    // As `spec --rootless` has it: no cgroup namespace, all of the host's /sys bound read-only (which below it holds
    // for nothing), and a cgroup of the host's that the container's root owns.
    let attack = "for d in $(find /sys/fs/cgroup -name $NAME); do echo seen $d; mkdir $d/escaped; \
                  echo 1 > $d/cgroup.procs; done 2>/dev/null; exit 0";
    for (bound, unified) in [(true, false), (false, false), (true, true), (false, true)] {
        if unified && Container::lacks_unified().is_some() {
            continue;
        }
        let container = Container::with(|config| {
            mapped(config).shell(attack).capabilities(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]);
            if bound {
                config.without_mount("/sys");
                let mount = json!({"destination": "/sys", "type": "none", "source": "/sys",
                                   "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]});
                if let Some(mounts) = config["mounts"].as_array_mut() {
                    mounts.insert(0, mount);
                }
            }
        })?;
        let container = if unified { container.on_unified() } else { container };
        let name = format!("trug-delegated-{}", container.id);
        let delegated = Delegated::new(&name)?;
        container.edit(|config| {
            config.env(&format!("NAME={name}"));
        })?;
        give(container.rootfs(), &format!("{BASE}:{BASE}"))?;
        let output = container.run()?;
        delegated.is_untouched()?;
        assert!(output.stdout().is_empty(), "bound {bound}, unified {unified}: {output}");
    }
    Ok(())
}

#[test]
fn mounts_of_the_host_stay_locked_for_root_in_a_user_namespace() -> Outcome {
    // `man 7 mount_namespaces`: what is read-only on the host stays so, and what is covered stays covered.
    let attack = "set +e; mount -o remount,bind,rw /v; touch /v/x && echo written; umount /v/sub; ls /v/sub; \
                  mount -o remount,bind,rw /etc/file; echo x > /etc/file && echo written too; exit 0";
    let container = Container::with(|config| {
        mapped(config).shell(attack).capabilities(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]);
    })?;
    let source = container.path("source");
    fs::create_dir(&source)?;
    let path = source.to_string_lossy().into_owned();
    container.edit(|config| {
        config.mount("/v", "bind", &path, &["rbind"]).mount(
            "/etc/file",
            "bind",
            &format!("{path}/file"),
            &["bind"],
        );
    })?;
    give(container.rootfs(), &format!("{BASE}:{BASE}"))?;
    let set_up = format!(
        "mount -t tmpfs -o mode=777 tmpfs {path}; mkdir {path}/sub; touch {path}/sub/covered {path}/file; \
         chmod 666 {path}/file; mount -t tmpfs tmpfs {path}/sub; mount -o remount,bind,ro {path}"
    );
    let run = container.runtime(["run", &container.id]).after(&set_up).under(["unshare", "--mount"]);
    let output = run.output()?;
    assert_eq!(output.stdout(), "", "{output}");
    output.ok();
    Ok(())
}

#[test]
fn what_only_the_hosts_root_reaches_can_be_bound_into_a_user_namespace() -> Outcome {
    let container = Container::with(|config| {
        mapped(config).shell("cat /v/note; cat /note; id -u");
    })?;
    let closed = container.path("closed");
    fs::create_dir(&closed)?;
    fs::create_dir(closed.join("source"))?;
    fs::write(closed.join("source/note"), "a note\n")?;
    // Not even root's: nobody without CAP_DAC_OVERRIDE on the host gets through.
    chown(&closed, Some(1234), Some(1234))?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
    let path = closed.join("source").to_string_lossy().into_owned();
    container.edit(|config| {
        config.mount("/v", "bind", &path, &["rbind", "ro"]).mount(
            "/note",
            "bind",
            &format!("{path}/note"),
            &["bind"],
        );
    })?;
    give(container.rootfs(), &format!("{BASE}:{BASE}"))?;
    container.run()?.prints("a note\na note\n0");
    Ok(())
}
