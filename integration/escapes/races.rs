//! A second container shares a volume with ours and swaps what we are about to use.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::canary::Canary;
use super::racer::Racer;
use crate::support::{Container, DescriptorSocket, Outcome, leftovers};

/// `name` of the root filesystem is a directory, swapped with a link to the canary.
fn racer(container: &Container, canary: &Canary, name: &str) -> anyhow::Result<Racer> {
    let place = container.rootfs().join(name);
    fs::create_dir_all(&place)?;
    let link = container.rootfs().join("the-link");
    symlink(&canary.path, &link)?;
    Ok(Racer::swap(&place, &link))
}

fn runs_and_stays_inside(container: &Container, canary: &Canary) -> Outcome {
    let output = container.run()?;
    assert!(matches!(output.status(), 0 | 1), "{output}");
    canary.is_untouched()?;
    let mounts = leftovers::mounts_below(&canary.path)?;
    assert!(mounts.is_empty(), "{mounts:?}");
    Ok(())
}

#[test]
fn cve_2021_30465_a_mount_target_is_swapped() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]).mount("/a/b/c/d", "tmpfs", "tmpfs", &[]).mount(
            "/a/empty",
            "tmpfs",
            "tmpfs",
            &[],
        );
    })?;
    let canary = Canary::new(&container)?;
    let racer = racer(&container, &canary, "a")?;
    racer.against(|| runs_and_stays_inside(&container, &canary))
}

#[test]
fn cve_2024_45310_a_directory_is_swapped_while_files_are_made_in_it() -> Outcome {
    // Seen with runc 1.1.5: the file, and its directory, are made on the host.
    let container = Container::new()?;
    fs::write(container.path("note"), "")?;
    let note = container.path("note").to_string_lossy().into_owned();
    container.edit(|config| {
        config.args(&["true"]).mount("/a/b/f", "bind", &note, &["bind"]).mount(
            "/a/g",
            "bind",
            &note,
            &["bind"],
        );
        config["process"]["cwd"] = "/a/cwd".into();
    })?;
    let canary = Canary::new(&container)?;
    let racer = racer(&container, &canary, "a")?;
    racer.against(|| runs_and_stays_inside(&container, &canary))
}

#[test]
fn ghsa_3q8j_pf29_vwv8_a_masked_and_a_read_only_directory_are_swapped() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]).mask("/a/empty").mask("/a/secret").mask("/a");
        config.push("/linux/readonlyPaths", json!("/a/empty"));
        config.push("/linux/readonlyPaths", json!("/a/secret"));
    })?;
    let canary = Canary::new(&container)?;
    let racer = racer(&container, &canary, "a")?;
    fs::create_dir_all(container.rootfs().join("a/empty")).ok();
    racer.against(|| runs_and_stays_inside(&container, &canary))
}

#[test]
fn cve_2025_52565_and_2026_41579_dev_is_swapped_while_it_is_filled() -> Outcome {
    // Seen with runc 1.1.5: a device node is made on the host; with crun 1.8.1: nodes and links are.
    let container = Container::with(|config| {
        config.args(&["true"]);
        for mount in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            config.without_mount(mount);
        }
        config["linux"]["devices"] = json!([{"path": "/dev/evil", "type": "c", "major": 1, "minor": 3}]);
    })?;
    let canary = Canary::new(&container)?;
    let racer = racer(&container, &canary, "dev")?;
    racer.against(|| runs_and_stays_inside(&container, &canary))
}

#[test]
fn cve_2019_19921_proc_is_swapped_while_it_is_mounted() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let canary = Canary::new(&container)?;
    let racer = racer(&container, &canary, "proc")?;
    racer.against(|| runs_and_stays_inside(&container, &canary))
}

#[test]
fn cve_2024_21626_the_cwd_of_exec_is_swapped() -> Outcome {
    // Seen with crun 1.8.1: the program reads the host's file.
    let container = Container::new()?;
    let canary = Canary::new(&container)?;
    container.detach()?;
    let (place, link) = (container.rootfs().join("w"), container.rootfs().join("v"));
    fs::create_dir(&place)?;
    symlink("/proc/self/fd/9", &link)?;
    let racer = Racer::swap(&place, &link);
    racer.against(|| {
        let script = format!("cat ../../../../../../..{}/secret 2>/dev/null; exit 0", canary.text());
        let exec =
            container.exec_invocation(&["--cwd", "/w"], &["sh", "-c", &script]).after("exec 9</").output()?;
        assert!(!exec.stdout().contains("of the host"), "{exec}");
        canary.is_untouched()
    })
}

