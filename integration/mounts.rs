//! The container's file tree: every kind of mount, its options, and no way out of the root filesystem.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use serde_json::json;

use crate::support::{
    Config, Container, Invocation, Outcome, Output, cgroup, invocation, is_peer, leftovers, skip,
};

fn shell(script: &str, change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.shell(script);
        change(config);
    })
}

/// A container in the caller's cgroup namespace, and one that has its own; and which it is.
fn in_either_cgroup_namespace(script: &str) -> anyhow::Result<[(bool, Container); 2]> {
    let own = |config: &mut Config| {
        config.namespace("cgroup");
    };
    Ok([(false, shell(script, |_| {})?), (true, shell(script, own)?)])
}

/// The line of /proc/self/mounts for `target` that `output` printed, its options as a list.
#[track_caller]
fn options(output: &Output, target: &str) -> Vec<String> {
    let line = output.ok().lines().into_iter().rfind(|line| line.split(' ').nth(1) == Some(target));
    let line = line.unwrap_or_else(|| panic!("no mount at {target}: {output}"));
    line.split(' ').nth(3).unwrap_or_default().split(',').map(str::to_string).collect()
}

#[test]
fn the_usual_file_systems_are_mounted() -> Outcome {
    let output = shell("cat /proc/self/mounts", |_| {})?.run()?;
    let expected = [
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
        ("/sys", "sysfs"),
    ];
    for (target, kind) in expected {
        let found = output.ok().lines().iter().any(|line| {
            let mut words = line.split(' ').skip(1);
            words.next() == Some(target) && words.next() == Some(kind)
        });
        assert!(found, "{target}: {output}");
    }
    Ok(())
}

#[test]
fn mounts_are_made_in_the_order_of_the_config() -> Outcome {
    let container = shell("cat /a/b/file; test ! -e /a/hidden", |config| {
        config.mount("/a", "tmpfs", "tmpfs", &[]).mount("/a/b", "bind", "source", &["bind"]);
    })?;
    container.file("a/hidden", "")?;
    fs::create_dir(container.bundle().join("source"))?;
    fs::write(container.bundle().join("source/file"), "from the bundle")?;
    container.run()?.prints("from the bundle");
    Ok(())
}

#[test]
fn a_bind_mount_shows_the_hosts_directory() -> Outcome {
    let container = shell("cat /mnt/in/file; echo back > /mnt/in/answer", |_| {})?;
    fs::create_dir(container.path("share"))?;
    fs::write(container.path("share/file"), "to the container")?;
    let source = container.path("share").to_string_lossy().into_owned();
    container.edit(|config| {
        config.mount("/mnt/in", "bind", &source, &["rbind", "rw"]);
    })?;
    container.run()?.prints("to the container");
    assert_eq!(fs::read_to_string(container.path("share/answer"))?, "back\n");
    Ok(())
}

#[test]
fn a_relative_bind_source_is_of_the_bundle() -> Outcome {
    let container = shell("ls /mnt/bundle/config.json", |config| {
        config.mount("/mnt/bundle", "bind", ".", &["bind"]);
    })?;
    container.run()?.prints("/mnt/bundle/config.json");
    let bundle = container.bundle().to_string_lossy().into_owned();
    let words = ["run", "--bundle", &bundle, &container.id];
    container.runtime(words).from("/").output()?.prints("/mnt/bundle/config.json");
    Ok(())
}

#[test]
fn a_single_file_can_be_bound_and_its_target_is_made() -> Outcome {
    let container = shell("cat /etc/new/deep/file", |config| {
        config.mount("/etc/new/deep/file", "bind", "note", &["bind", "ro"]);
    })?;
    fs::write(container.bundle().join("note"), "a note")?;
    container.run()?.prints("a note");
    assert!(container.rootfs().join("etc/new/deep/file").is_file());
    Ok(())
}

#[test]
fn a_bind_source_that_is_missing_is_named() -> Outcome {
    let container = shell("true", |config| {
        config.mount("/mnt", "bind", "/no/such/source", &["bind"]);
    })?;
    container.run()?.fails(1, "/no/such/source").fails(1, "no such file or directory");
    Ok(())
}

