//! cgroups, terminals and the state directory: what reaches beyond one container.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::canary::Canary;
use crate::support::{Container, Outcome, Terminal};

#[test]
fn runc_1_5_2_a_sub_cgroup_stays_below_the_containers() -> Outcome {
    let container = Container::with(|config| {
        config["process"]["args"] = json!(["sleep", "1000"]);
    })?;
    container.detach()?;
    let sibling = format!("..{}2", container.cgroup);
    let ways = ["..", "../x", "/../x", "a/../../x", &sibling, "//..//x", "./..", "/sys/fs/cgroup"];
    for way in ways {
        let output = container.exec_with(&["--cgroup", way], &["true"])?;
        assert_ne!(output.status(), 0, "{way}: {output}");
    }
    for path in ["/../../../trug-escaped", "/a/../../../trug-escaped", "../trug-escaped"] {
        let other = Container::with(|config| {
            config.args(&["cat", "/proc/self/cgroup"]);
            config["linux"]["cgroupsPath"] = path.into();
        })?;
        let output = other.run()?;
        assert!(!output.stdout().contains(".."), "{path}: {output}");
    }
    Ok(())
}

/// Says what came of pushing a key into a terminal (TIOCSTI, asm-generic/ioctls.h): by the streams that are the
/// caller's, and by opening them anew, which for the leader of a session could make it its terminal.
const PUSH: &str = r#"my ($key, $pushed) = ("x", 0);
    open(my $anew, "+<", "/proc/self/fd/0");
    for my $file (*STDIN, *STDOUT, *STDERR, $anew) {
        ioctl($file, 0x540e, 0);
        $pushed++ if ioctl($file, 0x5412, $key);
    }
    print "pushed $pushed keys\n";"#;

#[test]
fn cve_2016_10124_lxc_and_2017_5226_flatpak_no_key_is_pushed_into_the_callers_terminal() -> Outcome {
    let container = Container::with(|config| {
        // perl of the host, which has ioctl.
        config.mount("/usr", "bind", "/usr", &["rbind", "ro"]).args(&["/usr/bin/perl", "-e", PUSH]);
    })?;
    for name in ["lib", "lib64"] {
        symlink(format!("usr/{name}"), container.rootfs().join(name))?;
    }
    let terminal = Terminal::open(24, 80)?;
    container.runtime(["run", &container.id]).spawn_on(&terminal)?.wait()?;
    let text = terminal.wait_for("keys")?;
    assert!(text.contains("pushed 0 keys"), "{text:?}");

    container.edit(|config| {
        config.args(&["sleep", "1000"]);
    })?;
    container.detach()?;
    let terminal = Terminal::open(24, 80)?;
    container.exec_invocation(&[], &["/usr/bin/perl", "-e", PUSH]).spawn_on(&terminal)?.wait()?;
    let text = terminal.wait_for("keys")?;
    assert!(text.contains("pushed 0 keys"), "exec: {text:?}");
    Ok(())
}

#[test]
fn cve_2022_21658_rust_a_symlink_in_the_state_directory_is_removed_and_not_followed() -> Outcome {
    let container = Container::new()?;
    let canary = Canary::new(&container)?;
    container.create()?.ok();
    symlink(&canary.path, container.state_directory().join("link"))?;
    fs::create_dir(container.state_directory().join("below"))?;
    symlink(&canary.path, container.state_directory().join("below/link"))?;
    container.delete_by_force()?.ok();
    assert!(!container.state_directory().exists());
    canary.is_untouched()
}

#[test]
fn cve_2021_43784_long_lists_arrive_whole_or_not_at_all() -> Outcome {
    // runc's netlink message to its init had 16 bits for a length.
    let mappings: Vec<_> =
        (0..400).map(|index| json!({"containerID": index, "hostID": 100_000 + index, "size": 1})).collect();
    let container = Container::with(|config| {
        config.args(&["id", "-u"]).namespace("user");
        config["linux"]["uidMappings"] = json!(mappings);
        config["linux"]["gidMappings"] = json!(mappings);
    })?;
    // The kernel takes 340 lines.
    let output = container.run()?;
    assert!(output.status() == 1, "{output}");

    let container = Container::with(|config| {
        config.shell("echo ${#LONG} $MARK");
        config["annotations"] = json!({"long": "x".repeat(1 << 20)});
    })?;
    container.edit(|config| {
        config.env(&format!("LONG={}", "y".repeat(100_000))).env("MARK=whole");
        for index in 0..2_000 {
            config.env(&format!("E{index}=v"));
        }
    })?;
    container.run()?.prints("100000 whole");
    Ok(())
}

#[test]
fn cve_2025_52881_nul_in_a_string_is_refused() -> Outcome {
    // Seen with runc 1.1.5 and crun 1.8.1: one of these configs is taken, and its container runs.
    for pointer in [
        "/process/args/0",
        "/process/cwd",
        "/process/env/0",
        "/root/path",
        "/mounts/0/destination",
        "/hostname",
    ] {
        let container = Container::new()?;
        container.edit(|config| {
            if let Some(value) = config.pointer_mut(pointer) {
                *value = format!("{}\u{0}/evil", value.as_str().unwrap_or_default()).into();
            }
        })?;
        container.run()?.refused();
    }
    Ok(())
}

#[test]
fn runc_1_5_2_the_answer_of_bpf_prog_query_has_room() -> Outcome {
    // Kernels 6.17 to 7.1 write past a short bpf_attr. Ours is whole (a unit test of linux/bpf.rs holds its size);
    // this one sees a device rule work on cgroup v2.
    if let Some(reason) = Container::lacks_unified() {
        return crate::support::skip(reason);
    }
    let container = Container::with(|config| {
        // On a mount of its own: the host's own filesystem may be one without devices.
        config.mount("/mnt", "tmpfs", "tmpfs", &[]).capabilities(&["CAP_MKNOD"]);
        config.shell("mknod /mnt/z c 1 5; head -c 1 < /mnt/z; exit 0");
        config["linux"]["resources"]["devices"] = json!([{"allow": false, "access": "rwm"}]);
    })?
    .on_unified();
    let output = container.run()?;
    assert!(output.stderr().contains("not permitted") || output.status() == 0, "{output}");
    Ok(())
}
