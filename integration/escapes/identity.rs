//! Who the process is: numbers that must never become root, and files of the image that say who is who.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::support::{Container, Outcome};

#[test]
fn cve_2026_30892_crun_exec_as_a_user_is_that_user() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    for (user, ids) in [("1", "1 0"), ("1:1", "1 1"), ("65534", "65534 0"), ("0:7", "0 7")] {
        container.exec_with(&["--user", user], &["sh", "-c", "echo $(id -u) $(id -g)"])?.prints(ids);
    }
    Ok(())
}

#[test]
fn cve_2024_40635_and_2026_46680_containerd_no_text_becomes_root_by_mistake() -> Outcome {
    // Seen with runc 1.1.5: 4294967296 is root; with crun 1.8.1: 4294967295 is.
    let container = Container::new()?;
    container.detach()?;
    for user in [
        "4294967295",
        "4294967296",
        "9223372036854775808",
        "18446744073709551616",
        "-1",
        "-0",
        "",
        "1:",
        ":1",
        " 1",
        "1 ",
        "0x1",
        "+1",
        "1:abc",
        "abc",
        "tempuser",
        "1:4294967295",
    ] {
        let output = container.exec_with(&["--user", user], &["id", "-u"])?;
        // An empty flag is no flag to runc; whoever passes it gets the container's user.
        assert!(output.status() != 0 || user.is_empty(), "{user:?}: {output}");
    }
    for uid in ["-1", "4294967296", "1.5", "\"0\"", "4294967295"] {
        let container = Container::with(|config| {
            config.args(&["id", "-u"]);
        })?;
        let path = container.bundle().join("config.json");
        let text = fs::read_to_string(&path)?.replacen("\"uid\": 0", &format!("\"uid\": {uid}"), 1);
        assert!(text.contains(uid));
        fs::write(&path, text)?;
        let output = container.run()?;
        assert!(output.stdout() != "0" && output.status() != 0, "{uid}: {output}");
    }
    Ok(())
}

#[test]
fn cve_2016_3697_a_number_is_never_a_name() -> Outcome {
    let container = Container::with(|config| {
        config.shell("echo $(id -u) $HOME").user(1000, 1000);
    })?;
    container.file("etc/passwd", "1000:x:0:0:evil:/evil:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")?;
    container.run()?.prints("1000 /home/user");
    container.edit(|config| {
        config.args(&["sleep", "1000"]);
    })?;
    container.detach()?;
    container.exec_with(&["--user", "1000"], &["sh", "-c", "echo $(id -u) $HOME"])?.prints("1000 /home/user");
    Ok(())
}

#[test]
fn cve_2026_61801_and_2026_47262_a_passwd_without_end_is_not_waited_for() -> Outcome {
    // Seen with runc 1.1.5 and crun 1.8.1: they wait at the fifo for ever.
    for form in ["fifo", "zero", "sparse", "line", "directory", "closed", "loop"] {
        let container = Container::with(|config| {
            config.shell("echo $HOME");
        })?;
        for name in ["etc/passwd", "etc/group"] {
            let path = container.rootfs().join(name);
            fs::remove_file(&path)?;
            match form {
                "fifo" => rustix::fs::mknodat(
                    rustix::fs::CWD,
                    &path,
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::from_raw_mode(0o666),
                    0,
                )?,
                "zero" => symlink("/dev/zero", &path)?,
                "sparse" => fs::File::create(&path)?.set_len(5 << 30)?,
                "line" => fs::write(&path, vec![b'x'; 8 << 20])?,
                "directory" => fs::create_dir(&path)?,
                "closed" => fs::write(&path, "")?,
                _ => symlink("passwd", &path)?,
            }
        }
        let begun = Instant::now();
        container.run()?.prints("/");
        assert!(begun.elapsed() < Duration::from_secs(10), "{form}: {:?}", begun.elapsed());
    }
    Ok(())
}

#[test]
fn cve_2019_14271_moby_nothing_of_the_images_name_service_is_loaded() -> Outcome {
    if let Some(reason) = crate::support::strace::lacking() {
        return crate::support::skip(reason);
    }
    let container = Container::with(|config| {
        config.args(&["/bin/true"]).user(1000, 1000);
    })?;
    container.file("etc/nsswitch.conf", "passwd: zzprobe\n")?;
    let path = container.path("trace").to_string_lossy().into_owned();
    let tracer = ["strace", "-f", "-s", "4096", "-o", &path];
    container.runtime(["run", &container.id]).under(tracer).output()?.ok();
    let calls = super::trace::inside(&fs::read_to_string(&path)?);
    assert!(!calls.is_empty());
    for call in calls {
        for word in ["libnss", "nsswitch", "ld.so.cache", "gconv", "resolv.conf", "localtime", "locale"] {
            assert!(!call.contains(word), "{call}");
        }
    }
    Ok(())
}

#[test]
fn crun_1_28_an_id_stays_one_directory() -> Outcome {
    // Seen with crun 1.8.1: `delete --force ..` removes the directory above its state.
    let container = Container::new()?;
    let long = "a".repeat(1025);
    for id in ["../x", "..", ".", "a/b", "", &long, "a\nb", "a b", "é", "%n", "@seccomp", "a\\b"] {
        let output = container.runtime(["create", "--", id]).output()?;
        assert_ne!(output.status(), 0, "{id:?}: {output}");
        let output = container.runtime(["delete", "--force", "--", id]).output()?;
        assert!(container.state_root().exists() && container.bundle().exists(), "{id:?}: {output}");
    }
    Ok(())
}