#[test]
fn a_read_only_bind_takes_no_writes() -> Outcome {
    let container = shell("touch /mnt/x", |config| {
        config.mount("/mnt", "bind", "share", &["bind", "ro"]);
    })?;
    fs::create_dir(container.bundle().join("share"))?;
    container.run()?.fails(1, "Read-only file system");
    assert!(!container.bundle().join("share/x").exists());
    Ok(())
}

#[test]
fn bind_options_are_those_of_the_config() -> Outcome {
    let container = shell("cat /proc/self/mounts", |config| {
        config.mount("/mnt", "bind", "share", &["bind", "nosuid", "nodev", "noexec", "noatime"]);
    })?;
    fs::create_dir(container.bundle().join("share"))?;
    let found = options(&container.run()?, "/mnt");
    for option in ["rw", "nosuid", "nodev", "noexec", "noatime"] {
        assert!(found.contains(&option.to_string()), "{option} in {found:?}");
    }
    Ok(())
}

#[test]
fn noexec_and_nosuid_and_nodev_do_what_they_say() -> Outcome {
    let container = shell("cp /bin/busybox /mnt/busybox; /mnt/busybox true", |config| {
        config.mount("/mnt", "tmpfs", "tmpfs", &["noexec"]);
    })?;
    let output = container.run()?;
    output.exits(126);
    assert!(output.stderr().contains("Permission denied"), "{output}");
    Ok(())
}

#[test]
fn a_recursive_bind_takes_what_is_mounted_below() -> Outcome {
    for (option, expected) in [("rbind", "below"), ("bind", "")] {
        let container = shell("cat /mnt/below/file 2>/dev/null || true", |config| {
            config.mount("/var/tree/below", "tmpfs", "tmpfs", &[]);
        })?;
        // The tree to be bound is made in a mount namespace of the test's own.
        let tree = container.path("tree");
        fs::create_dir_all(tree.join("below"))?;
        let set_up =
            format!("mount -t tmpfs none {0}/below && printf below > {0}/below/file", tree.display());
        let source = tree.to_string_lossy().into_owned();
        container.edit(|config| {
            config.mount("/mnt", "bind", &source, &[option]);
        })?;
        let words = ["run", &container.id];
        container.runtime(words).after(&set_up).under(["unshare", "--mount"]).output()?.prints(expected);
    }
    Ok(())
}

#[test]
fn rro_makes_a_whole_tree_read_only_and_ro_only_its_top() -> Outcome {
    for (option, expected) in [("rro", "refused"), ("ro", "written")] {
        let container = shell("touch /mnt/below/x 2>/dev/null && echo written || echo refused", |_| {})?;
        let tree = container.path("tree");
        fs::create_dir_all(tree.join("below"))?;
        let source = tree.to_string_lossy().into_owned();
        container.edit(|config| {
            config.mount("/mnt", "bind", &source, &["rbind", option]);
        })?;
        let words = ["run", &container.id];
        let set_up = format!("mount -t tmpfs none {}/below", tree.display());
        container.runtime(words).after(&set_up).under(["unshare", "--mount"]).output()?.prints(expected);
    }
    Ok(())
}

#[test]
fn an_atime_or_symlink_option_is_applied_recursively_too() -> Outcome {
    let container = shell("cat /proc/self/mounts", |config| {
        config.mount("/mnt", "bind", "share", &["rbind", "rnoatime", "rnosuid", "rnodev"]);
        config.mount("/var", "bind", "share", &["bind", "nosymfollow"]);
    })?;
    fs::create_dir(container.bundle().join("share"))?;
    let output = container.run()?;
    let found = options(&output, "/mnt");
    for option in ["noatime", "nosuid", "nodev"] {
        assert!(found.contains(&option.to_string()), "{option} in {found:?}");
    }
    assert!(options(&output, "/var").contains(&"nosymfollow".to_string()), "{output}");
    Ok(())
}

