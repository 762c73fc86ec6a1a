//! A second container shares a volume with ours and swaps what we are about to use.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::canary::Canary;
use super::racer::Racer;
use crate::support::{Container, Outcome, leftovers};

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
