//! Checkpoints: names that CRIU is told, and archives that anybody may have written. CRIU's own format has names by path
//! and flags by number, so what a container or an archive says there must not reach the host.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::canary::Canary;
use crate::support::criu::{self, with_criu};
use crate::support::{Container, Outcome, Output};

fn images(container: &Container) -> PathBuf {
    container.path("images")
}

fn command(container: &Container, command: &str, flags: &[&str]) -> Result<Output> {
    criu::command_on(container, command, &images(container), flags)
}

/// `secret`, of the host, at `/one` to read; `data` at `/two` to write; where these are the image's symlinks.
fn with_symlinks(one: &str, two: &str) -> Result<(Container, Canary)> {
    // A sleep may be cut short by a checkpoint.
    let container = Container::with(|config| {
        config.shell("while :; do sleep 1000; done");
    })?;
    let canary = Canary::new(&container)?;
    let (secret, data) = (canary.text(), container.path("data"));
    fs::create_dir(&data)?;
    container.edit(|config| {
        config.mount("/one", "bind", &secret, &["bind", "ro"]);
        config.mount("/two", "bind", &data.to_string_lossy(), &["bind", "rw"]);
    })?;
    for (link, target) in [("one", one), ("two", two)] {
        fs::create_dir_all(container.rootfs().join(target.trim_start_matches('/')))?;
        symlink(target, container.rootfs().join(link))?;
    }
    Ok((container, canary))
}

#[test]
fn cve_2026_119101_swapped_symlinks_do_not_make_a_read_only_bind_writable() -> Outcome {
    with_criu(|| {
        let (container, canary) = with_symlinks("/real1", "/real2")?;
        container.detach()?;
        // A runtime that names mounts by where the config's path leads now gives each the other's name.
        container.exec_shell("ln -sfn /real2 /one; ln -sfn /real1 /two")?.ok();
        command(&container, "checkpoint", &[])?.ok();
        command(&container, "restore", &["--detach"])?.ok();
        container.exec_shell("cat /real1/secret")?.prints("of the host");
        container.exec_shell("! touch /real1/mine && ! echo x > /real1/secret")?.ok();
        container.exec_shell("touch /real2/mine")?.ok();
        assert!(container.path("data/mine").exists());
        canary.is_untouched()
    })
}

#[test]
fn cve_2026_115520_a_mount_point_that_reads_as_another_one_s_name_is_refused() -> Outcome {
    with_criu(|| {
        for evil in ["/x]:/etc", &format!("/{}", "long/".repeat(700))] {
            let (container, canary) = with_symlinks(evil, "/real2")?;
            let ran = container.command(&["run", "--detach"])?;
            if ran.status() != 0 {
                continue;
            }
            command(&container, "checkpoint", &[])?.fails(1, "could be taken for another one's");
            assert_eq!(container.status()?, "running");
            canary.is_untouched()?;
        }
        Ok(())
    })
}

#[test]
fn t_criu_descriptors_json_names_pipes_and_files_and_nothing_else() -> Outcome {
    with_criu(|| {
        let container = Container::new()?;
        container.detach()?;
        command(&container, "checkpoint", &[])?.ok();
        let file = images(&container).join("descriptors.json");
        let good = fs::read_to_string(&file)?;
        for evil in ["[1,2,3]", "{}", "[\"a\",\"b\",\"c\",\"d\"]", "[", ""] {
            fs::write(&file, evil)?;
            command(&container, "restore", &["--detach"])?.fails(1, "descriptors.json");
        }
        // A file that is none: it must not make the restore wait.
        fs::remove_file(&file)?;
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)?;
        command(&container, "restore", &["--detach"])?.fails(1, "descriptors.json");
        fs::remove_file(&file)?;
        symlink("/etc/passwd", &file)?;
        command(&container, "restore", &["--detach"])?.fails(1, "descriptors.json");
        fs::remove_file(&file)?;
        fs::write(&file, good)?;
        command(&container, "restore", &["--detach"])?.ok();
        Ok(())
    })
}

/// Symlinks in the way of what CRIU writes by well-known names, put there before or while it runs: it must not know.
#[test]
fn t_criu_nothing_is_written_through_a_symlink_in_a_directory_of_images_or_logs() -> Outcome {
    with_criu(|| {
        // Not a sleep, which a failed dump can cut short: the kernel cannot restart it for CRIU.
        let container = Container::with(|config| {
            config.shell("read line < /never");
        })?;
        let _never = container.fifo("never")?;
        let canary = Canary::new(&container)?;
        let victim = format!("{}/secret", canary.text());
        let (work, configuration) = (container.path("work"), container.path("criu.conf"));
        fs::create_dir(&work)?;
        fs::create_dir(images(&container))?;
        // A log under a name that trug does not know of, as one that is put there once trug has looked.
        fs::write(&configuration, "log-file=mine.log\n")?;
        container.edit(|config| {
            config["annotations"] = serde_json::json!({"org.criu.config": configuration.to_string_lossy()});
        })?;
        container.detach()?;
        let work = work.to_string_lossy().into_owned();
        let link = Path::new(&work).join("mine.log");
        symlink(&victim, &link)?;
        command(&container, "checkpoint", &["--work-path", &work])?.fails(1, "criu failed to dump");
        canary.is_untouched()?;
        fs::remove_file(link)?;
        fs::write(&configuration, "")?;
        for name in ["dump.log", "stats-dump"] {
            symlink(&victim, Path::new(&work).join(name))?;
        }
        let link = images(&container).join("pages-1.img");
        symlink(&victim, &link)?;
        command(&container, "checkpoint", &["--work-path", &work])?.fails(1, "pages-1.img");
        canary.is_untouched()?;
        assert_eq!(container.status()?, "running");
        fs::remove_file(link)?;
        command(&container, "checkpoint", &["--work-path", &work])?.ok();
        symlink(&victim, Path::new(&work).join("restore.log"))?;
        command(&container, "restore", &["--detach", "--work-path", &work])?.ok();
        canary.is_untouched()
    })
}

