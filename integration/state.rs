//! state, pause, resume and ps; and state files that somebody or something has spoilt.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Container, Outcome, Process, is_peer, skip};

#[test]
fn state_has_every_field_in_runcs_order() -> Outcome {
    let container = Container::with(|config| config["annotations"] = json!({"some": "note"}))?;
    container.create()?.ok();
    let text = container.command(&["state"])?.ok().raw_stdout();
    let keys = ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"];
    let places: Vec<_> = keys.iter().map(|key| text.find(&format!("\n  \"{key}\": "))).collect();
    assert!(places.iter().all(Option::is_some), "{places:?} in {text}");
    assert!(places.is_sorted(), "{text}");
    Ok(())
}

#[test]
fn state_says_what_is_true() -> Outcome {
    let container = Container::with(|config| config["annotations"] = json!({"some": "note"}))?;
    container.create()?.ok();
    let state = container.state()?;
    assert_eq!(state["id"], container.id.as_str());
    assert_eq!(state["status"], "created");
    assert_eq!(state["bundle"], container.bundle().to_string_lossy().as_ref());
    assert_eq!(state["rootfs"], container.rootfs().to_string_lossy().as_ref());
    assert_eq!(state["annotations"], json!({"some": "note"}));
    assert_eq!(state["owner"], "");
    assert!(state["ociVersion"].as_str().is_some_and(|version| version.starts_with("1.")));
    assert!(Process::open(state["pid"].as_i64().unwrap_or(0) as i32)?.is_alive()?);
    Ok(())
}

#[test]
fn state_has_no_annotations_where_there_are_none() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    assert_eq!(container.state()?.get("annotations"), None);
    Ok(())
}

#[test]
fn created_is_a_time_of_rfc_3339_in_utc() -> Outcome {
    let container = Container::new()?;
    container.create()?.ok();
    let state = container.state()?;
    let created = state["created"].as_str().unwrap_or_default();
    let (bytes, length) = (created.as_bytes(), created.len());
    assert!(length >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[length - 1] == b'Z', "{created}");
    Ok(())
}

#[test]
fn a_stopped_container_has_no_pid() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.stop()?;
    let state = container.state()?;
    assert_eq!(state["status"], "stopped");
    assert_eq!(state["pid"], 0);
    Ok(())
}

#[test]
fn a_container_that_ended_by_itself_is_stopped() -> Outcome {
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    container.create()?.ok();
    let init = container.init()?;
    container.start()?.ok();
    init.wait_gone()?;
    assert_eq!(container.status()?, "stopped");
    Ok(())
}

#[test]
fn state_of_what_does_not_exist_is_an_error() -> Outcome {
    Container::new()?.command(&["state"])?.fails(1, "container does not exist");
    Ok(())
}

#[test]
fn pause_stops_and_resume_continues() -> Outcome {
    let container = Container::with(|config| {
        config.shell("while read word; do echo $word > /answer; done < /question");
    })?;
    let (mut question, mut answer) = (container.fifo("question")?, container.fifo("answer")?);
    container.detach()?;
    question.ring()?;
    assert_eq!(answer.line()?, "go");
    container.command(&["pause"])?.ok();
    assert_eq!(container.status()?, "paused");
    container.command(&["resume"])?.ok();
    assert_eq!(container.status()?, "running");
    question.ring()?;
    assert_eq!(answer.line()?, "go");
    Ok(())
}

#[test]
fn pausing_twice_and_resuming_a_running_container_are_errors() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.command(&["resume"])?.fails(1, "container not paused");
    container.command(&["pause"])?.ok();
    container.command(&["pause"])?.exits(1);
    assert_eq!(container.status()?, "paused");
    Ok(())
}

#[test]
fn pause_and_resume_of_what_does_not_exist_are_errors() -> Outcome {
    let container = Container::new()?;
    container.command(&["pause"])?.fails(1, "container does not exist");
    container.command(&["resume"])?.fails(1, "container does not exist");
    Ok(())
}

#[test]
fn a_stopped_container_cannot_be_paused() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.stop()?;
    container.command(&["pause"])?.exits(1);
    Ok(())
}

