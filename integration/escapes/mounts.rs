//! Mount targets that an image has bent.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::canary::Canary;
use crate::support::{Container, Invocation, Outcome, leftovers};

/// Every way for an image to have `/t` lead to the host.
const BENDS: [(&str, &str); 6] = [
    ("t", "HOST"),
    ("t", "HOST/missing"),
    ("t", "../../../../../../../HOST/empty"),
    ("t", "hop"),
    ("t", "proc-root"),
    ("t", "HOST/secret"),
];

#[test]
fn cve_2019_18837_and_2015_3629_a_mount_target_is_a_symlink_to_the_host() -> Outcome {
    for (link, bend) in BENDS {
        for below in ["", "/x/y"] {
            for kind in ["tmpfs", "directory", "file"] {
                let container = Container::new()?;
                let canary = Canary::new(&container)?;
                let target = match bend {
                    "hop" => {
                        symlink(&canary.path, container.rootfs().join("hop"))?;
                        "/hop".to_string()
                    }
                    "proc-root" => format!("/proc/1/root{}", canary.text()),
                    bend => bend.replacen("HOST", &canary.text()[1..], 1),
                };
                let target = if bend.starts_with("HOST") { format!("/{target}") } else { target };
                symlink(&target, container.rootfs().join(link))?;
                fs::create_dir(container.path("source"))?;
                fs::write(container.path("source/file"), "f")?;
                let source = container.path("source").to_string_lossy().into_owned();
                let place = format!("/{link}{below}");
                container.edit(|config| {
                    config.args(&["true"]);
                    match kind {
                        "tmpfs" => config.mount(&place, "tmpfs", "tmpfs", &[]),
                        "directory" => config.mount(&place, "bind", &source, &["bind"]),
                        _ => config.mount(&place, "bind", &format!("{source}/file"), &["bind"]),
                    };
                })?;
                let output = container.run()?;
                canary.is_untouched()?;
                assert!(matches!(output.status(), 0 | 1), "{output}");
                let mounts = leftovers::mounts_below(&canary.path)?;
                assert!(mounts.is_empty(), "{mounts:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn cve_2015_3631_and_2025_24965_files_made_for_the_container_stay_in_its_root() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
        config["process"]["cwd"] = "/made/cwd".into();
    })?;
    let canary = Canary::new(&container)?;
    symlink(&canary.path, container.rootfs().join("made"))?;
    container.run()?;
    canary.is_untouched()
}

#[test]
fn cve_2026_115521_a_read_only_root_though_the_image_brings_its_own_proc() -> Outcome {
    // The remount found through /proc/self/fd of the image.
    let container = Container::with(|config| {
        config.shell("echo x > /x").without_mount("/proc");
        config["root"]["readonly"] = true.into();
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    })?;
    fs::create_dir_all(container.rootfs().join("vol"))?;
    for owner in ["self", "thread-self"] {
        let place = container.rootfs().join("proc").join(owner).join("fd");
        fs::create_dir_all(&place)?;
        for number in 0..64 {
            symlink("/vol", place.join(number.to_string()))?;
        }
    }
    let output = container.run()?;
    assert_ne!(output.status(), 0, "{output}");
    assert!(!container.rootfs().join("x").exists());
    Ok(())
}

#[test]
fn runc_pr_5479_without_a_mount_namespace_nothing_is_silently_writable() -> Outcome {
    // Seen with crun 1.8.1: a read-only root is written.
    let root =
        |table: &str| table.lines().find(|line| line.split(' ').nth(4) == Some("/")).map(str::to_string);
    let before = root(&fs::read_to_string("/proc/self/mountinfo")?);
    let changes = [json!({"readonly": true}), json!({"masked": true}), json!({"tmpfs": true})];
    for change in changes {
        let container = Container::with(|config| {
            config.shell("echo x > /x; echo x > /mnt/x").without_namespace("mount");
            config["mounts"] = json!([]);
            config["root"]["readonly"] = (change["readonly"] == true).into();
            config["linux"]["maskedPaths"] =
                if change["masked"] == true { json!(["/etc"]) } else { json!([]) };
            config["linux"]["readonlyPaths"] = json!([]);
            if change["tmpfs"] == true {
                config.mount("/mnt", "tmpfs", "tmpfs", &["ro"]);
            }
        })?;
        let output = container.run()?;
        assert_ne!(output.status(), 0, "{change}: {output}");
        let root_written = container.rootfs().join("x").exists();
        assert!(change["readonly"] != true || !root_written, "{change}: {output}");
        assert!(!container.rootfs().join("mnt/x").exists(), "{change}: {output}");
        // Such a container's mounts are the caller's to take away, as with runc.
        Invocation::new(["umount", "--recursive", "--quiet"]).arg(container.rootfs()).output()?;
        assert_eq!(root(&fs::read_to_string("/proc/self/mountinfo")?), before, "{change}");
    }
    Ok(())
}

#[test]
fn cve_2021_29136_umoci_the_root_itself_is_a_symlink() -> Outcome {
    // root.path is the engine's word, and followed once; what comes after goes by descriptor: a link that has been
    // turned by then changes nothing.
    let container = Container::with(|config| {
        config.shell("cat /etc/mark");
        config["root"]["path"] = "link".into();
    })?;
    let canary = Canary::new(&container)?;
    container.file("etc/mark", "of the image")?;
    let link = container.bundle().join("link");
    symlink("rootfs", &link)?;
    let turn = format!("ln -sfn {} {}", canary.text(), link.display());
    container.edit(|config| {
        config.shell_hook("createRuntime", &turn);
    })?;
    container.run()?.prints("of the image");
    canary.is_untouched()
}