#[test]
fn tmpfs_takes_its_own_options() -> Outcome {
    let container = shell("cat /proc/self/mounts", |config| {
        config.mount("/mnt", "tmpfs", "tmpfs", &["ro", "nosuid", "size=64k", "mode=711"]);
    })?;
    let found = options(&container.run()?, "/mnt");
    for option in ["ro", "nosuid", "size=64k", "mode=711"] {
        assert!(found.contains(&option.to_string()), "{option} in {found:?}");
    }
    Ok(())
}

#[test]
fn a_tmpfs_is_as_large_as_it_is_said_to_be() -> Outcome {
    let container = shell("head -c 131072 /dev/zero > /mnt/x || stat -c %s /mnt/x", |config| {
        config.mount("/mnt", "tmpfs", "tmpfs", &["size=64k"]);
    })?;
    container.run()?.prints("65536");
    Ok(())
}

#[test]
fn a_tmpfs_takes_the_mode_of_the_directory_it_covers_unless_told() -> Outcome {
    for (options, expected) in [(vec![], "710"), (vec!["mode=1500"], "1500")] {
        let container = shell("stat -c %a /covered", |config| {
            config.mount("/covered", "tmpfs", "tmpfs", &options);
        })?;
        let covered = container.rootfs().join("covered");
        fs::create_dir(&covered)?;
        fs::set_permissions(&covered, Permissions::from_mode(0o710))?;
        container.run()?.prints(expected);
        assert_eq!(fs::metadata(&covered)?.mode() & 0o7777, 0o710, "the directory itself is left alone");
    }
    Ok(())
}

#[test]
fn a_tmpfs_on_a_new_directory_has_the_usual_mode() -> Outcome {
    let container = shell("stat -c %a /new/deep/place", |config| {
        config.mount("/new/deep/place", "tmpfs", "tmpfs", &["nodev"]);
    })?;
    container.run()?.prints("1777");
    for path in ["new", "new/deep", "new/deep/place"] {
        assert_eq!(fs::metadata(container.rootfs().join(path))?.mode() & 0o7777, 0o755, "{path}");
    }
    Ok(())
}

#[test]
fn a_tmpfs_keeps_the_special_bits_of_what_it_covers() -> Outcome {
    let container = shell("stat -c %a /covered", |config| {
        config.mount("/covered", "tmpfs", "tmpfs", &["noexec", "nosuid", "nodev", "rprivate"]);
    })?;
    let covered = container.rootfs().join("covered");
    fs::create_dir(&covered)?;
    fs::set_permissions(&covered, Permissions::from_mode(0o7777))?;
    container.run()?.prints("7777");
    Ok(())
}

#[test]
fn tmpcopyup_copies_what_it_covers_with_modes_and_owners() -> Outcome {
    use std::os::unix::fs::chown;
    let script =
        "cat /covered/file; stat -c '%a %u' /covered/deep; readlink /covered/link; touch /covered/new";
    let container = shell(script, |config| {
        config.mount("/covered", "tmpfs", "tmpfs", &["tmpcopyup"]);
    })?;
    container.file("covered/file", "copied\n")?;
    let deep = container.rootfs().join("covered/deep");
    fs::create_dir(&deep)?;
    fs::set_permissions(&deep, Permissions::from_mode(0o777))?;
    chown(&deep, Some(1000), Some(1000))?;
    symlink("file", container.rootfs().join("covered/link"))?;
    container.run()?.prints("copied\n777 1000\nfile");
    assert!(!container.rootfs().join("covered/new").exists());
    Ok(())
}

#[test]
fn a_read_only_dev_still_has_its_devices() -> Outcome {
    let container = shell("cat /proc/self/mounts; echo x > /dev/null; test -c /dev/zero", |config| {
        config.mount_options("/dev", &["nosuid", "strictatime", "mode=755", "size=65536k", "ro"]);
    })?;
    assert!(options(&container.run()?, "/dev").contains(&"ro".to_string()));
    Ok(())
}

#[test]
fn a_remount_changes_what_is_there() -> Outcome {
    let container = shell("cat /proc/self/mounts", |config| {
        config.mount("/mnt", "bind", "share", &["bind"]);
        config.mount("/mnt", "bind", "share", &["bind", "remount", "ro", "nosuid"]);
    })?;
    fs::create_dir(container.bundle().join("share"))?;
    let found = options(&container.run()?, "/mnt");
    assert!(found.contains(&"ro".to_string()) && found.contains(&"nosuid".to_string()), "{found:?}");
    Ok(())
}