#[test]
fn cve_2025_52565_and_2026_88264_the_console_is_swapped_while_it_is_mounted() -> Outcome {
    let container = Container::with(|config| {
        config["process"]["terminal"] = true.into();
        for mount in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            config.without_mount(mount);
        }
        config.mount("/dev/pts", "devpts", "devpts", &["newinstance", "ptmxmode=0666"]);
    })?;
    let canary = Canary::new(&container)?;
    fs::create_dir_all(container.rootfs().join("dev/pts"))?;
    let (console, link) = (container.rootfs().join("dev/console"), container.rootfs().join("dev/link"));
    fs::write(&console, "")?;
    symlink(canary.path.join("secret"), &link)?;
    let racer = Racer::swap(&console, &link);
    racer.against(|| {
        let socket = DescriptorSocket::listen(&container.path("console"))?;
        let path = socket.path.to_string_lossy().into_owned();
        container.runtime(["create", "--console-socket", &path, &container.id]).output()?;
        canary.is_untouched()?;
        let mounts = leftovers::mounts_below(&canary.path)?;
        assert!(mounts.is_empty(), "{mounts:?}");
        container.delete_by_force()?;
        drop(socket);
        Ok(fs::remove_file(path)?)
    })
}

#[test]
fn cve_2021_30465_the_target_of_a_cgroup_mount_is_swapped() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]).mount("/a/cgroups", "cgroup", "cgroup", &["ro"]);
    })?;
    let canary = Canary::new(&container)?;
    let racer = racer(&container, &canary, "a")?;
    racer.against(|| runs_and_stays_inside(&container, &canary))
}

/// Puts fakes over what a runtime writes to, and takes them away, without end: sysctls, and of every process its
/// labels, its OOM score and the whole of `self`. It is left behind by a hook in the container's mount namespace, whose
/// paths change with the pivot; it dies with the container's first process, whose pid namespace it is in.
const FAKER: &str = r#"
    use POSIX;
    exit 0 if fork;
    POSIX::setsid();
    my ($mount, $umount, $bind, $detach) = (165, 166, 4096, 2);
    my ($root) = @ARGV;
    while (1) {
        for my $top ("$root", "") {
            for my $pair (["$top/fake/net", "$top/proc/sys/net/ipv4"], ["$top/fake/file", "$top/proc/self/oom_score_adj"],
                          ["$top/fake/file", "$top/proc/1/oom_score_adj"], ["$top/fake/attr", "$top/proc/1/attr"],
                          ["$top/fake/file", "$top/proc/sys/net/ipv4/ip_forward"], ["$top/fake", "$top/proc"]) {
                my ($from, $to) = @$pair;
                my $done = syscall($mount, $from, $to, "none", $bind, "");
                syscall($umount, $to, $detach) if $done == 0;
            }
        }
    }"#;

#[test]
fn cve_2025_52881_and_2019_16884_proc_is_covered_while_sysctls_and_labels_are_written() -> Outcome {
    // Labels and the OOM score are written to /proc/self by one function of ours; this machine may lack the module
    // for a label.
    let container = Container::with(|config| {
        config.args(&["true"]).capabilities(&[]);
        config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1", "net.ipv4.ip_default_ttl": "63"});
        config["process"]["oomScoreAdj"] = 500.into();
        config["linux"]["maskedPaths"] = json!(["/proc/kcore"]);
        config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/proc/bus"]);
    })?;
    let fake = container.rootfs().join("fake");
    for directory in ["net", "attr/apparmor", "sys/net/ipv4", "self", "1"] {
        fs::create_dir_all(fake.join(directory))?;
    }
    let fakes = [
        "file",
        "net/ip_forward",
        "net/ip_default_ttl",
        "attr/exec",
        "attr/apparmor/exec",
        "sys/net/ipv4/ip_forward",
        "self/oom_score_adj",
        "1/oom_score_adj",
    ];
    for name in fakes {
        fs::write(fake.join(name), "untouched")?;
    }
    let root = container.rootfs().to_string_lossy().into_owned();
    container.edit(|config| {
        let args = json!(["perl", "-e", FAKER, root]);
        config.hook("createContainer", json!({"path": "/usr/bin/perl", "args": args}));
    })?;
    // The hook's child races; this one only repeats.
    let end = super::racer::end();
    let mut attempts = 0;
    while attempts < 20 || std::time::Instant::now() < end {
        attempts += 1;
        let output = container.run()?;
        assert!(matches!(output.status(), 0 | 1), "{output}");
        for name in fakes {
            let content = fs::read_to_string(fake.join(name))?;
            assert_eq!(content, "untouched", "{name}, attempt {attempts}: {output}");
        }
    }
    Ok(())
}