#[test]
fn the_directories_may_be_named_by_symlinks_as_containerd_does() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            config.args(&["tail", "-f", "/dev/null"]);
        })?;
        container.detach()?;
        let (real_images, real_work) = (container.path("real-images"), container.path("real-work"));
        fs::create_dir(&real_images)?;
        fs::create_dir(&real_work)?;
        let work = container.path("work");
        symlink(&real_images, images(&container))?;
        symlink(&real_work, &work)?;
        let work = work.to_string_lossy().into_owned();
        command(&container, "checkpoint", &["--work-path", &work])?.ok();
        assert!(real_images.join("inventory.img").exists() && real_work.join("dump.log").exists());
        command(&container, "restore", &["--detach", "--work-path", &work])?.ok();
        assert_eq!(container.status()?, "running");
        Ok(())
    })
}

#[test]
fn t_criu_an_archive_s_images_are_files() -> Outcome {
    with_criu(|| {
        let (container, canary) = with_symlinks("/real1", "/real2")?;
        container.detach()?;
        command(&container, "checkpoint", &[])?.ok();
        let pages = images(&container).join("pages-1.img");
        let good = container.path("good");
        fs::rename(&pages, &good)?;
        // A file of the host, which the container would find in its memory.
        symlink(&good, &pages)?;
        command(&container, "restore", &["--detach"])?.fails(1, "is not a file");
        fs::remove_file(&pages)?;
        rustix::fs::mknodat(rustix::fs::CWD, &pages, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)?;
        command(&container, "restore", &["--detach"])?.fails(1, "is not a file");
        fs::remove_file(&pages)?;
        fs::rename(good, &pages)?;
        symlink("/etc", images(&container).join("parent"))?;
        command(&container, "restore", &["--detach"])?.fails(1, "which is not relative");
        fs::remove_file(images(&container).join("parent"))?;
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        command(&container, "restore", &["--detach"])?.ok();
        canary.is_untouched()
    })
}

#[test]
fn cve_2026_53492_53489_and_go_2026_6791_containerd_an_archive_cannot_make_a_read_only_bind_writable()
-> Outcome {
    with_criu(|| {
        let (container, canary) = with_symlinks("/real1", "/real2")?;
        container.detach()?;
        command(&container, "checkpoint", &[])?.ok();
        make_writable(&images(&container), "/real1")?;
        command(&container, "restore", &["--detach"])?
            .fails(1, "writable, which config.json has as read-only");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        canary.is_untouched()
    })
}

#[test]
fn t_criu_an_archive_cannot_make_a_read_only_root_writable() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            // Not sleep, which ends where a checkpoint interrupts it.
            config.args(&["tail", "-f", "/dev/null"]);
            config["root"]["readonly"] = true.into();
        })?;
        container.detach()?;
        command(&container, "checkpoint", &[])?.ok();
        make_writable(&images(&container), "/")?;
        let restored = command(&container, "restore", &["--detach"])?;
        if restored.status() == 0 {
            // This criu (4.1) leaves the root's flags as they are, and read-only is what we made it.
            container.exec(&["touch", "/written"])?.fails(1, "Read-only file system");
            return Ok(());
        }
        restored.fails(1, "writable, which config.json has as read-only");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}

/// Clears MS_RDONLY of one mount in the image of mounts: a magic of 8 bytes, then entries, each behind its length.
fn make_writable(images: &Path, mount_point: &str) -> Result<()> {
    let mut entries = fs::read_dir(images)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_mounts = |path: &PathBuf| path.to_string_lossy().contains("/mountpoints-");
    let path = entries.find(is_mounts).context("no image of mounts")?;
    let mut bytes = fs::read(&path)?;
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into()?) as usize;
        let start = at + 4;
        let entry = bytes[start..start + length].to_vec();
        let needle = [&[0x3a, mount_point.len() as u8], mount_point.as_bytes()].concat();
        if entry.windows(needle.len()).any(|window| window == needle) {
            let flags = flags_of(&entry).context("a mount without flags")?;
            assert_eq!(entry[flags] & 1, 1, "it was read-only");
            bytes[start + flags] &= !1;
            return Ok(fs::write(&path, bytes)?);
        }
        at = start + length;
    }
    anyhow::bail!("no mount at {mount_point} in {path:?}")
}

/// Where the number of field 5 begins; the fields before it are numbers too.
fn flags_of(entry: &[u8]) -> Option<usize> {
    let mut at = 0;
    while *entry.get(at)? != 5 << 3 {
        at += 1;
        while *entry.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    Some(at + 1)
}