#[test]
fn an_unknown_type_of_file_system_is_an_error() -> Outcome {
    let container = shell("true", |config| {
        config.mount("/mnt", "moonfs", "moon", &[]);
    })?;
    let expected = if is_peer() { "no such device" } else { "moonfs" };
    container.run()?.fails(1, expected);
    Ok(())
}

#[test]
fn propagation_is_what_the_mount_asks_for() -> Outcome {
    let cases = [("rshared", "shared:"), ("rprivate", ""), ("rslave", "")];
    for (option, expected) in cases {
        let container = shell("grep ' /mnt ' /proc/self/mountinfo", |config| {
            config.mount("/mnt", "bind", "share", &["rbind", option]);
        })?;
        fs::create_dir(container.bundle().join("share"))?;
        let output = container.run()?;
        output.ok();
        match expected {
            "" => assert!(!output.stdout().contains("shared:"), "{option}: {output}"),
            text => assert!(output.stdout().contains(text), "{option}: {output}"),
        }
    }
    Ok(())
}

#[test]
fn the_roots_propagation_is_what_the_config_asks_for() -> Outcome {
    let cases = [
        ("shared", "shared:", true),
        ("private", "shared:", false),
        ("slave", "shared:", false),
        ("unbindable", "unbindable", true),
    ];
    for (propagation, word, present) in cases {
        let container = shell("grep ' / / ' /proc/self/mountinfo || cat /proc/self/mountinfo", |config| {
            config["linux"]["rootfsPropagation"] = propagation.into();
            config.shell("awk '$5 == \"/\"' /proc/self/mountinfo");
        })?;
        let output = container.run()?;
        assert_eq!(output.ok().stdout().contains(word), present, "{propagation}: {output}");
    }
    Ok(())
}

#[test]
fn a_later_mount_of_the_host_reaches_a_slave_and_nothing_comes_back() -> Outcome {
    // All in one mount namespace of the test's own, in which the shared directory is a shared mount.
    let container = Container::with(|config| {
        config.capabilities(&["CAP_SYS_ADMIN"]);
        config.mount("/share", "bind", "share", &["rbind", "rslave"]);
    })?;
    let share = container.bundle().join("share");
    fs::create_dir_all(share.join("late"))?;
    fs::create_dir_all(share.join("back"))?;
    let script = "set -e; mount --bind share share; mount --make-shared share; \
                  \"$0\" --root \"$1\" run -d \"$2\"; \
                  mount -t tmpfs none share/late; echo arrived > share/late/file; \
                  \"$0\" --root \"$1\" exec \"$2\" cat /share/late/file; \
                  \"$0\" --root \"$1\" exec \"$2\" mount -t tmpfs none /share/back; \
                  grep -c /share/back /proc/self/mountinfo || true; \"$0\" --root \"$1\" delete -f \"$2\"";
    let (runtime, root) = (invocation::runtime(), container.state_root());
    let words = ["bash", "-c", script, &runtime.to_string_lossy(), &root.to_string_lossy(), &container.id];
    let output = Invocation::new(words).from(container.bundle()).under(["unshare", "--mount"]).output()?;
    output.prints("arrived\n0");
    Ok(())
}

#[test]
fn the_cgroup_mount_is_read_only_if_asked_for_with_and_without_a_namespace() -> Outcome {
    let script = "awk '$3 ~ \"^cgroup\"' /proc/self/mounts";
    for (namespaced, container) in in_either_cgroup_namespace(script)? {
        let output = container.run()?;
        let lines = output.ok().lines();
        assert!(!lines.is_empty());
        for line in lines {
            let options = line.split(' ').nth(3).unwrap_or_default();
            assert!(options.split(',').any(|option| option == "ro"), "{namespaced}: {line}");
        }
    }
    Ok(())
}

