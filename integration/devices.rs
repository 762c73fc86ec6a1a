//! /dev: the usual nodes and links, those of the config, and what a hostile image puts in their places.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use serde_json::json;

use crate::support::{Config, Container, DescriptorSocket, Outcome, cgroup, is_peer, skip, strace};

fn shell(script: &str, change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell(script);
        change(config);
    })
}

#[test]
fn the_usual_devices_are_there_for_everyone() -> Outcome {
    let script =
        "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a %u:%g' /dev/$d; done";
    let expected = [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ];
    let lines: Vec<_> = expected
        .iter()
        .map(|(name, number)| format!("/dev/{name} character special file {number} 666 0:0"))
        .collect();
    shell(script, |_| {})?.run()?.prints(&lines.join("\n"));
    Ok(())
}

#[test]
fn the_usual_links_are_there() -> Outcome {
    let script = "for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done";
    let expected = "fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\nstderr /proc/self/fd/2\nptmx pts/ptmx";
    shell(script, |_| {})?.run()?.prints(expected);
    Ok(())
}

#[test]
fn the_devices_work() -> Outcome {
    let script = "echo x > /dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c; \
                  echo x > /dev/full 2>/dev/null || echo full; echo through >> /dev/stdout";
    // Appended: stdout is our own file, and opening it anew to write would empty it.
    shell(script, |_| {})?.run()?.prints("00 00 00 00\n8\nfull\nthrough");
    Ok(())
}

#[test]
fn nothing_else_of_the_hosts_devices_is_there() -> Outcome {
    let script = "ls /dev";
    let output = shell(script, |_| {})?.run()?;
    let expected = [
        "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
        "tty", "urandom", "zero",
    ];
    for name in output.ok().lines() {
        assert!(expected.contains(&name.as_str()), "{name}: {output}");
    }
    Ok(())
}

#[test]
fn devices_of_the_config_have_their_mode_owner_and_number() -> Outcome {
    let script = "stat -c '%F %t:%T %a %u:%g' /dev/mine /dev/deep/block /dev/pipe";
    let container = shell(script, |config| {
        config["linux"]["devices"] = json!([
            {"path": "/dev/mine", "type": "c", "major": 1, "minor": 11, "fileMode": 0o640, "uid": 7, "gid": 8},
            {"path": "/dev/deep/block", "type": "b", "major": 7, "minor": 200, "fileMode": 0o600},
            {"path": "/dev/pipe", "type": "p", "fileMode": 0o622, "uid": 1, "gid": 2}
        ]);
    })?;
    let words = ["run", &container.id];
    // Under runc the directory made for the second would be closed even to its owner.
    let umask = if is_peer() { "umask 0077" } else { "umask 0777" };
    let output = container.runtime(words).after(umask).output()?;
    output.prints("character special file 1:b 640 7:8\nblock special file 7:c8 600 0:0\nfifo 0:0 622 1:2");
    Ok(())
}

#[test]
fn a_device_that_is_there_by_default_may_be_listed_too() -> Outcome {
    for (path, major, minor, expected) in [("/dev/tty", 5, 0, "5:0"), ("/dev/ptmx", 5, 2, "5:2")] {
        let container = shell(&format!("stat -L -c %t:%T {path}"), |config| {
            let device = json!({"path": path, "type": "c", "major": major, "minor": minor});
            config["linux"]["devices"] = json!([device]);
        })?;
        container.run()?.prints(expected);
    }
    Ok(())
}

#[test]
fn a_device_is_never_made_outside_the_root_filesystem() -> Outcome {
    for path in ["/../../HOST/x", "/dev/../../../HOST/x", "/link/x"] {
        let container = shell("true", |config| {
            config["linux"]["devices"] = json!([{"path": path, "type": "c", "major": 1, "minor": 3}]);
        })?;
        fs::create_dir(container.path("HOST"))?;
        symlink(container.path("HOST"), container.rootfs().join("link"))?;
        let output = container.run()?;
        assert!(matches!(output.status(), 0 | 1), "{path}: {output}");
        assert_eq!(fs::read_dir(container.path("HOST"))?.count(), 0, "{path}");
    }
    Ok(())
}

#[test]
fn a_device_with_a_senseless_type_is_refused() -> Outcome {
    let container = shell("true", |config| {
        config["linux"]["devices"] = json!([{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}]);
    })?;
    container.run()?.exits(1);
    Ok(())
}

#[test]
fn a_device_that_no_rule_allows_cannot_be_used() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["devices"]) {
        return skip(&reason);
    }
    let script = "mknod /disk b 8 0; cat /disk > /dev/null; true";
    let container = shell(script, |config| {
        config.capabilities(&["CAP_MKNOD", "CAP_DAC_OVERRIDE"]);
    })?;
    let output = container.run()?;
    assert!(output.stderr().contains("Operation not permitted"), "{output}");
    Ok(())
}

#[test]
fn a_listed_device_is_no_rule() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["devices"]) {
        return skip(&reason);
    }
    let container = Container::with(|config| {
        config.capabilities(&["CAP_SYSLOG"]);
        config["linux"]["devices"] = json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]);
    })?;
    container.detach()?;
    container.exec(&["sh", "-c", "echo x > /dev/kmsg"])?.fails(1, "Operation not permitted");
    container.exec(&["sh", "-c", "head -n 1 /dev/kmsg"])?.fails(1, "Operation not permitted");
    Ok(())
}

