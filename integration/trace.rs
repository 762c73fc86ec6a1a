//! `--trace`: where the time goes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Container, Outcome, is_peer, skip};

const PEER: &str = "traces are trug's own";

/// The steps of a trace, as (process, name).
fn steps(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let events: Vec<Value> = serde_json::from_slice(&fs::read(path)?)?;
    let complete = events.iter().filter(|event| event["ph"] == "X");
    let mut steps = Vec::new();
    for event in complete {
        assert!(event["ts"].as_f64().is_some_and(|at| at >= 0.0), "{event}");
        assert!(event["dur"].as_f64().is_some_and(|long| long >= 0.0), "{event}");
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_string();
        steps.push((text("tid"), text("name")));
    }
    Ok(steps)
}

fn has(steps: &[(String, String)], process: &str, name: &str) -> bool {
    steps.iter().any(|(of, step)| of == process && step == name)
}

#[test]
fn a_run_writes_the_steps_of_both_processes_as_a_chrome_trace() -> Outcome {
    if is_peer() {
        return skip(PEER);
    }
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let trace = container.path("trace.json");
    container.command(&["run", "--trace", &trace.to_string_lossy()])?.ok();
    let steps = steps(&trace)?;
    for name in ["load config.json", "clone3", "the program runs", "remove the container"] {
        assert!(has(&steps, "parent", name), "{name}: {steps:?}");
    }
    for name in ["clone3", "Mount /mounts/0", "EnterRootfs"] {
        assert!(has(&steps, "init", name), "{name}: {steps:?}");
    }
    Ok(())
}

#[test]
fn create_start_and_exec_have_traces_of_their_own() -> Outcome {
    if is_peer() {
        return skip(PEER);
    }
    let container = Container::new()?;
    let file = |name: &str| container.path(name).to_string_lossy().into_owned();
    container.command(&["create", "--trace", &file("create")])?.ok();
    container.command(&["start", "--trace", &file("start")])?.ok();
    container.exec_with(&["--trace", &file("exec")], &["true"])?.ok();
    assert!(has(&steps(&container.path("create"))?, "init", "AttachRootfs"));
    assert!(has(&steps(&container.path("start"))?, "parent", "release init, wait for the execve"));
    let exec = steps(&container.path("exec"))?;
    assert!(
        has(&exec, "init", "ResolveExecutable /args/0")
            || has(&exec, "init", "ResolveExecutable /process/args/0")
    );
    Ok(())
}

#[test]
fn a_dash_prints_a_table_on_standard_error_and_leaves_standard_output_alone() -> Outcome {
    if is_peer() {
        return skip(PEER);
    }
    let container = Container::with(|config| {
        config.args(&["echo", "hello"]);
    })?;
    let output = container.command(&["run", "--trace", "-"])?;
    output.ok();
    assert_eq!(output.stdout(), "hello");
    assert!(output.stderr().contains("share"), "{}", output.stderr());
    assert!(output.stderr().contains("EnterRootfs"), "{}", output.stderr());
    Ok(())
}

#[test]
fn a_trace_that_cannot_be_made_is_an_error_and_nothing_is_made() -> Outcome {
    if is_peer() {
        return skip(PEER);
    }
    let container = Container::new()?;
    container.command(&["create", "--trace", "/no/such/directory/trace"])?.fails(1, "open the trace file");
    assert!(!container.state_directory().exists());
    Ok(())
}

#[test]
fn the_program_does_not_get_the_traces_descriptor() -> Outcome {
    if is_peer() {
        return skip(PEER);
    }
    let container = Container::with(|config| {
        config.args(&["ls", "/proc/self/fd"]);
    })?;
    let trace = container.path("trace.json");
    let output = container.command(&["run", "--trace", &trace.to_string_lossy()])?;
    output.ok();
    // Its own three, and the directory that it reads.
    assert_eq!(output.stdout().split_whitespace().count(), 4, "{}", output.stdout());
    Ok(())
}
