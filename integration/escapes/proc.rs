//! /proc and /sys that an image, or a mount, has made into something else.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::canary::Canary;
use crate::support::{Container, Outcome};

/// An image whose `name` (proc or sys) is a symlink, in each of the ways that have worked.
fn is_refused_as_symlink(name: &str) -> Outcome {
    for form in ["inside", "host", "volume", "file", "parent"] {
        let container = Container::with(|config| {
            config.args(&["true"]);
            if form == "parent" {
                config.without_mount(&format!("/{name}"));
                let kind = if name == "proc" { "proc" } else { "sysfs" };
                config.mount(&format!("/up/{name}"), kind, kind, &[]);
            }
        })?;
        let canary = Canary::new(&container)?;
        let place = container.rootfs().join(name);
        fs::remove_dir(&place)?;
        match form {
            "inside" => symlink("etc", &place)?,
            "host" => symlink(&canary.path, &place)?,
            "volume" => symlink("mnt/volume", &place)?,
            "file" => fs::write(&place, "")?,
            _ => {
                fs::create_dir(&place)?;
                symlink("/etc", container.rootfs().join("up"))?;
            }
        }
        let output = container.run()?;
        output.fails(1, "must be mounted on ordinary directory");
        canary.is_untouched()?;
    }
    Ok(())
}

#[test]
fn cve_2019_19921_proc_is_a_symlink() -> Outcome {
    is_refused_as_symlink("proc")
}

#[test]
fn cve_2023_27561_and_28642_sys_is_a_symlink() -> Outcome {
    is_refused_as_symlink("sys")
}

#[test]
fn cve_2025_54867_youki_proc_and_sys_are_symlinks_to_a_volume() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let canary = Canary::new(&container)?;
    let source = canary.text();
    container.edit(|config| {
        let mount = json!({"destination": "/vol", "type": "bind", "source": source, "options": ["rbind"]});
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.insert(0, mount);
        }
    })?;
    for name in ["proc", "sys"] {
        fs::remove_dir(container.rootfs().join(name))?;
        symlink("/vol/empty", container.rootfs().join(name))?;
    }
    container.run()?.fails(1, "must be mounted on ordinary directory");
    canary.is_untouched()
}

#[test]
fn cve_2019_16884_and_2015_3630_nothing_is_mounted_over_proc() -> Outcome {
    // Seen with runc 1.1.5 and crun 1.8.1: some are mounted (with crun that is policy).
    let places = [
        "/proc",
        "/proc/self",
        "/proc/self/attr",
        "/proc/thread-self/attr",
        "/proc/1",
        "/proc/sys",
        "/proc/sys/kernel/core_pattern",
        "/proc/../proc/self",
        "/proc/self/attr/exec",
        "//proc//self",
    ];
    for place in places {
        for kind in ["tmpfs", "bind"] {
            let container = Container::new()?;
            let canary = Canary::new(&container)?;
            container.edit(|config| {
                config.args(&["true"]);
                match kind {
                    "tmpfs" => config.mount(place, "tmpfs", "tmpfs", &[]),
                    _ => config.mount(place, "bind", &format!("{}/empty", canary.text()), &["bind"]),
                };
            })?;
            container.run()?.refused();
            canary.is_untouched()?;
        }
    }
    Ok(())
}

#[test]
fn cve_2019_16884_an_image_leads_a_mount_into_proc() -> Outcome {
    // Seen with crun 1.8.1: it is mounted there.
    let container = Container::with(|config| {
        config.args(&["true"]).mount("/innocent", "tmpfs", "tmpfs", &[]);
    })?;
    symlink("/proc/self", container.rootfs().join("innocent"))?;
    container.run()?.refused();
    symlink("/proc/sys", container.rootfs().join("other"))?;
    container.edit(|config| {
        config.mount("/other/kernel", "tmpfs", "tmpfs", &[]);
    })?;
    container.run()?.refused();
    Ok(())
}

#[test]
fn t_proc_over_what_lxcfs_needs_is_allowed() -> Outcome {
    let container = Container::with(|config| {
        config.shell("cat /proc/uptime");
    })?;
    container.edit(|config| {
        let file = container.path("uptime").to_string_lossy().into_owned();
        config.mount("/proc/uptime", "bind", &file, &["bind"]);
    })?;
    fs::write(container.path("uptime"), "1.00 1.00\n")?;
    container.run()?.prints("1.00 1.00");
    Ok(())
}

#[test]
fn cve_2022_0811_cri_o_and_ghsa_w2j5_a_sysctl_of_the_host_is_refused() -> Outcome {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    let keys = [
        "kernel.core_pattern",
        "net.ipv4/../../kernel/core_pattern",
        "net/../kernel/core_pattern",
        "net..ipv4",
        "net.ipv4.ip_forward\nkernel.core_pattern",
        "net.ipv4.ip_forward+kernel.core_pattern",
        "vm.swappiness",
        "net/ipv4/../../kernel/core_pattern",
        "fs.mqueue/../../kernel/core_pattern",
        "",
    ];
    for key in keys {
        let container = Container::with(|config| {
            config.args(&["true"]);
            config["linux"]["sysctl"] = json!({key: "|/evil"});
        })?;
        let output = container.run()?;
        assert_ne!(output.status(), 0, "{key:?}: {output}");
        assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern")?, pattern, "{key:?}");
    }
    for (namespace, key) in
        [("network", "net.ipv4.ip_forward"), ("ipc", "kernel.shmmax"), ("uts", "kernel.domainname")]
    {
        let container = Container::with(|config| {
            config.args(&["true"]).without_namespace(namespace);
            config["linux"]["sysctl"] = json!({key: "1"});
            if let Some(config) = config.as_object_mut() {
                config.remove("hostname");
            }
        })?;
        container.run()?.refused();
    }
    Ok(())
}

#[test]
fn cve_2025_52881_62596_and_2015_1334_what_is_written_goes_to_a_true_proc() -> Outcome {
    // A neighbour that shares mount propagation puts fakes over /proc. Here a hook in the mount namespace does it
    // at the last moment before the writes: sysctls, the OOM score and labels must reach the kernel or fail.
    // Seen with runc 1.1.5: the fake sysctl is written.
    let container = Container::with(|config| {
        config.shell("cat /fake/sched; exit 0");
        config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
        config["process"]["oomScoreAdj"] = 500.into();
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    })?;
    fs::create_dir_all(container.rootfs().join("fake/net/ipv4"))?;
    fs::write(container.rootfs().join("fake/net/ipv4/ip_forward"), "untouched")?;
    fs::write(container.rootfs().join("fake/sched"), "untouched")?;
    let root = container.rootfs().to_string_lossy().into_owned();
    container.edit(|config| {
        let over = format!("cd {root} && mount --bind fake proc/sys 2>/dev/null; mount --bind fake/sched proc/self/oom_score_adj 2>/dev/null; true");
        config.shell_hook("createContainer", &over);
    })?;
    container.run()?;
    assert_eq!(fs::read_to_string(container.rootfs().join("fake/net/ipv4/ip_forward"))?, "untouched");
    assert_eq!(fs::read_to_string(container.rootfs().join("fake/sched"))?, "untouched");
    Ok(())
}
