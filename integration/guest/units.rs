//! What systemd is told and shows of a container.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{lacks_systemd, property, systemctl, unit, with_resources};
use crate::support::{Container, Invocation, Outcome, skip};

#[test]
fn a_container_is_a_delegated_scope_in_its_slice() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let container = Container::new()?;
    container.detach()?;
    for (name, expected) in [
        ("ActiveState", "active"),
        ("Slice", "system.slice"),
        ("Delegate", "yes"),
        ("Transient", "yes"),
        ("ControlGroup", &container.cgroup),
        ("MemoryAccounting", "yes"),
        ("TasksAccounting", "yes"),
    ] {
        assert_eq!(property(&container, name)?, expected, "{name}");
    }
    let members: Vec<i32> = container.members()?.iter().map(|process| process.pid).collect();
    assert_eq!(members, [container.init()?.pid]);
    Ok(())
}

#[test]
fn the_containers_cgroup_namespace_begins_at_its_scope() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config.namespace("cgroup");
    })?;
    container.detach()?;
    container.exec(&["cat", "/proc/1/cgroup"])?.prints("0::/");
    container.exec(&["cat", "/proc/self/cgroup"])?.prints("0::/");
    Ok(())
}

#[test]
fn a_slice_may_be_called_like_a_controller() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let container = with_resources(&json!({"memory": {"limit": 64 << 20}}))?;
    let unit = format!("x-{}.scope", container.id);
    container.edit(|config| {
        config["linux"]["cgroupsPath"] = format!("cpu-trugtest.slice:x:{}", container.id).into();
    })?;
    container.detach()?;
    // systemd's own name for it: cpu.slice could be a file of the controller.
    let cgroup = format!("/_cpu.slice/cpu-trugtest.slice/{unit}");
    let shown = systemctl(&["show", "--value", "--property", "ControlGroup", &unit])?;
    shown.prints(&cgroup);
    assert_eq!(fs::read_to_string(format!("/sys/fs/cgroup{cgroup}/memory.max"))?.trim(), "67108864");
    container.delete_by_force()?.ok();
    assert!(!Path::new("/sys/fs/cgroup").join(cgroup.trim_start_matches('/')).exists());
    systemctl(&["stop", "cpu.slice"])?.ok();
    Ok(())
}

#[test]
fn annotations_are_properties_of_the_unit() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config["annotations"] = json!({
            "org.systemd.property.TimeoutStopUSec": "uint64 123456789",
            "org.systemd.property.CollectMode": "'inactive-or-failed'",
            "org.systemd.property.Documentation": "['man:trug(8)']",
        });
    })?;
    container.create()?.ok();
    assert_eq!(property(&container, "TimeoutStopUSec")?, "2min 3.456789s");
    assert_eq!(property(&container, "CollectMode")?, "inactive-or-failed");
    assert_eq!(property(&container, "Documentation")?, "\"man:trug(8)\"");

    for (name, value, expected) in [
        ("TimeoutStopUSec", "uint64 lots", "value parse error"),
        ("X2", "1", "name incorrect"),
        ("NoSuchThing", "1", "unable to start unit"),
    ] {
        let container = Container::with(|config| {
            config["annotations"] = json!({ format!("org.systemd.property.{name}"): value });
        })?;
        let output = container.create()?;
        assert!(output.status() == 1 && output.stderr().contains(expected), "{name}: {output}");
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "{name}");
    }
    Ok(())
}

#[test]
fn a_unit_of_somebody_elses_is_left_alone() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let container = Container::new()?;
    let name = unit(&container);
    let words =
        ["systemd-run", "--quiet", "--scope", "--unit", &name, "sh", "-c", "echo up; exec sleep 1000"];
    let other = Invocation::new(words).spawn()?;
    other.wait_for("up")?;
    let output = container.create()?;
    assert_eq!(output.status(), 1, "{output}");
    container.delete_by_force()?.ok();
    assert_eq!(property(&container, "ActiveState")?, "active");
    systemctl(&["stop", &name])?.ok();
    Ok(())
}

#[test]
fn a_deleted_containers_unit_is_gone() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let container = Container::new()?;
    container.detach()?;
    container.stop()?;
    container.delete()?.ok();
    assert_eq!(property(&container, "ActiveState")?, "inactive");
    assert_eq!(property(&container, "LoadState")?, "not-found");
    Ok(())
}

#[test]
fn a_unit_that_failed_can_be_looked_at_until_the_container_is_deleted() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let container = Container::with(|config| {
        config["annotations"] =
            json!({"org.systemd.property.RuntimeMaxSec": "1", "org.systemd.property.TimeoutStopSec": "1"});
    })?;
    container.detach()?;
    for process in container.processes()? {
        process.wait_gone()?;
    }
    // Ends when systemd has seen the end.
    systemctl(&["stop", &unit(&container)])?.ok();
    assert_eq!(property(&container, "ActiveState")?, "failed");
    assert_eq!(property(&container, "Result")?, "timeout");
    container.delete()?.ok();
    assert_eq!(property(&container, "LoadState")?, "not-found");
    Ok(())
}

#[test]
fn a_container_can_be_a_slice() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let mut container = Container::with(|config| {
        config["linux"]["resources"]["pids"] = json!({"limit": 33});
    })?;
    let name = format!("{}.slice", container.id.replace('-', ""));
    container.edit(|config| config["linux"]["cgroupsPath"] = format!("system.slice:trug:{name}").into())?;
    // It is where its name says, whatever slice was named beside it.
    container.cgroup = format!("/{name}");
    container.detach()?;
    assert_eq!(container.members()?.len(), 1);
    let show = |what| systemctl(&["show", "--value", "--property", what, &name]);
    assert_eq!(show("ActiveState")?.ok().stdout(), "active");
    assert_eq!(show("ControlGroup")?.ok().stdout(), container.cgroup);
    assert_eq!(show("TasksMax")?.ok().stdout(), "33");
    container.exec(&["true"])?.ok();
    // A second one would be killed with it.
    let second = Container::with(|config| {
        config["linux"]["cgroupsPath"] = format!("system.slice:trug:{name}").into();
    })?;
    second.create()?.fails(1, "is there already");
    container.delete_by_force()?.ok();
    // A slice is loaded whenever somebody asks for it.
    assert_eq!(show("ActiveState")?.ok().stdout(), "inactive");
    assert_eq!(show("Transient")?.ok().stdout(), "no");
    Ok(())
}
