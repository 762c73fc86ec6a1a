//! Memory that runs out, time that is short, and what statistics say, on v2.

use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::{directory, lacks_v2, with_resources};
use crate::bundle_examples::examples;
use crate::support::{Invocation, Outcome, skip};

#[test]
fn the_web_example_is_held_to_its_memory_and_events_tell() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let config = std::fs::read_to_string(examples().join("web/config.json"))?;
    let config: Value = serde_json::from_str(&config)?;
    // Without its fifth of a CPU, which an emulated machine would take minutes with.
    let container = with_resources(&json!({"memory": config["linux"]["resources"]["memory"]}))?;
    container.detach()?;
    let mut events = container.runtime(["events", "--interval", "1s", &container.id]).spawn()?;
    events.wait_for("stats")?;
    container.exec_shell("dd if=/dev/zero of=/dev/null bs=128M count=1 || true")?;
    events.wait_for(&format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", container.id))?;
    let kills = std::fs::read_to_string(directory(&container).join("memory.events"))?;
    assert!(!kills.contains("oom_kill 0"), "{kills}");
    let stats = container.command(&["events", "--stats"])?.ok().json();
    assert_eq!(stats["data"]["memory"]["usage"]["limit"], 67_108_864);
    container.delete_by_force()?.ok();
    assert_eq!(events.finish()?.0, 0);
    Ok(())
}

#[test]
fn the_web_example_is_held_to_a_fifth_of_a_cpu() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let config = std::fs::read_to_string(examples().join("web/config.json"))?;
    let config: Value = serde_json::from_str(&config)?;
    let container = with_resources(&json!({"cpu": config["linux"]["resources"]["cpu"]}))?;
    container.edit(|config| {
        config.shell("while :; do :; done");
    })?;
    container.detach()?;
    let used = || -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(directory(&container).join("cpu.stat"))?;
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        Ok(usage.context("usage_usec")?.parse()?)
    };
    let (before, begin) = (used()?, Instant::now());
    // What is measured is time.
    Invocation::new(["sleep", "2"]).output()?.ok();
    let (after, time) = (used()?, begin.elapsed());
    let share = (after - before) as f64 / time.as_micros() as f64;
    // A period that is begun may be used whole, at either end.
    assert!((0.05..0.25).contains(&share), "{share} of a CPU over {time:?}");
    Ok(())
}

#[test]
fn statistics_are_those_of_the_kernels_files() -> Outcome {
    if let Some(reason) = lacks_v2() {
        return skip(reason);
    }
    let container =
        with_resources(&json!({"memory": {"limit": 33_554_432, "swap": 50_331_648}, "pids": {"limit": 20}}))?;
    container.detach()?;
    let data = &container.command(&["events", "--stats"])?.ok().json()["data"];
    assert_eq!(data["pids"], json!({"current": 1, "limit": 20}));
    assert_eq!(data["memory"]["usage"]["limit"], 33_554_432);
    // Together with memory, as on v1.
    assert_eq!(data["memory"]["swap"]["limit"], 50_331_648);
    assert!(data["memory"]["usage"]["usage"].as_u64() > Some(0), "{data}");
    // The kernel adds up few pages late: 0 may be right.
    assert!(data["memory"]["raw"]["anon"].is_u64(), "{data}");
    assert!(data["cpu"]["usage"]["total"].as_u64() > Some(0), "{data}");
    // Pressure is told where the kernel measures it.
    for (part, file) in [("cpu", "cpu.pressure"), ("memory", "memory.pressure"), ("blkio", "io.pressure")] {
        let there = std::fs::read_to_string(directory(&container).join(file)).is_ok();
        let psi = &data[part]["psi"];
        assert_eq!(psi.is_object(), there, "{part}: {psi}");
    }
    Ok(())
}