#[test]
fn the_cgroup_mount_shows_the_containers_own_cgroup() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids"]) {
        return skip(&reason);
    }
    let script = "cat /sys/fs/cgroup/pids/cgroup.procs; ls /sys/fs/cgroup";
    for (_, container) in in_either_cgroup_namespace(script)? {
        let output = container.run()?;
        output.says("1\n").says("pids").says("memory");
        assert!(!output.lines().iter().any(|line| line == "0"), "no process of the host is shown: {output}");
    }
    Ok(())
}

#[test]
fn cgroups_can_be_mounted_at_two_places() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids"]) {
        return skip(&reason);
    }
    let script = "ls /sys/fs/cgroup /again; grep ' - cgroup' /proc/self/mountinfo";
    for (_, container) in in_either_cgroup_namespace(script)? {
        container.edit(|config| {
            config.mount("/again", "cgroup", "cgroup", &[]);
        })?;
        let output = container.run()?;
        let lines = output.ok().lines();
        let places = |top: &str| -> Vec<Vec<String>> {
            let fields = lines.iter().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
            fields.filter(|fields| fields.get(4).is_some_and(|place| place.starts_with(top))).collect()
        };
        let (first, second) = (places("/sys/fs/cgroup"), places("/again"));
        assert!(!first.is_empty() && first.len() == second.len(), "{output}");
        assert!(first.iter().all(|fields| fields[5] == "ro,nosuid,nodev,noexec,relatime"), "{output}");
        assert!(second.iter().all(|fields| fields[5] == "rw,nosuid,nodev,noexec,relatime"), "{output}");
    }
    Ok(())
}

#[test]
fn cgroups_that_are_shared_mounts_on_the_host_are_none_in_the_container() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["pids"]) {
        return skip(&reason);
    }
    for (namespaced, container) in in_either_cgroup_namespace("grep -e '- cgroup ' /proc/self/mountinfo")? {
        let words = ["run", container.id.as_str()];
        let shared = ["unshare", "--mount", "--propagation", "shared"];
        let output = container.runtime(words).under(shared).output()?;
        let lines = output.ok().lines();
        assert!(lines.len() > 1, "{output}");
        for line in lines {
            assert!(!line.contains("shared:") && !line.contains("master:"), "{namespaced}: {line}");
            let root = line.split(' ').nth(3).unwrap_or_default();
            assert_eq!(root == "/", namespaced, "{line}");
        }
    }
    Ok(())
}

#[test]
fn a_mount_is_gone_from_the_host_when_the_container_runs() -> Outcome {
    let container = Container::with(|config| {
        config.mount("/mnt", "bind", "share", &["rbind"]);
    })?;
    fs::create_dir(container.bundle().join("share"))?;
    container.detach()?;
    assert_eq!(leftovers::mounts_below(&container.path(""))?, Vec::<String>::new());
    Ok(())
}

#[test]
fn sources_that_are_in_the_container_show_earlier_mounts() -> Outcome {
    // A bind source below the root filesystem's own path sees what was mounted there before.
    let container = shell("cat /final/x/file", |_| {})?;
    for name in ["a", "b"] {
        fs::create_dir_all(container.bundle().join(name).join("x"))?;
        fs::write(container.bundle().join(name).join("file"), name)?;
    }
    let rootfs = container.rootfs().to_string_lossy().into_owned();
    container.edit(|config| {
        config.mount("/mnt", "bind", "a", &["rbind"]).mount("/mnt/x", "bind", "b", &["rbind"]);
        config.mount("/final", "bind", &format!("{rootfs}/mnt"), &["rbind"]);
    })?;
    container.run()?.prints("b");
    Ok(())
}

#[test]
fn a_mount_option_that_nobody_knows_is_refused_by_the_file_system() -> Outcome {
    let container = shell("true", |config| {
        config.mount("/mnt", "tmpfs", "tmpfs", &["moon=full"]);
    })?;
    container.run()?.exits(1);
    Ok(())
}

#[test]
fn an_error_of_a_mount_names_its_place_in_the_config() -> Outcome {
    if is_peer() {
        return skip("trug's own");
    }
    let container = shell("true", |config| {
        config.mount("/mnt", "bind", "/no/such/source", &["bind"]);
    })?;
    container.run()?.fails(1, "/mounts/7");
    Ok(())
}