#[test]
fn ps_lists_the_containers_processes_as_ps_does() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.exec_with(&["--detach"], &["sleep", "1003"])?.ok();
    let output = container.command(&["ps"])?;
    output.says("UID").says("sleep 1000").says("sleep 1003");
    assert_eq!(output.lines().len(), 3, "a head and two processes: {output}");
    Ok(())
}

#[test]
fn ps_as_json_is_a_list_of_pids() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let words = ["ps", "--format", "json", &container.id];
    let pids = container.runtime(words).output()?.ok().json();
    assert_eq!(pids, json!([container.init()?.pid]));
    Ok(())
}

#[test]
fn ps_passes_options_on() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let words = ["ps", &container.id, "-e", "-x"];
    let output = container.runtime(words).output()?;
    output.says("PID TTY      STAT").says(&container.init()?.pid.to_string());
    Ok(())
}

#[test]
fn ps_with_an_unknown_format_is_refused() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.runtime(["ps", "-f", "xml", &container.id]).output()?.fails(1, "invalid format option");
    Ok(())
}

#[test]
fn ps_of_a_stopped_container_is_no_error() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.stop()?;
    container.command(&["ps"])?.ok();
    Ok(())
}

/// What can happen to a state file, by hand or by a full disk.
const SPOILT: [&str; 10] = [
    "",
    "null",
    "{}",
    "[]",
    "\0\0\0\0",
    "{\"id\":",
    "\"text\"",
    "{\"pid\":\"x\"}",
    "{\"init_process_pid\":-1}",
    "42",
];

#[test]
fn a_spoilt_state_is_an_error_and_never_a_crash() -> Outcome {
    if is_peer() {
        return skip("known: runc panics on null and {}");
    }
    let container = Container::new()?;
    container.detach()?;
    for text in SPOILT {
        let kept = spoil(&container, text)?;
        for command in [["state"], ["start"], ["pause"], ["ps"]] {
            let output = container.command(&command)?;
            output.exits(1);
            assert!(!output.stderr().contains("panicked"), "{text:?}: {output}");
        }
        restore(&kept)?;
    }
    Ok(())
}

#[test]
fn a_spoilt_container_does_not_hide_the_others_from_list() -> Outcome {
    if is_peer() {
        return skip("known: runc panics on null and {}");
    }
    let container = Container::new()?;
    container.detach()?;
    for (number, text) in SPOILT.iter().enumerate() {
        let directory = container.state_root().join(format!("spoilt-{number}"));
        fs::create_dir(&directory)?;
        fs::write(directory.join("state.json"), text)?;
    }
    fs::create_dir(container.state_root().join("empty"))?;
    fs::write(container.state_root().join("a-file"), "")?;
    let output = container.runtime(["list"]).output()?;
    output.says(&container.id).says("running");
    for entry in fs::read_dir(container.state_root())? {
        let entry = entry?;
        match entry.file_name().to_string_lossy().as_ref() {
            name if name == container.id => {}
            "a-file" => fs::remove_file(entry.path())?,
            name => drop(container.runtime(["delete", "--force", name]).output()?.ok()),
        }
    }
    Ok(())
}

#[test]
fn delete_by_force_ends_a_container_whose_state_is_spoilt() -> Outcome {
    if is_peer() {
        return skip("known: runc cannot delete it");
    }
    for text in SPOILT {
        let container = Container::new()?;
        container.detach()?;
        let init = container.init()?;
        spoil(&container, text)?;
        container.delete_by_force()?.ok();
        init.wait_gone()?;
        assert_eq!(container.leftovers()?, Vec::<String>::new(), "with {text:?}");
    }
    Ok(())
}

#[test]
fn a_state_directory_without_a_state_is_deleted_by_force() -> Outcome {
    let container = Container::new()?;
    fs::create_dir(container.state_directory())?;
    container.delete_by_force()?.ok();
    assert!(!container.state_directory().exists());
    Ok(())
}

