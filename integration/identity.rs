//! Where and as whom the program runs: directory, user, groups, umask.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::{Container, Outcome, is_peer, skip};

fn with(args: &[&str]) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.args(args);
    })
}

#[test]
fn the_directory_is_the_configs() -> Outcome {
    let container = with(&["pwd"])?;
    container.edit(|config| config["process"]["cwd"] = "/etc".into())?;
    container.run()?.prints("/etc");
    Ok(())
}

#[test]
fn a_directory_that_is_missing_is_made() -> Outcome {
    let container = with(&["pwd"])?;
    container.edit(|config| config["process"]["cwd"] = "/var/new/place".into())?;
    container.run()?.prints("/var/new/place");
    assert!(container.rootfs().join("var/new/place").is_dir());
    Ok(())
}

#[test]
fn a_relative_directory_is_refused() -> Outcome {
    let container = with(&["pwd"])?;
    container.edit(|config| config["process"]["cwd"] = "etc".into())?;
    container.run()?.fails(1, "wd");
    Ok(())
}

#[test]
fn the_directory_never_leads_out_through_an_inherited_descriptor() -> Outcome {
    // CVE-2024-21626: a leaked descriptor of a host directory as the working directory.
    for number in 3..24 {
        let container = with(&["sh", "-c", "pwd; ls ../../../../bundle 2>/dev/null && echo ESCAPED; true"])?;
        container.edit(|config| config["process"]["cwd"] = format!("/proc/self/fd/{number}").into())?;
        let words = ["run", &container.id];
        let hostile = "exec 7</ 8</sys/fs/cgroup 9<.";
        let output = container.runtime(words).after(hostile).output()?;
        assert!(!output.stdout().contains("ESCAPED"), "{number}: {output}");
        assert!(output.status() == 1 || output.stdout().starts_with("/proc/"), "{number}: {output}");
    }
    Ok(())
}

#[test]
fn the_directory_of_exec_never_leads_out_either() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    for number in 3..16 {
        let cwd = format!("/proc/self/fd/{number}");
        let words = ["sh", "-c", "ls ../../../../bundle 2>/dev/null && echo ESCAPED; true"];
        let output = container.exec_invocation(&["--cwd", &cwd], &words);
        let output = output.after("exec 7</ 8</sys/fs/cgroup 9<.").output()?;
        assert!(!output.stdout().contains("ESCAPED"), "{number}: {output}");
    }
    Ok(())
}

#[test]
fn a_directory_through_a_symlink_stays_in_the_root_filesystem() -> Outcome {
    let container = with(&["sh", "-c", "pwd -P"])?;
    symlink("../../../../../../etc", container.rootfs().join("var/up"))?;
    container.edit(|config| config["process"]["cwd"] = "/var/up".into())?;
    container.run()?.prints("/etc");
    Ok(())
}

#[test]
fn a_directory_that_only_root_may_enter_is_entered_before_the_user_changes() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let container = with(&["ls", "/tmp"])?;
    let private = container.rootfs().join("private");
    fs::create_dir(&private)?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700))?;
    container.edit(|config| {
        config.user(42, 42);
        config["process"]["cwd"] = "/private".into();
    })?;
    container.run()?.ok();
    Ok(())
}

#[test]
fn exec_as_root_enters_a_directory_that_is_anothers() -> Outcome {
    use std::os::unix::fs::{PermissionsExt, chown};
    let container = Container::with(|config| {
        config.user(42, 0);
        config["process"]["cwd"] = "/private".into();
    })?;
    let private = container.rootfs().join("private");
    fs::create_dir(&private)?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700))?;
    chown(&private, Some(42), Some(0))?;
    container.detach()?;
    container.exec_with(&["--user", "0"], &["true"])?.ok();
    Ok(())
}

#[test]
fn user_group_and_additional_groups_are_the_configs_alone() -> Outcome {
    let container = with(&["sh", "-c", "id -u; id -g; id -G; grep Groups /proc/self/status"])?;
    container.edit(|config| {
        config.user(1000, 1001);
        config["process"]["user"]["additionalGids"] = json!([5, 77]);
    })?;
    container.run()?.prints("1000\n1001\n1001 5 77\nGroups:\t5 77");
    Ok(())
}

#[test]
fn the_callers_groups_are_dropped() -> Outcome {
    let container = with(&["grep", "Groups", "/proc/self/status"])?;
    let words = ["run", &container.id];
    let invocation = container.runtime(words).under(["setpriv", "--groups", "4242,4243"]);
    invocation.output()?.prints("Groups:");
    Ok(())
}

#[test]
fn the_umask_is_the_configs_or_0022_whatever_the_callers_is() -> Outcome {
    for (umask, expected) in [(None, "0022"), (Some(0o77), "0077"), (Some(0), "0000")] {
        let container = with(&["sh", "-c", "umask"])?;
        container.edit(|config| config["process"]["user"]["umask"] = json!(umask))?;
        let words = ["run", &container.id];
        container.runtime(words).after("umask 0707").output()?.prints(expected);
    }
    Ok(())
}

#[test]
fn the_umask_of_the_config_holds_for_exec() -> Outcome {
    let container = Container::with(|config| config["process"]["user"]["umask"] = json!(63))?;
    container.detach()?;
    container.exec(&["grep", "^Umask:", "/proc/1/status"])?.prints("Umask:\t0077");
    container.exec(&["grep", "^Umask:", "/proc/self/status"])?.prints("Umask:\t0077");
    Ok(())
}

#[test]
fn the_callers_groups_stay_where_an_annotation_says_so() -> Outcome {
    if is_peer() {
        return skip("of the peers crun alone knows the annotation");
    }
    // In a user namespace a group of the caller's has no number of the container's.
    for (mapped, expected) in [(false, "Groups:\t4242 4243"), (true, "Groups:\t65534 65534")] {
        let container = with(&["sh", "-c", "grep Groups /proc/self/status; exec sleep 1000"])?;
        container.edit(|config| {
            config["annotations"] = json!({"run.oci.keep_original_groups": "1"});
            // They stay even where the config names others, as with crun.
            config["process"]["user"]["additionalGids"] = json!([5]);
            if mapped {
                config.user_namespace(json!([{"containerID": 0, "hostID": 0, "size": 1000}]));
            }
        })?;
        let caller = ["setpriv", "--groups", "4242,4243"];
        container.runtime(["run", "--detach", &container.id]).under(caller).output()?.ok();
        let of_init = ["grep", "Groups", "/proc/1/status"];
        container.exec_invocation(&[], &of_init).under(caller).output()?.prints(expected);
        let own = ["grep", "Groups", "/proc/self/status"];
        container.exec_invocation(&[], &own).under(caller).output()?.prints(expected);
        container.delete_by_force()?.ok();
    }
    Ok(())
}