#[test]
fn a_list_of_two_hundred_mounts_is_carried_out() -> Outcome {
    let container = shell("grep -c ' /many/' /proc/self/mounts", |config| {
        for number in 0..200 {
            config.push(
                "/mounts",
                json!({"destination": format!("/many/{number}"), "type": "tmpfs", "source": "m"}),
            );
        }
    })?;
    container.run()?.prints("200");
    Ok(())
}

#[test]
fn a_symlink_can_be_copied_in_the_place_of_a_bind() -> Outcome {
    if is_peer() {
        return skip("of the peers crun alone has copy-symlink");
    }
    let container = shell("readlink /a/sym/link; cat /plain", |config| {
        config.mount("/a/sym/link", "bind", "link", &["rbind", "copy-symlink"]);
        // What is no symlink is mounted as ever.
        config.mount("/plain", "bind", "file", &["bind", "copy-symlink"]);
    })?;
    symlink("../some/where", container.bundle().join("link"))?;
    fs::write(container.bundle().join("file"), "content")?;
    container.run()?.prints("../some/where\ncontent");
    // It is there by now and names the same.
    container.run()?.prints("../some/where\ncontent");
    fs::remove_file(container.rootfs().join("a/sym/link"))?;
    fs::write(container.rootfs().join("a/sym/link"), "")?;
    container.run()?.fails(1, "is there already, and is no symlink to");
    Ok(())
}

#[test]
fn a_symlink_of_the_root_filesystem_is_copied_too() -> Outcome {
    if is_peer() {
        return skip("of the peers crun alone has copy-symlink");
    }
    let container = shell("readlink /mnt/copy", |config| {
        config.mount("/mnt/copy", "bind", "rootfs/etc/link", &["bind", "copy-symlink"]);
    })?;
    symlink("/nowhere", container.rootfs().join("etc/link"))?;
    container.run()?.prints("/nowhere");
    Ok(())
}

#[test]
fn a_symlink_itself_is_mounted_and_mounted_on() -> Outcome {
    if is_peer() {
        return skip("of the peers crun alone has src-nofollow and dest-nofollow");
    }
    for source in ["link", "rootfs/etc/other"] {
        let container = shell("readlink /etc/place; grep -c ' /etc/place ' /proc/self/mounts", |config| {
            config.mount("/etc/place", "bind", source, &["bind", "src-nofollow", "dest-nofollow"]);
        })?;
        symlink("new", container.bundle().join("link"))?;
        symlink("new", container.rootfs().join("etc/other"))?;
        symlink("old", container.rootfs().join("etc/place"))?;
        container.run()?.prints("new\n1");
        assert_eq!(fs::read_link(container.rootfs().join("etc/place"))?.to_str(), Some("old"));
    }
    Ok(())
}

#[test]
fn a_file_is_mounted_on_a_symlink_that_must_be_there() -> Outcome {
    if is_peer() {
        return skip("of the peers crun alone has dest-nofollow");
    }
    let container = shell("cat /etc/place; test ! -L /etc/place", |config| {
        config.mount("/etc/place", "bind", "file", &["bind", "dest-nofollow"]);
    })?;
    fs::write(container.bundle().join("file"), "content")?;
    container.run()?.fails(1, "no such file or directory");
    symlink("/nowhere", container.rootfs().join("etc/place"))?;
    container.run()?.prints("content");
    Ok(())
}

#[test]
fn no_option_leads_a_mount_on_a_symlink_of_proc() -> Outcome {
    if is_peer() {
        return skip("of the peers crun alone has dest-nofollow");
    }
    for target in ["/proc/self", "/through/self"] {
        let container = shell("true", |config| {
            config.mount(target, "bind", "link", &["bind", "src-nofollow", "dest-nofollow"]);
        })?;
        symlink("1", container.bundle().join("link"))?;
        symlink("/proc", container.rootfs().join("through"))?;
        container.run()?.fails(1, "inside /proc");
    }
    Ok(())
}
