//! The flags of both commands.

use std::fs;

use super::counter::Counter;
use crate::support::criu::with_criu;
use crate::support::{Invocation, Outcome, criu};

#[test]
fn the_commands_say_what_they_can_without_being_root() -> Outcome {
    for command in ["checkpoint", "restore"] {
        Invocation::runtime([command, "--help"]).output()?.says("--image-path");
    }
    // podman asks this way whether it may pass the flag on.
    Invocation::runtime(["restore", "--lsm-mount-context"])
        .output()?
        .fails(1, "flag needs an argument: --lsm-mount-context");
    let features = |path: &str| Invocation::runtime(["features"]).env("PATH", path).output();
    let enabled = "org.opencontainers.runc.checkpoint.enabled";
    if criu::lacks().is_none() {
        assert_eq!(features(&criu::path())?.ok().json()["annotations"][enabled], "true");
    }
    Ok(())
}

#[test]
fn a_container_that_is_left_running_goes_on() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let before = counter.container.init()?.pid;
        counter.checkpoint(&["--leave-running"])?.ok();
        assert_eq!(counter.container.init()?.pid, before);
        counter.counts(2)?;
        counter.container.stop()?;
        counter.container.delete()?.ok();
        // The checkpoint is older than the last line.
        counter.restore(&[])?.ok();
        counter.counts(2)
    })
}

#[test]
fn logs_are_in_the_work_directory_and_images_are_roots_alone() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        let work = counter.container.path("work");
        let work_text = work.to_string_lossy().into_owned();
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--work-path", &work_text])?.ok();
        assert!(work.join("dump.log").exists() && !counter.images().join("dump.log").exists());
        assert!(counter.images().join("inventory.img").exists());
        assert_eq!(fs::metadata(counter.images())?.permissions().mode() & 0o777, 0o700);
        counter.restore(&["--work-path", &work_text])?.ok();
        assert!(work.join("restore.log").exists());
        let state = counter.container.state_directory();
        assert!(!state.join("criu").exists(), "what was for CRIU alone is gone");
        counter.counts(2)
    })
}

#[test]
fn the_pid_file_has_the_new_process() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.checkpoint(&[])?.ok();
        let file = counter.container.path("pid");
        counter.restore(&["--pid-file", &file.to_string_lossy()])?.ok();
        assert_eq!(fs::read_to_string(file)?, counter.container.init()?.pid.to_string());
        Ok(())
    })
}

#[test]
fn paths_are_relative_to_the_caller_and_not_to_the_bundle() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        let container = &counter.container;
        container.detach()?;
        let here = container.path("");
        let called = |words: &[&str]| {
            let words = words.iter().copied().chain([container.id.as_str()]);
            container.runtime(words).from(&here).env("PATH", criu::path()).output()
        };
        called(&["checkpoint", "--work-path", "work"])?.ok();
        assert!(here.join("checkpoint/inventory.img").exists() && here.join("work/dump.log").exists());
        called(&["restore", "-d", "-b", "bundle", "--work-path", "work", "--pid-file", "pid"])?.ok();
        assert!(here.join("work/restore.log").exists() && here.join("pid").exists());
        counter.counts(1)
    })
}

#[test]
fn an_annotation_gives_criu_its_configuration() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        let file = counter.container.path("criu.conf");
        fs::write(&file, "log-file=mine.log\n")?;
        let name = file.to_string_lossy().into_owned();
        counter.container.edit(|config| {
            config["annotations"] = serde_json::json!({"org.criu.config": name});
        })?;
        counter.container.detach()?;
        counter.checkpoint(&[])?.ok();
        assert!(counter.images().join("mine.log").exists());
        fs::remove_file(counter.images().join("mine.log"))?;
        counter.restore(&[])?.ok();
        assert!(counter.images().join("mine.log").exists());
        Ok(())
    })
}

#[test]
fn the_network_can_be_locked_in_other_ways_than_by_iptables() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--network-lock", "skip"])?.ok();
        counter.restore(&["--network-lock", "skip", "--tcp-close"])?.ok();
        counter.counts(2)?;
        counter.checkpoint(&["--network-lock", "firewalld"])?.fails(1, "invalid network-lock value");
        counter.checkpoint(&["--manage-cgroups-mode", "none"])?.fails(1, "invalid manage-cgroups-mode");
        counter.checkpoint(&["--empty-ns", "pid"])?.fails(1, "is not supported");
        counter.checkpoint(&["--page-server", "nowhere"])?.fails(1, "--page-server ADDRESS:PORT");
        counter.counts(3)
    })
}

#[test]
fn every_way_to_manage_cgroups_brings_the_container_back_to_its_own() -> Outcome {
    with_criu(|| {
        // Not with strict: it wants that there is no cgroup yet, and a restored container's is there before CRIU.
        for mode in ["soft", "full", "ignore"] {
            let mut counter = Counter::new(|_| {})?;
            counter.container.detach()?;
            counter.counts(1)?;
            counter.checkpoint(&["--manage-cgroups-mode", mode])?.ok();
            counter.restore(&["--manage-cgroups-mode", mode])?.ok();
            counter.counts(2)?;
            assert_eq!(counter.container.members()?.len(), 1, "{mode}");
        }
        Ok(())
    })
}

/// The root is CRIU's to enter, and it pivots; what the option forbids of a config, it forbids here too.
#[test]
fn a_container_without_a_pivot_comes_back_in_its_own_root() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.command(&["run", "--no-pivot", "--detach"])?.ok();
        counter.counts(1)?;
        let root = || counter.container.exec_shell("ls /; awk '{print $5, $6}' /proc/self/mountinfo | sort");
        let before = root()?.ok().stdout();
        counter.checkpoint(&[])?.ok();
        counter.container.edit(|config| config["linux"]["rootfsPropagation"] = "rprivate".into())?;
        counter.restore(&["--no-pivot"])?.fails(1, "pivot");
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        counter.container.edit(|config| config["linux"]["rootfsPropagation"] = "rslave".into())?;
        counter.restore(&["--no-pivot"])?.ok();
        assert_eq!(root()?.ok().stdout(), before);
        counter.counts(2)
    })
}