#[test]
fn a_rule_allows_what_it_names() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["devices"]) {
        return skip(&reason);
    }
    let container = Container::with(|config| {
        config.capabilities(&["CAP_SYSLOG", "CAP_MKNOD"]);
        config["linux"]["devices"] = json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]);
        config["linux"]["resources"]["devices"] = json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}
        ]);
    })?;
    container.detach()?;
    container.exec(&["sh", "-c", "exec 3</dev/kmsg"])?.ok();
    container.exec(&["sh", "-c", "exec 3>/dev/kmsg"])?.fails(1, "Operation not permitted");
    Ok(())
}

#[test]
fn the_v1_device_list_is_the_default_one() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["devices"]) {
        return skip(&reason);
    }
    let container = Container::new()?;
    container.detach()?;
    let list = cgroup::value("devices", &container.cgroup, "devices.list")?;
    let expected = [
        "c *:* m",
        "b *:* m",
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:2 rwm",
        "c 136:* rwm",
    ];
    for rule in expected {
        assert!(list.lines().any(|line| line == rule), "{rule} in {list}");
    }
    assert!(!list.contains("a *:*"), "{list}");
    Ok(())
}

#[test]
fn hooks_and_the_terminal_find_the_device_rules_complete() -> Outcome {
    // v1 forbids all devices before it allows some, one by one: slow writers show the moments between.
    if let Some(reason) = cgroup::lacks_v1(&["devices"]) {
        return skip(&reason);
    }
    if let Some(reason) = strace::lacking() {
        return skip(reason);
    }
    for terminal in [false, true] {
        let container = Container::with(|config| {
            config["process"]["terminal"] = terminal.into();
            if !terminal {
                config.shell_hook("createContainer", ": < /dev/urandom");
            }
        })?;
        let (trace, path) = (container.path("trace"), container.path("console.sock"));
        let _socket = DescriptorSocket::listen(&path)?;
        let (trace, path) = (trace.to_string_lossy(), path.to_string_lossy());
        let mut words = vec!["create"];
        if terminal {
            words.extend(["--console-socket", &path]);
        }
        words.push(&container.id);
        // Init goes on when the first rule is set.
        let (slow, later) = ("inject=write:delay_exit=5000", "inject=sched_setaffinity:delay_exit=10000");
        let tracer = strace::outliving(&container, &["-e", slow, "-e", later, "-o", &trace]);
        container.runtime(words).under(tracer).output()?.ok();
    }
    Ok(())
}

#[test]
fn a_symlinked_dev_in_the_image_leads_nowhere() -> Outcome {
    // CVE-2026-41579, CVE-2026-47766: default devices and links made through /dev of the image.
    for target in ["/HOST", "../../HOST", "/no/where"] {
        let container = shell("true", |config| {
            for place in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
                config.without_mount(place);
            }
        })?;
        let outside = container.path("HOST");
        fs::create_dir(&outside)?;
        fs::write(outside.join("ptmx"), "marker")?;
        fs::remove_dir(container.rootfs().join("dev"))?;
        let target = target.replace("/HOST", &outside.to_string_lossy());
        symlink(&target, container.rootfs().join("dev"))?;
        let output = container.run()?;
        assert!(matches!(output.status(), 0 | 1), "{output}");
        let names: Vec<_> = fs::read_dir(&outside)?.flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["ptmx"], "{output}");
        assert_eq!(fs::read_to_string(outside.join("ptmx"))?, "marker");
    }
    Ok(())
}

#[test]
fn a_null_device_that_is_a_link_to_the_host_changes_no_owner() -> Outcome {
    // CVE-2026-88265: standard streams of /dev/null are given to the user, whatever /dev/null is.
    let container = shell("true", |config| {
        for place in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            config.without_mount(place);
        }
        config.user(1000, 1000).mount("/host-file", "bind", "host-file", &["bind"]);
    })?;
    let host_file = container.bundle().join("host-file");
    fs::write(&host_file, "mine")?;
    symlink("/host-file", container.rootfs().join("dev/null"))?;
    let output = container.run()?;
    assert!(matches!(output.status(), 0 | 1), "{output}");
    assert_eq!(fs::metadata(&host_file)?.uid(), 0);
    assert_eq!(fs::read_to_string(&host_file)?, "mine");
    Ok(())
}

#[test]
fn without_a_dev_mount_the_nodes_are_made_in_the_image() -> Outcome {
    let container = shell("echo x > /dev/null && stat -c %t:%T /dev/zero", |config| {
        for place in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            config.without_mount(place);
        }
    })?;
    container.run()?.prints("1:5");
    assert!(fs::metadata(container.rootfs().join("dev/zero"))?.file_type().is_char_device());
    Ok(())
}

#[test]
fn a_bound_dev_of_the_host_is_left_as_it_is() -> Outcome {
    let container = shell("ls /dev", |config| {
        for place in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            config.without_mount(place);
        }
        config.mount("/dev", "bind", "own-dev", &["bind"]);
        config["linux"]["maskedPaths"] = json!([]);
    })?;
    fs::create_dir(container.bundle().join("own-dev"))?;
    fs::write(container.bundle().join("own-dev/note"), "")?;
    container.run()?.prints("note");
    Ok(())
}
