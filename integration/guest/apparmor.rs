//! AppArmor for real: profiles that are in the kernel, and one that is not.

use std::path::Path;

use crate::support::criu::{command_on, with_criu};
use crate::support::{Config, Container, Invocation, Outcome, skip};

/// Why there is none here, if so.
fn lacks_apparmor() -> Option<&'static str> {
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    let is_on = enabled.is_ok_and(|text| text.starts_with('Y'));
    let has_parser = Path::new("/usr/sbin/apparmor_parser").exists();
    (!is_on || !has_parser).then_some("this machine has no AppArmor, or no apparmor_parser")
}

/// A profile in the kernel, for as long as this is held.
struct Profile {
    name: String,
}

impl Profile {
    /// All is allowed but `denied`, a rule.
    fn load(container: &Container, suffix: &str, denied: &str) -> anyhow::Result<Self> {
        let profile = Self { name: format!("{}-{suffix}", container.id) };
        profile.tell_kernel("--replace", denied)?;
        Ok(profile)
    }

    fn tell_kernel(&self, what: &str, denied: &str) -> Outcome {
        let text = format!(
            "profile {} flags=(attach_disconnected) {{ file, capability, network, signal, unix, deny {denied}, }}\n",
            self.name
        );
        let words = ["apparmor_parser", "--quiet", "--skip-cache", what];
        Invocation::new(words).stdin(text).output()?.ok();
        Ok(())
    }

    /// What a process under it reads as its label.
    fn label(&self) -> String {
        format!("{} (enforce)", self.name)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // A profile that stays in a throw-away guest harms nobody.
        let _ = self.tell_kernel("--remove", "/nothing r");
    }
}

const LABEL: [&str; 2] = ["cat", "/proc/self/attr/current"];

/// A container that can be given a profile by [`confine`].
fn container(change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    let container = Container::with(change)?;
    container.file("open", "open\n")?;
    container.file("closed", "closed\n")?;
    Ok(container)
}

fn confine(container: &Container, profile: &str) -> Outcome {
    container.edit(|config| config["process"]["apparmorProfile"] = profile.into())
}

#[test]
fn the_program_and_what_is_executed_later_run_under_the_profile() -> Outcome {
    if let Some(reason) = lacks_apparmor() {
        return skip(reason);
    }
    for no_new_privileges in [true, false] {
        let container = container(|config| {
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
        })?;
        let (own, other) =
            (Profile::load(&container, "own", "/closed r")?, Profile::load(&container, "other", "/open r")?);
        confine(&container, &own.name)?;
        container.detach()?;
        let init = std::fs::read_to_string(format!("/proc/{}/attr/current", container.init()?.pid))?;
        assert_eq!(init.trim(), own.label());
        container.exec(&LABEL)?.prints(&own.label());
        container.exec_with(&["--apparmor", &other.name], &LABEL)?.prints(&other.label());
        let process = serde_json::json!({
            "args": LABEL, "cwd": "/", "env": ["PATH=/bin"], "apparmorProfile": other.name
        });
        container.exec_process(&[], &process)?.prints(&other.label());
        // The label is that of the program alone: nobody else's next execve is confined.
        let unconfined = std::fs::read_to_string("/proc/self/attr/current")?;
        assert_eq!(unconfined.trim(), "unconfined");
        container.delete_by_force()?.ok();
    }
    Ok(())
}

#[test]
fn what_the_profile_denies_is_denied() -> Outcome {
    if let Some(reason) = lacks_apparmor() {
        return skip(reason);
    }
    let container = container(|config| {
        config.shell("cat /open; cat /closed 2>&1 || echo but not that");
    })?;
    container.run()?.prints("open\nclosed");
    let (own, other) =
        (Profile::load(&container, "own", "/closed r")?, Profile::load(&container, "other", "/open r")?);
    confine(&container, &own.name)?;
    container.run()?.says("open\n").says("can't open '/closed': Permission denied").says("but not that");

    container.edit(|config| {
        config.args(&["sleep", "1000"]);
    })?;
    container.detach()?;
    let denied = |file: &str| format!("can't open '{file}': Permission denied");
    container.exec(&["cat", "/open"])?.prints("open");
    container.exec(&["cat", "/closed"])?.fails(1, &denied("/closed"));
    let by_other = |file: &str| container.exec_with(&["--apparmor", &other.name], &["cat", file]);
    by_other("/closed")?.prints("closed");
    by_other("/open")?.fails(1, &denied("/open"));
    Ok(())
}

