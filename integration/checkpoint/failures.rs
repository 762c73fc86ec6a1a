//! What cannot be saved or restored: one sentence says why, and all is as it was.

use std::fs;
use std::path::Path;

use super::counter::Counter;
use super::stand_in::{Deed, StandIn};
use super::with_stand_in;
use crate::support::criu::with_criu;
use crate::support::{Container, Outcome, criu, program, skip};

#[test]
fn without_criu_the_error_says_how_to_get_it() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let hidden = "for p in /usr/local/sbin/criu /usr/sbin/criu /sbin/criu; do \
                  [ ! -e $p ] || mount --bind /dev/null $p; done";
    for command in ["checkpoint", "restore"] {
        let output = container
            .runtime([command, container.id.as_str()])
            .env("PATH", "/nowhere:/bin:/usr/bin")
            .after(hidden)
            .under(["/usr/bin/unshare", "--mount"])
            .output()?;
        output.fails(1, "criu is not installed");
        assert!(output.stderr().contains("apt-get install criu"), "{output}");
    }
    assert_eq!(container.status()?, "running");
    Ok(())
}

#[test]
fn only_what_runs_is_saved() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        counter.checkpoint(&[])?.fails(1, "container does not exist");
        counter.container.create()?.ok();
        counter.checkpoint(&[])?.fails(1, "Container cannot be checkpointed in created state");
        counter.container.start()?.ok();
        counter.container.stop()?;
        counter.checkpoint(&[])?.fails(1, "Container cannot be checkpointed in stopped state");
        counter.container.delete()?.ok();
        Ok(())
    })
}

#[test]
fn what_criu_cannot_save_is_refused_before_it_is_asked() -> Outcome {
    with_stand_in(|| {
        let host_mounts = Container::with(|config| {
            config.without_namespace("mount");
            // Its devices' own place: where /tmp is, devices may be out of use.
            config["mounts"] =
                serde_json::json!([{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}]);
            config["linux"]["maskedPaths"] = serde_json::json!([]);
            config["linux"]["readonlyPaths"] = serde_json::json!([]);
        })?;
        let link = Container::with(|config| {
            config.mount("/link", "bind", "rootfs/real", &["bind", "src-nofollow", "dest-nofollow"]);
        })?;
        for name in ["real", "link"] {
            std::os::unix::fs::symlink("/target", link.rootfs().join(name))?;
        }
        let cases =
            [(host_mounts, "without a mount namespace of its own"), (link, "with a symlink itself mounted")];
        for (container, text) in cases {
            // What the first mounts would be the host's.
            let run = container.runtime(["run", "--detach", &container.id]);
            run.under(["unshare", "--mount"]).output()?.ok();
            let stand_in = StandIn::new(&container, Deed::Dies)?;
            stand_in.command(&container, "checkpoint", &[])?.fails(1, text);
            assert_eq!(container.status()?, "running");
        }
        Ok(())
    })
}

#[test]
fn a_directory_without_images_is_named() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        counter.restore(&[])?.fails(1, "open the image directory");
        fs::create_dir(counter.images())?;
        counter.restore(&[])?.fails(1, "descriptors.json").fails(1, "--image-path");
        counter.container.command(&["state"])?.fails(1, "does not exist");
        Ok(())
    })
}

#[test]
fn a_failed_restore_leaves_nothing_and_names_cause_and_log() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|config| {
            config.mount("/data", "bind", "data", &["bind"]);
        })?;
        fs::create_dir(counter.container.bundle().join("data"))?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&[])?.ok();
        counter.container.edit(|config| {
            config.without_mount("/data");
        })?;
        let failed = counter.restore(&[])?;
        failed.fails(1, "criu failed to restore: ").fails(1, "No mapping for").fails(1, "restore.log");
        assert_eq!(failed.stderr().trim_end().lines().count(), 1, "one sentence: {failed}");
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        // With the mount back it goes on.
        counter.container.edit(|config| {
            config.mount("/data", "bind", "data", &["bind"]);
        })?;
        counter.restore(&[])?.ok();
        counter.counts(2)
    })
}

#[test]
fn a_hook_that_fails_ends_the_restore() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.checkpoint(&[])?.ok();
        counter.container.edit(|config| {
            config.shell_hook("createRuntime", "echo not today >&2; exit 1");
        })?;
        counter.restore(&[])?.fails(1, "not today");
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}

#[test]
fn an_id_that_is_taken_is_left_alone() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--leave-running"])?.ok();
        counter.restore(&[])?.fails(1, "container with given ID already exists");
        counter.counts(2)
    })
}

