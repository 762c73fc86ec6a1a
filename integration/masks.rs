//! Masked and read-only paths.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use serde_json::json;

use crate::support::{Container, Outcome};

/// A container with something to hide: a file and three directories.
fn with_secrets(args: &[&str]) -> anyhow::Result<Container> {
    let container = Container::with(|config| {
        config.args(args);
        config.mask("/secrets").mask("/secret");
    })?;
    container.file("secret", "Forbidden information!")?;
    container.file("secrets/one", "Forbidden information!")?;
    container.file("more/one", "Forbidden information!")?;
    Ok(container)
}

#[test]
fn a_masked_file_is_empty_and_cannot_be_unmasked() -> Outcome {
    let container = with_secrets(&["sleep", "1000"])?;
    container.detach()?;
    container.exec(&["cat", "/secret"])?.prints("");
    container.exec(&["rm", "-f", "/secret"])?.exits(1);
    container.exec(&["umount", "/secret"])?.fails(1, "Operation not permitted");
    container.exec(&["stat", "-c", "%F %t:%T", "/secret"])?.prints("character special file 1:3");
    Ok(())
}

#[test]
fn a_masked_directory_is_empty_and_read_only() -> Outcome {
    let container = with_secrets(&["sleep", "1000"])?;
    container.detach()?;
    container.exec(&["ls", "-A", "/secrets"])?.prints("");
    container.exec(&["touch", "/secrets/x"])?.fails(1, "Read-only file system");
    container.exec(&["umount", "/secrets"])?.fails(1, "Operation not permitted");
    assert!(container.rootfs().join("secrets/one").exists());
    Ok(())
}

#[test]
fn masked_directories_share_one_file_system() -> Outcome {
    let container = with_secrets(&["sh", "-c", "stat -c %d /secrets /more | sort -u | wc -l"])?;
    container.edit(|config| {
        config.mask("/more");
    })?;
    container.run()?.prints("1");
    Ok(())
}

#[test]
fn a_path_masked_twice_is_masked_once() -> Outcome {
    let script = "grep -c ' /secrets ' /proc/self/mounts; grep -c ' /secret ' /proc/self/mounts";
    let container = with_secrets(&["sh", "-c", script])?;
    container.edit(|config| {
        config.mask("/secrets").mask("/secret");
    })?;
    container.run()?.prints("1\n1");
    Ok(())
}

#[test]
fn a_masked_path_that_is_not_there_is_passed_over() -> Outcome {
    let container = with_secrets(&["cat", "/secret"])?;
    container.edit(|config| {
        config.mask("/no/such/path");
    })?;
    container.run()?.prints("");
    Ok(())
}

#[test]
fn masks_hold_with_a_read_only_root() -> Outcome {
    let container = with_secrets(&["sh", "-c", "cat /secret; ls /secrets"])?;
    container.edit(|config| config["root"]["readonly"] = true.into())?;
    container.run()?.prints("");
    Ok(())
}

#[test]
fn masks_hold_for_exec_as_root_with_every_usual_capability() -> Outcome {
    let container = with_secrets(&["sleep", "1000"])?;
    container.edit(|config| {
        config.capabilities(&["CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_CHOWN", "CAP_MKNOD"]);
    })?;
    container.detach()?;
    container.exec(&["cat", "/secret"])?.prints("");
    Ok(())
}

#[test]
fn a_read_only_path_takes_no_writes() -> Outcome {
    let container = Container::with(|config| {
        config.shell("touch /held/x 2>&1 || true; echo x 2>&1 > /file || true; cat /held/inside");
        config.push("/linux/readonlyPaths", json!("/held")).push("/linux/readonlyPaths", json!("/file"));
        config.push("/linux/readonlyPaths", json!("/no/such/path"));
    })?;
    container.file("held/inside", "still readable")?;
    container.file("file", "old")?;
    container.run()?.says("Read-only file system").says("still readable");
    assert_eq!(fs::read_to_string(container.rootfs().join("file"))?, "old");
    assert!(!container.rootfs().join("held/x").exists());
    Ok(())
}

#[test]
fn the_kernels_switches_are_read_only() -> Outcome {
    let script = "echo x > /proc/sys/kernel/core_pattern; echo x > /proc/sys/kernel/printk; true";
    let container = Container::with(|config| {
        config.args(&["sh", "-c", script]);
    })?;
    let output = container.run()?;
    assert_eq!(output.stderr().matches("Read-only file system").count(), 2, "{output}");
    Ok(())
}

#[test]
fn a_read_only_path_keeps_the_other_flags_of_its_mount() -> Outcome {
    let container = Container::with(|config| {
        config.shell("awk '$2 == \"/held\" {print $4}' /proc/self/mounts | tail -n 1");
        config.mount("/held", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
        config.push("/linux/readonlyPaths", json!("/held"));
    })?;
    container.run()?.says("ro").says("nosuid").says("nodev").says("noexec");
    Ok(())
}

/// Puts something else where the container's /dev/null is, in a /dev that comes from outside.
fn with_false_null(put: impl FnOnce(&std::path::Path) -> anyhow::Result<()>) -> anyhow::Result<Container> {
    let container = with_secrets(&["sh", "-c", "cat /secret; ls -A /secrets; stat -c %t:%T /secret"])?;
    let dev = container.bundle().join("dev");
    fs::create_dir(&dev)?;
    put(&dev.join("null"))?;
    container.edit(|config| {
        config
            .without_mount("/dev")
            .without_mount("/dev/pts")
            .without_mount("/dev/shm")
            .without_mount("/dev/mqueue");
        config.mount("/dev", "bind", "dev", &["bind"]);
    })?;
    Ok(container)
}

#[test]
fn a_false_null_device_never_unmasks_or_shows_anything() -> Outcome {
    // CVE-2025-31133: what is bound over a masked file is the container's /dev/null, if it is one.
    let places: [fn(&std::path::Path) -> anyhow::Result<()>; 5] = [
        |null| Ok(symlink("/proc/sys/kernel/core_pattern", null)?),
        |null| Ok(symlink("/etc/passwd", null)?),
        |null| Ok(fs::write(null, "false")?),
        |null| Ok(mknodat(CWD, null, FileType::Fifo, Mode::from_raw_mode(0o666), 0)?),
        |null| Ok(mknodat(CWD, null, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 5))?),
    ];
    for (number, put) in places.into_iter().enumerate() {
        let container = with_false_null(put)?;
        let output = container.run()?;
        if output.status() == 0 {
            output.prints("1:3");
        }
        assert!(matches!(output.status(), 0 | 1), "{number}: {output}");
    }
    Ok(())
}

#[test]
fn a_missing_null_device_is_no_reason_to_leave_a_path_unmasked() -> Outcome {
    let container = with_false_null(|_| Ok(()))?;
    let output = container.run()?;
    if output.status() == 0 {
        output.prints("1:3");
    }
    assert!(!output.stdout().contains("Forbidden"), "{output}");
    Ok(())
}

#[test]
fn a_masked_symlink_is_resolved_inside_the_root_filesystem() -> Outcome {
    let container = Container::with(|config| {
        config.shell("cat /real; cat /etc/passwd | head -n 1");
        config.mask("/link").mask("/up");
    })?;
    container.file("real", "Forbidden information!")?;
    symlink("/real", container.rootfs().join("link"))?;
    symlink("../../../../../../etc/hostname", container.rootfs().join("up"))?;
    container.run()?.prints("root:x:0:0:root:/root:/bin/sh");
    Ok(())
}
