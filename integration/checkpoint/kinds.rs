//! Kinds of containers: by cgroup version, namespaces, mounts, terminal.

use std::fs;

use serde_json::json;

use super::counter::{Counter, SCRIPT};
use crate::support::criu::{command_on, with_criu};
use crate::support::{Container, Invocation, Outcome, criu, skip};

#[test]
fn a_counter_kept_in_memory_goes_on_after_checkpoint_delete_and_restore() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.counts(2)?;
        counter.round_trip()?;
        counter.counts(3)?;
        // And once more, from the same directory.
        counter.round_trip()?;
        counter.counts(4)?;
        counter.container.exec(&["true"])?.ok();
        counter.container.stop()?;
        counter.container.delete()?.ok();
        Ok(())
    })
}

#[test]
fn a_null_device_for_standard_input_is_the_containers_and_a_restore_may_come_with_a_pipe() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        let detach = ["run", "--detach", &counter.container.id];
        counter.container.runtime(detach).after("exec </dev/null").output()?.ok();
        counter.counts(1)?;
        counter.checkpoint(&[])?.ok();
        let restore = criu::invocation(&counter.container, "restore", &counter.images(), &["--detach"]);
        restore.after("exec < <(:)").output()?.ok();
        counter.counts(2)
    })
}

#[test]
fn a_counter_goes_on_where_there_is_cgroup_v2_alone() -> Outcome {
    if let Some(reason) = Container::lacks_unified() {
        return skip(reason);
    }
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?.on_unified();
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--manage-cgroups-mode", "ignore"])?.ok();
        counter.restore(&["--manage-cgroups-mode", "ignore"])?.ok();
        counter.counts(2)?;
        assert_eq!(counter.container.members()?.len(), 1, "the counter is in the container's cgroup");
        Ok(())
    })
}

#[test]
fn a_counter_goes_on_in_a_user_namespace() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|config| {
            let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
            config.user_namespace(map).namespace("cgroup");
        })?;
        Invocation::new(["chown", "-Rh", "100000:100000"]).arg(counter.container.rootfs()).output()?.ok();
        counter.container.detach()?;
        counter.counts(1)?;
        counter.round_trip()?;
        counter.counts(2)?;
        counter.container.exec(&["cat", "/proc/self/uid_map"])?.says("100000");
        counter.container.exec_shell("echo x > /dev/null; cat /proc/keys")?.prints("");
        Ok(())
    })
}

#[test]
fn a_counter_goes_on_with_a_cgroup_namespace() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|config| {
            config.namespace("cgroup");
        })?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.round_trip()?;
        counter.counts(2)
    })
}

#[test]
fn pipes_of_the_caller_are_replaced_by_those_of_the_restore() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            config.shell("i=0; while read line; do i=$((i+1)); echo line $i $line; done");
        })?;
        let mut first = container.runtime(["run", &container.id]).spawn()?;
        first.write("one\n")?;
        first.wait_for("line 1 one")?;
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.ok();
        // The foreground run sees its program end.
        first.wait()?;
        let names = fs::read_to_string(images.join("descriptors.json"))?;
        assert_eq!(names.matches("pipe:[").count(), 3, "{names}");

        let mut second = criu::invocation(&container, "restore", &images, &[]).spawn()?;
        second.write("two\n")?;
        second.wait_for("line 2 two")?;
        // In the foreground the status is the program's, and the container goes with it.
        second.close_stdin();
        assert_eq!(second.wait()?.code(), Some(0));
        container.command(&["state"])?.fails(1, "does not exist");
        Ok(())
    })
}

#[test]
fn mounts_come_back_with_their_content_and_flags() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|config| {
            config.mount("/data", "bind", "data", &["rbind", "rw"]);
            config.mount("/data/nested", "bind", "nested", &["bind", "ro"]);
            config.mount("/link", "bind", "linked", &["bind"]);
            config.mount("/scratch", "tmpfs", "tmpfs", &["size=1m"]);
        })?;
        let container = &counter.container;
        for (directory, text) in [("data", "data"), ("nested", "nested"), ("linked", "linked")] {
            fs::create_dir(container.bundle().join(directory))?;
            fs::write(container.bundle().join(directory).join("file"), text)?;
        }
        fs::create_dir(container.rootfs().join("real"))?;
        std::os::unix::fs::symlink("/real", container.rootfs().join("link"))?;
        container.detach()?;
        container.exec_shell("echo in memory > /scratch/file")?.ok();
        counter.counts(1)?;
        let before = mount_table(&counter.container)?;
        counter.checkpoint(&[])?.ok();
        // Mount points that were made at creation are made again.
        fs::remove_dir(counter.container.bundle().join("data/nested"))?;
        counter.restore(&[])?.ok();
        counter.counts(2)?;
        let container = &counter.container;
        container.exec_shell("cat /scratch/file")?.prints("in memory");
        container.exec_shell("cat /data/file /data/nested/file /real/file")?.prints("datanestedlinked");
        container.exec_shell("echo new > /data/made && ! touch /data/nested/made")?.ok();
        assert!(container.bundle().join("data/made").exists());
        assert_eq!(mount_table(container)?, before);
        Ok(())
    })
}