#[test]
fn a_stranger_with_the_pid_of_init_is_never_touched() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let mut stranger = crate::support::Invocation::new(["sleep", "1000"]).spawn()?;
    let kept = replace_pid(&container, stranger.pid())?;
    assert_eq!(container.status()?, "stopped");
    container.kill("KILL")?.exits(1);
    assert!(Process::open(stranger.pid())?.is_alive()?);
    restore(&kept)?;
    stranger.signal(Signal::KILL)?;
    stranger.wait()?;
    Ok(())
}

#[test]
fn delete_by_force_ends_the_true_init_where_the_state_names_a_stranger() -> Outcome {
    if is_peer() {
        return skip("known: runc cannot delete it");
    }
    let container = Container::new()?;
    container.detach()?;
    let init = container.init()?;
    let mut stranger = crate::support::Invocation::new(["sleep", "1000"]).spawn()?;
    replace_pid(&container, stranger.pid())?;
    container.delete_by_force()?.ok();
    assert!(Process::open(stranger.pid())?.is_alive()?);
    init.wait_gone()?;
    stranger.signal(Signal::KILL)?;
    stranger.wait()?;
    Ok(())
}

#[test]
fn a_state_from_before_a_reboot_is_stopped_and_can_be_deleted() -> Outcome {
    if is_peer() {
        return skip("known: runc does not write down the boot");
    }
    let container = Container::new()?;
    container.detach()?;
    let init = container.init()?;
    change_state(&container, |state| {
        let changed = replace_string(state, &boot_id(), "00000000-0000-4000-8000-000000000000");
        assert!(changed, "the boot's id is in the state");
    })?;
    assert_eq!(container.status()?, "stopped");
    container.kill("KILL")?.exits(1);
    container.delete()?.ok();
    assert!(!container.state_directory().exists());
    // After a boot both belong to somebody else, if they are there at all.
    if init.is_alive()? {
        init.kill(Signal::KILL)?;
        init.wait_gone()?;
    }
    for directory in crate::support::cgroup::directories(&container.cgroup)? {
        fs::remove_dir(directory)?;
    }
    Ok(())
}

#[test]
fn delete_bears_a_cgroup_that_is_gone_already() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    container.stop()?;
    for directory in crate::support::cgroup::directories(&container.cgroup)? {
        fs::remove_dir(directory)?;
    }
    container.delete()?.ok();
    Ok(())
}

/// A state file and what was in it.
struct Kept(std::path::PathBuf, Vec<u8>);

fn spoil(container: &Container, text: &str) -> anyhow::Result<Kept> {
    let path = container.state_directory().join("state.json");
    let kept = Kept(path.clone(), fs::read(&path)?);
    fs::write(path, text)?;
    Ok(kept)
}

fn restore(kept: &Kept) -> anyhow::Result<()> {
    Ok(fs::write(&kept.0, &kept.1)?)
}

fn change_state(container: &Container, change: impl FnOnce(&mut Value)) -> anyhow::Result<Kept> {
    let path = container.state_directory().join("state.json");
    let text = fs::read(&path)?;
    let mut state: Value = serde_json::from_slice(&text)?;
    change(&mut state);
    fs::write(&path, state.to_string())?;
    Ok(Kept(path, text))
}

/// Puts another pid where init's was, wherever in the state that is.
fn replace_pid(container: &Container, pid: i32) -> anyhow::Result<Kept> {
    let init = container.init()?.pid;
    change_state(container, |state| assert!(replace_number(state, init.into(), pid.into()), "{state}"))
}

fn replace_number(value: &mut Value, old: i64, new: i64) -> bool {
    match value {
        Value::Number(number) if number.as_i64() == Some(old) => {
            *value = json!(new);
            true
        }
        Value::Array(list) => list.iter_mut().fold(false, |any, part| replace_number(part, old, new) | any),
        Value::Object(map) => map.values_mut().fold(false, |any, part| replace_number(part, old, new) | any),
        _ => false,
    }
}

fn replace_string(value: &mut Value, old: &str, new: &str) -> bool {
    match value {
        Value::String(text) if text == old => {
            *text = new.to_string();
            true
        }
        Value::Array(list) => list.iter_mut().fold(false, |any, part| replace_string(part, old, new) | any),
        Value::Object(map) => map.values_mut().fold(false, |any, part| replace_string(part, old, new) | any),
        _ => false,
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}