#[test]
fn a_container_in_a_user_namespace_runs_under_its_profile() -> Outcome {
    if let Some(reason) = lacks_apparmor() {
        return skip(reason);
    }
    let container = container(|config| {
        let map = serde_json::json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
        config.user_namespace(map).args(&LABEL);
    })?;
    Invocation::new(["chown", "-Rh", "100000:100000"]).arg(container.rootfs()).output()?.ok();
    let own = Profile::load(&container, "own", "/closed r")?;
    confine(&container, &own.name)?;
    container.run()?.prints(&own.label());
    Ok(())
}

#[test]
fn a_profile_that_is_not_loaded_is_named_and_nothing_is_left() -> Outcome {
    if let Some(reason) = lacks_apparmor() {
        return skip(reason);
    }
    let container = container(|_| {})?;
    confine(&container, "no-such-profile")?;
    // Written as the program is executed, when there is nobody left in the container to clear up after.
    let output = container.run()?;
    output.fails(1, "no-such-profile").fails(1, "aa-status").fails(1, "/process/apparmorProfile");
    container.delete_by_force()?.ok();
    assert_eq!(container.leftovers()?, Vec::<String>::new());

    container.edit(|config| {
        if let Some(process) = config["process"].as_object_mut() {
            process.remove("apparmorProfile");
        }
    })?;
    container.detach()?;
    container.exec_with(&["--apparmor", "no-such-profile"], &["true"])?.fails(255, "no-such-profile");
    container.exec(&["true"])?.ok();
    Ok(())
}

#[test]
fn a_checkpoint_comes_back_under_its_profile_or_under_another_where_that_is_asked_for() -> Outcome {
    if let Some(reason) = lacks_apparmor() {
        return skip(reason);
    }
    with_criu(|| {
        // Not a sleep, which a checkpoint can cut short.
        let container = container(|config| {
            config.shell("while read line; do cat $line 2>&1 || true; done < /ask > /answer");
        })?;
        let (mut ask, mut answer) = (container.fifo("ask")?, container.fifo("answer")?);
        let (own, other) =
            (Profile::load(&container, "own", "/closed r")?, Profile::load(&container, "other", "/open r")?);
        confine(&container, &own.name)?;
        container.detach()?;
        let images = container.path("images");
        let checkpoint = || command_on(&container, "checkpoint", &images, &[]);
        let restore =
            |flags: &[&str]| command_on(&container, "restore", &images, &[flags, &["--detach"]].concat());
        let mut answers = |file: &str| {
            ask.write(&format!("{file}\n"))?;
            answer.line()
        };
        let label = || -> anyhow::Result<String> {
            Ok(std::fs::read_to_string(format!("/proc/{}/attr/current", container.init()?.pid))?
                .trim()
                .into())
        };

        checkpoint()?.ok();
        // One that the kernel does not have is not done without.
        restore(&["--lsm-profile", "apparmor:no-such-profile"])?.fails(1, "criu failed to restore: ");
        assert_eq!(container.leftovers()?, Vec::<String>::new());
        restore(&[])?.ok();
        assert_eq!(label()?, own.label());
        assert_eq!(answers("/open")?, "open");
        assert_eq!(answers("/closed")?, "cat: can't open '/closed': Permission denied");

        checkpoint()?.ok();
        restore(&["--lsm-profile", &format!("apparmor:{}", other.name)])?.ok();
        assert_eq!(label()?, other.label());
        assert_eq!(answers("/open")?, "cat: can't open '/open': Permission denied");
        assert_eq!(answers("/closed")?, "closed");
        Ok(())
    })
}