/// CRIU pivots by way of /tmp, and images of one program alone have none.
#[test]
fn a_read_only_root_without_a_tmp_comes_back_as_it_was() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|config| {
            config["root"]["readonly"] = true.into();
        })?;
        let tmp = counter.container.rootfs().join("tmp");
        if tmp.exists() {
            fs::remove_dir(&tmp)?;
        }
        counter.container.detach()?;
        counter.counts(1)?;
        counter.round_trip()?;
        counter.counts(2)?;
        counter.container.exec_shell("! touch /mine")?.ok();
        assert!(!tmp.exists(), "nothing was made for good");
        Ok(())
    })
}

/// Mount points, filesystems and flags, in no order: CRIU has its own.
fn mount_table(container: &Container) -> anyhow::Result<Vec<String>> {
    let script = "awk '{print $5, $6, $4}' /proc/self/mountinfo | sort";
    Ok(container.exec_shell(script)?.ok().stdout().lines().map(str::to_string).collect())
}

#[test]
fn a_paused_container_is_saved_and_comes_back_running() -> Outcome {
    with_criu(|| {
        for mode in ["soft", "ignore"] {
            let mut counter = Counter::new(|_| {})?;
            counter.container.detach()?;
            counter.counts(1)?;
            counter.container.command(&["pause"])?.ok();
            counter.checkpoint(&["--manage-cgroups-mode", mode, "--leave-running"])?.ok();
            assert_eq!(counter.container.status()?, "paused", "as it was");
            counter.checkpoint(&["--manage-cgroups-mode", mode])?.ok();
            counter.restore(&["--manage-cgroups-mode", mode])?.ok();
            assert_eq!(counter.container.status()?, "running");
            counter.counts(2)?;
        }
        Ok(())
    })
}

#[test]
fn cgroups_below_the_container_s_come_back_with_their_processes() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|config| {
            config.mount_options("/sys/fs/cgroup", &["rw"]).namespace("cgroup");
            config.shell(&format!("sleep 1000 & {SCRIPT}"));
        })?;
        counter.container.detach()?;
        counter.counts(1)?;
        // v1: hierarchies that take a process without being prepared for it. v2: the one.
        let below = "cd /sys/fs/cgroup; for d in memory pids .; do [ -e $d/cgroup.procs ] || continue; \
                     mkdir $d/below; pidof sleep > $d/below/cgroup.procs; done";
        counter.container.exec_shell(below)?.ok();
        let cgroups = || counter.container.exec_shell("cat /proc/$(pidof sleep)/cgroup /proc/1/cgroup");
        let before = cgroups()?.ok().stdout();
        assert!(before.contains("/below"), "{before}");
        counter.round_trip()?;
        assert_eq!(cgroups()?.ok().stdout(), before);
        counter.counts(2)
    })
}

#[test]
fn a_checkpoint_goes_on_under_another_id_in_another_bundle_and_cgroup() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--manage-cgroups-mode", "ignore"])?.ok();

        let mut other = Counter::new(|_| {})?;
        let flags = ["--detach", "--manage-cgroups-mode", "ignore"];
        command_on(&other.container, "restore", &counter.images(), &flags)?.ok();
        other.counts(2)?;
        let other = &other.container;
        assert_eq!(other.members()?.len(), 1);
        let state = other.state()?;
        assert_eq!(state["bundle"], other.bundle().to_string_lossy().as_ref());
        counter.container.command(&["state"])?.fails(1, "does not exist");
        Ok(())
    })
}

#[test]
fn hooks_get_the_new_process_and_the_end_is_told() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        let note = |name: &str| format!("cat > {}", counter.container.path(name).display());
        let (prestart, runtime, stop) = (note("prestart"), note("createRuntime"), note("poststop"));
        counter.container.edit(|config| {
            config.shell_hook("prestart", &prestart);
            config.shell_hook("createRuntime", &runtime);
            config.shell_hook("poststop", &stop);
        })?;
        counter.container.detach()?;
        counter.counts(1)?;
        fs::remove_file(counter.container.path("createRuntime"))?;
        counter.checkpoint(&[])?.ok();
        let told: serde_json::Value = serde_json::from_slice(&fs::read(counter.container.path("poststop"))?)?;
        assert_eq!(told["status"], "stopped");
        counter.restore(&[])?.ok();
        for name in ["prestart", "createRuntime"] {
            let told: serde_json::Value = serde_json::from_slice(&fs::read(counter.container.path(name))?)?;
            assert_eq!(told["pid"], counter.container.state()?["pid"], "{name}");
        }
        counter.counts(2)
    })
}