#[test]
fn a_stream_that_was_a_file_must_be_one_again() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        // `detach` gives it files.
        counter.container.detach()?;
        counter.checkpoint(&[])?.ok();
        let restore = criu::invocation(&counter.container, "restore", &counter.images(), &["--detach"]);
        let mut piped = restore.spawn()?;
        piped.wait_for_error("was a file when the container was saved")?;
        assert_eq!(piped.wait()?.code(), Some(1));
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}

#[test]
fn an_old_criu_is_named_with_what_it_takes() -> Outcome {
    with_stand_in(|| {
        let container = Container::new()?;
        container.detach()?;
        let old = StandIn::of_version(&container, 3, Deed::Fails)?;
        old.command(&container, "checkpoint", &[])?.fails(1, "criu 3.0 is too old").fails(1, "3.16");
        assert_eq!(container.status()?, "running");
        Ok(())
    })
}

#[test]
fn a_criu_that_dies_or_babbles_leaves_a_container_running_and_a_restore_nothing() -> Outcome {
    with_stand_in(|| {
        let cases = [
            (Deed::Fails, "ENOMEM"),
            (Deed::Dies, "criu ended without an answer"),
            (Deed::Babbles, "read criu's answer"),
            (Deed::Floods, "read criu's answer"),
        ];
        for (deed, text) in cases {
            let container = Container::new()?;
            container.detach()?;
            let stand_in = StandIn::new(&container, deed)?;
            stand_in.command(&container, "checkpoint", &[])?.fails(1, "criu failed to dump").fails(1, text);
            assert_eq!(container.status()?, "running");
            container.stop()?;
            container.delete()?.ok();
            let failed = stand_in.command(&container, "restore", &["--detach"])?;
            failed.fails(1, "criu failed to restore").fails(1, text);
            assert_eq!(container.leftovers()?, Vec::<String>::new());
        }
        Ok(())
    })
}

/// As it has been seen to do for a process that it had killed itself.
#[test]
fn a_criu_that_never_lets_go_of_a_restored_container_is_given_up() -> Outcome {
    with_stand_in(|| {
        if std::env::var_os("TRUG_LONG").is_none() {
            return skip("it takes half a minute: TRUG_LONG=1 TRUG_TEST_DEADLINE=60");
        }
        let container = Container::new()?;
        fs::create_dir(container.path("images"))?;
        fs::write(container.path("images/descriptors.json"), "[\"\",\"\",\"\"]")?;
        let stand_in = StandIn::new(&container, Deed::Hangs)?;
        let given_up = stand_in.command(&container, "restore", &["--detach"])?;
        given_up.fails(1, "criu has not let go of the container for 30 seconds");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}

/// CRIU's own hook at the time when all processes stand still and none has been touched.
#[test]
fn a_criu_that_is_killed_in_the_middle_leaves_the_container_running() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        let (script, file) = (counter.container.path("script"), counter.container.path("criu.conf"));
        let kill = "#!/bin/sh\n[ \"$CRTOOLS_SCRIPT_ACTION\" != pre-dump ] || kill -9 $PPID\n";
        program::script(&script, kill)?;
        fs::write(&file, format!("action-script={}\n", script.display()))?;
        counter.container.edit(|config| {
            config["annotations"] = serde_json::json!({"org.criu.config": file.to_string_lossy()});
        })?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&[])?.fails(1, "criu failed to dump");
        assert_eq!(counter.container.status()?, "running");
        counter.counts(2)?;
        // Nothing of it is in the way of the next.
        fs::write(&file, "")?;
        counter.checkpoint(&[])?.ok();
        counter.restore(&[])?.ok();
        counter.counts(3)
    })
}

#[test]
fn a_paused_container_is_paused_after_a_failed_dump() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.container.command(&["pause"])?.ok();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        counter.checkpoint(&["--page-server", &nobody])?.fails(1, "criu failed to dump: ");
        assert_eq!(counter.container.status()?, "paused");
        counter.container.command(&["resume"])?.ok();
        counter.counts(2)
    })
}

#[test]
fn a_security_module_that_is_not_there_is_named() -> Outcome {
    if Path::new("/sys/kernel/security/apparmor").exists() {
        return skip("this kernel has AppArmor");
    }
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&[])?.ok();
        let failed = counter.restore(&["--lsm-profile", "apparmor:web"])?;
        failed.fails(1, "criu failed to restore: ").fails(1, "apparmor");
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        counter.restore(&["--lsm-profile", "web"])?.fails(1, "invalid argument web for --lsm-profile");
        counter.restore(&[])?.ok();
        counter.counts(2)
    })
}

#[test]
fn a_cgroup_that_is_there_is_refused_where_cgroups_are_restored_strictly() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--manage-cgroups-mode", "strict"])?.ok();
        counter.restore(&["--manage-cgroups-mode", "strict"])?.fails(1, "criu failed to restore: cg: ");
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        counter.restore(&[])?.ok();
        counter.counts(2)
    })
}
