//! Masks and read-only paths.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::canary::Canary;
use crate::support::{Container, Invocation, Outcome, invocation};

/// What an image can put where /dev/null is looked for.
const NULLS: [&str; 6] = ["symlink", "sysrq", "file", "fifo", "zero", "missing"];

#[test]
fn cve_2025_31133_and_62161_the_mask_is_made_of_something_else_than_dev_null() -> Outcome {
    // Seen with runc 1.1.5: the host's file is shown in place of the masked one; with crun 1.8.1: it is written, too.
    for null in NULLS {
        let container = Container::new()?;
        let canary = Canary::new(&container)?;
        let volume = container.path("volume");
        fs::create_dir(&volume)?;
        let place = volume.join("null");
        match null {
            "symlink" => symlink("/hostfile", &place)?,
            "sysrq" => symlink("/proc/sysrq-trigger", &place)?,
            "file" => fs::write(&place, "not null")?,
            "fifo" => mknod(&place, rustix::fs::FileType::Fifo, 0)?,
            "zero" => mknod(&place, rustix::fs::FileType::CharacterDevice, rustix::fs::makedev(1, 5))?,
            _ => {}
        }
        container.file("etc/masked", "secret of the image")?;
        container.edit(|config| {
            // Whatever of /dev the runtime does not make is the volume's.
            config.shell("cat /etc/masked; stat -c '%t:%T' /etc/masked; ls /etc/dir");
            config.without_mount("/dev/pts").without_mount("/dev/shm").without_mount("/dev/mqueue");
            config.without_mount("/dev");
            config.mount("/dev", "bind", &volume.to_string_lossy(), &["bind"]);
            config.mount("/hostfile", "bind", &format!("{}/secret", canary.text()), &["bind"]);
            config["linux"]["maskedPaths"] =
                json!(["/etc/masked", "/etc/dir", "/etc/missing", "/etc/masked"]);
            config["linux"]["readonlyPaths"] = json!([]);
        })?;
        fs::create_dir(container.rootfs().join("etc/dir"))?;
        fs::write(container.rootfs().join("etc/dir/inside"), "")?;
        let output = container.run()?;
        canary.is_untouched()?;
        // 1:3 is null.
        assert!(output.status() == 1 || output.stdout() == "1:3", "{null}: {output}");
        assert!(!output.stdout().contains("secret"), "{null}: {output}");
    }
    Ok(())
}

#[test]
fn t_mask_peer_what_a_container_mounts_on_a_mask_or_on_cgroups_does_not_reach_a_host_whose_mounts_are_shared()
-> Outcome {
    let container = Container::with(|config| {
        // By these names they would be found among the host's mounts.
        config.shell(
            "mount --bind /evil /masked; \
             for place in /sys/fs/cgroup/*; do [ ! -d $place ] || mount --bind /evils $place; done; \
             grep -c /evil /proc/self/mountinfo; grep -c shared: /proc/self/mountinfo || true",
        );
        config.capabilities(&["CAP_SYS_ADMIN"]).mask("/masked");
    })?;
    container.file("evil", "evil")?;
    container.file("evils/one", "")?;
    container.file("masked", "")?;
    // As systemd has it: every mount of the host is shared.
    let script =
        "\"$0\" --root \"$1\" run \"$2\"; stat -c %t:%T /dev/null; grep -c evil /proc/self/mountinfo";
    let (runtime, root) = (invocation::runtime(), container.state_root());
    let words = ["bash", "-c", script, &runtime.to_string_lossy(), &root.to_string_lossy(), &container.id];
    let shared = ["unshare", "--mount", "--propagation", "shared"];
    let output = Invocation::new(words).from(container.bundle()).under(shared).output()?;
    let lines = output.lines();
    assert!(lines.len() == 4 && lines[0] != "0", "{output}");
    assert_eq!(lines[1..], ["0", "1:3", "0"], "{output}");
    Ok(())
}

fn mknod(path: &std::path::Path, kind: rustix::fs::FileType, device: u64) -> Outcome {
    Ok(rustix::fs::mknodat(rustix::fs::CWD, path, kind, rustix::fs::Mode::from_raw_mode(0o666), device)?)
}

#[test]
fn t_mask_a_masked_path_that_is_a_symlink_masks_nothing_outside() -> Outcome {
    let container = Container::new()?;
    let canary = Canary::new(&container)?;
    symlink(&canary.path, container.rootfs().join("out"))?;
    container.edit(|config| {
        config.args(&["true"]).mask("/out").mask("/out/secret").mask("/../../HOST/secret");
        config.push("/linux/readonlyPaths", json!("/out"));
    })?;
    container.run()?;
    assert!(crate::support::leftovers::mounts_below(&canary.path)?.is_empty());
    assert_eq!(fs::read_to_string(canary.path.join("secret"))?, "of the host\n");
    canary.is_untouched()
}
