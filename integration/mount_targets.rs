//! Where a mount goes: its target in the root filesystem, whatever links the image has there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Config, Container, Outcome};

fn shell(script: &str, change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell(script);
        change(config);
    })
}

/// A directory outside the root filesystem in which nothing may appear.
fn canary(container: &Container) -> anyhow::Result<PathBuf> {
    let path = container.path("HOST");
    fs::create_dir(&path)?;
    Ok(path)
}

#[track_caller]
fn is_untouched(canary: &Path) {
    let found: Vec<_> = fs::read_dir(canary).expect("the canary is there").flatten().collect();
    assert!(found.is_empty(), "something got out: {found:?}");
}

#[test]
fn directories_made_for_a_target_inherit_the_set_group_bit() -> Outcome {
    let container = shell("true", |config| {
        config.mount("/setgid/a/b", "tmpfs", "tmpfs", &[]);
    })?;
    let top = container.rootfs().join("setgid");
    fs::create_dir(&top)?;
    fs::set_permissions(&top, Permissions::from_mode(0o7755))?;
    container.run()?.ok();
    assert_eq!(fs::metadata(top.join("a"))?.mode() & 0o7777, 0o2755);
    assert_eq!(fs::metadata(top.join("a/b"))?.mode() & 0o7777, 0o2755);
    Ok(())
}

#[test]
fn a_mount_without_a_destination_or_onto_the_root_is_refused() -> Outcome {
    for destination in ["", "/"] {
        let container = shell("true", |config| {
            config.mount(destination, "tmpfs", "tmpfs", &[]);
        })?;
        let output = container.run()?;
        assert_eq!(output.status(), 1, "{destination:?}: {output}");
    }
    Ok(())
}

#[test]
fn proc_and_sys_must_be_plain_directories() -> Outcome {
    // CVE-2019-19921, CVE-2023-27561, CVE-2025-54867: a symlink there moves masks and labels elsewhere.
    for (place, target) in [("proc", "/etc"), ("proc", "../../HOST"), ("sys", "/etc"), ("proc", "/no/where")]
    {
        let container = shell("true", |_| {})?;
        let outside = canary(&container)?;
        fs::remove_dir(container.rootfs().join(place))?;
        symlink(target, container.rootfs().join(place))?;
        let output = container.run()?;
        output.exits(1);
        if place == "proc" {
            assert!(output.stderr().contains("must be mounted on ordinary directory"), "{output}");
        }
        is_untouched(&outside);
    }
    Ok(())
}

#[test]
fn proc_may_not_be_a_file() -> Outcome {
    let container = shell("true", |_| {})?;
    fs::remove_dir(container.rootfs().join("proc"))?;
    fs::write(container.rootfs().join("proc"), "")?;
    container.run()?.exits(1);
    Ok(())
}

#[test]
fn nothing_but_a_short_list_may_be_mounted_below_proc() -> Outcome {
    let refused = [
        "/proc",
        "/proc/self",
        "/proc/self/attr",
        "/proc/1",
        "/proc/sys",
        "/proc/sys/kernel/core_pattern",
        "/proc/../proc/self",
        "/proc/thread-self/attr",
    ];
    for target in refused {
        let container = shell("true", |config| {
            config.mount(target, "tmpfs", "tmpfs", &[]);
        })?;
        let output = container.run()?;
        assert_eq!(output.status(), 1, "{target}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
    }
    for target in ["/proc/cpuinfo", "/proc/meminfo", "/proc/uptime", "/proc/loadavg", "/proc/stat"] {
        let container = shell(&format!("cat {target}"), |config| {
            config.mount(target, "bind", "fake", &["bind"]);
        })?;
        fs::write(container.bundle().join("fake"), "a fake")?;
        container.run()?.prints("a fake");
    }
    Ok(())
}

#[test]
fn a_target_behind_symlinks_stays_in_the_root_filesystem() -> Outcome {
    // CVE-2019-18837, CVE-2024-45310: a path of the image, resolved with the host's authority.
    let links = ["/HOST", "../../HOST", "../../../../../../../../HOST", "/etc/../../HOST"];
    for (number, target) in links.iter().enumerate() {
        let container = shell("grep -c ' /.*inside' /proc/self/mounts", |config| {
            config.mount("/link/inside", "tmpfs", "tmpfs", &[]);
        })?;
        let outside = canary(&container)?;
        let target = target.replace("/HOST", &outside.to_string_lossy());
        symlink(&target, container.rootfs().join("link"))?;
        let output = container.run()?;
        if output.status() == 0 {
            output.prints("1");
        }
        is_untouched(&outside);
        assert!(matches!(output.status(), 0 | 1), "{number}: {output}");
    }
    Ok(())
}

#[test]
fn a_trailing_symlink_as_a_target_is_resolved_inside() -> Outcome {
    for kind in ["file", "directory"] {
        let container = shell("cat /proc/self/mounts | cut -d' ' -f2 | grep /mnt/real", |config| {
            config.mount("/etc/link", "bind", "source", &["bind"]);
        })?;
        let outside = canary(&container)?;
        match kind {
            "file" => fs::write(container.bundle().join("source"), "text")?,
            _ => fs::create_dir(container.bundle().join("source"))?,
        }
        symlink("/mnt/real", container.rootfs().join("etc/link"))?;
        container.run()?.prints("/mnt/real");
        is_untouched(&outside);
    }
    Ok(())
}

#[test]
fn a_dangling_symlink_in_the_middle_of_a_target_is_resolved_inside() -> Outcome {
    let container = shell("cat /tmp/foo/bar/baz/hosts", |config| {
        config.mount("/etc/hosts", "bind", "hosts", &["bind"]);
    })?;
    fs::write(container.bundle().join("hosts"), "the hosts")?;
    symlink("/tmp/foo/bar", container.rootfs().join("jump"))?;
    symlink("/jump/baz/hosts", container.rootfs().join("etc/hosts"))?;
    container.run()?.prints("the hosts");
    Ok(())
}

#[test]
fn a_target_with_dots_stays_inside() -> Outcome {
    let container = shell("ls -d /HOST/x", |config| {
        config.mount("/../../../HOST/x", "tmpfs", "tmpfs", &[]);
    })?;
    let outside = canary(&container)?;
    container.run()?.prints("/HOST/x");
    is_untouched(&outside);
    Ok(())
}

#[test]
fn a_relative_target_is_taken_from_the_root() -> Outcome {
    let container = shell("grep -c ' /mnt/x ' /proc/self/mounts", |config| {
        config.mount("mnt/x", "tmpfs", "tmpfs", &[]);
    })?;
    container.run()?.prints("1");
    Ok(())
}

#[test]
fn a_loop_of_symlinks_as_a_target_is_an_error() -> Outcome {
    let container = shell("true", |config| {
        config.mount("/a", "tmpfs", "tmpfs", &[]);
    })?;
    symlink("b", container.rootfs().join("a"))?;
    symlink("a", container.rootfs().join("b"))?;
    container.run()?.exits(1);
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    Ok(())
}
