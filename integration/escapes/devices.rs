//! Device nodes, the console and /dev/null, where the image has been there first.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use serde_json::json;

use super::canary::Canary;
use crate::support::{Container, DescriptorSocket, Outcome};

/// A container whose /dev is the image's own.
fn with_own_dev(terminal: bool) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.args(&["true"]);
        for mount in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            config.without_mount(mount);
        }
        config["process"]["terminal"] = terminal.into();
    })
}

/// Creates it with a console socket, and deletes it.
fn create_with_console(container: &Container) -> Outcome {
    let socket = DescriptorSocket::listen(&container.path("console"))?;
    let path = socket.path.to_string_lossy().into_owned();
    container.runtime(["create", "--console-socket", &path, &container.id]).output()?;
    container.delete_by_force()?;
    Ok(())
}

#[test]
fn cve_2026_88264_the_console_is_a_symlink_to_the_host() -> Outcome {
    // Seen with crun 1.8.1: the host's file is made.
    for (target, readonly) in [("missing", false), ("missing", true), ("secret", false), ("secret", true)] {
        let container = with_own_dev(true)?;
        container.edit(|config| config["root"]["readonly"] = readonly.into())?;
        let canary = Canary::new(&container)?;
        symlink(canary.path.join(target), container.rootfs().join("dev/console"))?;
        create_with_console(&container)?;
        canary.is_untouched()?;
    }
    Ok(())
}

#[test]
fn cve_2025_52565_the_terminal_is_a_symlink() -> Outcome {
    let container = with_own_dev(true)?;
    let canary = Canary::new(&container)?;
    fs::create_dir(container.rootfs().join("dev/pts"))?;
    for name in ["dev/pts/0", "dev/pts/ptmx", "dev/ptmx", "dev/tty"] {
        symlink(canary.path.join("secret"), container.rootfs().join(name))?;
    }
    create_with_console(&container)?;
    canary.is_untouched()?;

    // On a devpts of the container's own, the console is that terminal and nothing else.
    let container = Container::with(|config| {
        config["process"]["terminal"] = true.into();
    })?;
    let socket = DescriptorSocket::listen(&container.path("console"))?;
    let path = socket.path.to_string_lossy().into_owned();
    container.runtime(["create", "--console-socket", &path, &container.id]).output()?.ok();
    let _master = socket.receive()?;
    let init = container.init()?.pid;
    let console = fs::metadata(format!("/proc/{init}/root/dev/console"))?;
    // UNIX98_PTY_SLAVE_MAJOR.
    assert!(console.file_type().is_char_device() && rustix::fs::major(console.rdev()) == 136);
    Ok(())
}

#[test]
fn cve_2026_88265_dev_null_is_a_symlink_to_a_file_of_the_host() -> Outcome {
    // Seen with crun 1.8.1: the host's file is given to the user and written; with runc 1.1.5: it is written.
    let container = with_own_dev(false)?;
    let canary = Canary::new(&container)?;
    container.edit(|config| {
        config.user(1000, 1000).shell("echo to-our-pipe");
        config.mount("/hostfile", "bind", &format!("{}/secret", canary.text()), &["bind"]);
    })?;
    symlink("/hostfile", container.rootfs().join("dev/null"))?;
    let output = container.run()?;
    canary.is_untouched()?;
    assert!(output.status() != 0 || output.stdout() == "to-our-pipe", "{output}");
    Ok(())
}

#[test]
fn cve_2026_41579_and_47766_dev_itself_is_a_symlink() -> Outcome {
    // Seen with runc 1.1.5 and crun 1.8.1: the ptmx of whatever directory /dev leads to is removed.
    for form in ["absolute", "climbing", "dangling", "chain"] {
        let container = with_own_dev(false)?;
        let canary = Canary::new(&container)?;
        fs::write(canary.path.join("ptmx"), "marker")?;
        let ptmx_before = fs::metadata(canary.path.join("ptmx"))?.mtime_nsec();
        let dev = container.rootfs().join("dev");
        fs::remove_dir(&dev)?;
        let target = match form {
            "absolute" | "chain" => canary.text(),
            "climbing" => format!("../../../../../../..{}", canary.text()),
            _ => format!("{}/nothing", canary.text()),
        };
        match form {
            "chain" => {
                symlink(&target, container.rootfs().join("hop"))?;
                symlink("hop", &dev)?;
            }
            _ => symlink(&target, &dev)?,
        }
        container.run()?;
        assert_eq!(fs::metadata(canary.path.join("ptmx"))?.mtime_nsec(), ptmx_before, "{form}");
        let mut names: Vec<_> = fs::read_dir(&canary.path)?.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["empty", "ptmx", "secret"], "{form}");
    }
    Ok(())
}

#[test]
fn t_dev_a_device_path_that_climbs_stays_inside() -> Outcome {
    let container = Container::new()?;
    let canary = Canary::new(&container)?;
    symlink(&canary.path, container.rootfs().join("out"))?;
    for path in ["/out/node", "/../../../node", "/dev/../../../../etc/p"] {
        container.edit(|config| {
            config.args(&["true"]);
            config["linux"]["devices"] =
                json!([{"path": path, "type": "c", "major": 1, "minor": 3, "fileMode": 0o777}]);
        })?;
        container.run()?;
        canary.is_untouched()?;
        assert!(!std::path::Path::new("/etc/p").exists() && !container.bundle().join("node").exists());
    }
    Ok(())
}

#[test]
fn ghsa_g54h_m393_cpwq_no_device_rules_deny_every_device() -> Outcome {
    for resources in [json!({}), json!({"devices": []})] {
        let container = Container::with(|config| {
            // On a mount of its own: the host's own filesystem may be one without devices.
            config.mount("/mnt", "tmpfs", "tmpfs", &[]).capabilities(&["CAP_MKNOD"]);
            config.shell("mknod /mnt/sda b 8 0; cat /mnt/sda > /dev/null");
            config["linux"]["resources"] = resources;
        })?;
        let output = container.run()?;
        assert_ne!(output.status(), 0, "{output}");
        let text = output.stderr();
        assert!(text.contains("not permitted"), "the cgroup should refuse, not the lack of a disk: {output}");
    }
    Ok(())
}
