//! `events`: statistics and memory running out, as callers decode them.

use std::time::Instant;

use serde_json::{Value, json};

use crate::bundle_examples::example;
use crate::support::{Container, Outcome, cgroup, is_peer, skip};

fn limited() -> anyhow::Result<Container> {
    let container = Container::with(|config| {
        config["linux"]["resources"]["memory"] = json!({"limit": 33554432, "swap": 33554432});
        config["linux"]["resources"]["pids"] = json!({"limit": 20});
    })?;
    container.detach()?;
    Ok(container)
}

fn stats(container: &Container) -> anyhow::Result<Value> {
    Ok(container.command(&["events", "--stats"])?.ok().json())
}

#[test]
fn statistics_are_the_kernels_in_runcs_layout() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory", "pids", "cpuacct", "cpuset"]) {
        return skip(&reason);
    }
    let container = limited()?;
    let event = stats(&container)?;
    assert_eq!(event["type"], "stats");
    assert_eq!(event["id"], container.id.as_str());
    let data = &event["data"];
    assert_eq!(data["pids"], json!({"current": 1, "limit": 20}));
    assert_eq!(data["memory"]["usage"]["limit"], 33554432);
    assert_eq!(data["memory"]["swap"]["limit"], 33554432);
    assert_eq!(data["memory"]["raw"]["hierarchical_memory_limit"], 33554432);
    assert!(data["memory"]["usage"]["usage"].as_u64() > Some(0), "{event}");
    assert!(data["cpu"]["usage"]["total"].as_u64() > Some(0), "{event}");
    let cpus = data["cpuset"]["cpus"].as_array().map_or(0, Vec::len);
    assert!(cpus > 0, "{event}");
    assert!(data["hugetlb"].is_object() && data["intel_rdt"].is_object(), "{event}");
    assert_eq!(data["network_interfaces"], Value::Null);
    Ok(())
}

#[test]
fn on_a_unified_tree_statistics_are_told_too() -> Outcome {
    if let Some(reason) = Container::lacks_unified() {
        return skip(reason);
    }
    let container = Container::with(|config| config["linux"]["resources"] = json!({}))?.on_unified();
    container.detach()?;
    let data = &stats(&container)?["data"];
    assert!(data["cpu"]["usage"]["total"].as_u64() > Some(0), "{data}");
    assert_eq!(data["pids"]["current"], 1);
    assert!(data["cpu"]["psi"].is_object() || data["cpu"]["psi"].is_null(), "{data}");
    Ok(())
}

#[test]
fn statistics_come_at_each_interval_until_the_container_ends() -> Outcome {
    let container = Container::new()?;
    container.detach()?;
    let mut events = container.runtime(["events", "--interval", "50ms", &container.id]).spawn()?;
    events.wait_for("\n{\"type\":\"stats\"")?;
    let init = container.init()?;
    container.delete_by_force()?.ok();
    init.wait_gone()?;
    let (status, text) = events.finish()?;
    assert_eq!(status, 0, "{}", events.stderr());
    for line in text.lines() {
        let event: Value = serde_json::from_str(line)?;
        assert_eq!(event["type"], "stats");
    }
    Ok(())
}

#[test]
fn memory_that_runs_out_is_told() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory"]) {
        return skip(&reason);
    }
    let container = limited()?;
    let mut events = container.runtime(["events", "--interval", "100ms", &container.id]).spawn()?;
    events.wait_for("stats")?;
    container.exec_shell("head -c 104857600 /dev/zero | tail -n 1 > /dev/null || true")?;
    events.wait_for(&format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", container.id))?;
    container.delete_by_force()?.ok();
    assert_eq!(events.finish()?.0, 0);
    Ok(())
}

#[test]
fn a_program_that_dies_of_it_is_told_before_the_end() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory"]) {
        return skip(&reason);
    }
    let container = Container::with(|config| {
        config["linux"]["resources"]["memory"] = json!({"limit": 33554432, "swap": 33554432});
        config.args(&["sh", "-c", "read go < /go; exec tail -n 1 /dev/zero"]);
    })?;
    let mut go = container.fifo("go")?;
    container.detach()?;
    let mut events = container.runtime(["events", "--interval", "100ms", &container.id]).spawn()?;
    events.wait_for("stats")?;
    go.ring()?;
    events.wait_for("{\"type\":\"oom\"")?;
    if is_peer() {
        container.delete_by_force()?.ok();
    }
    assert_eq!(events.finish()?.0, 0);
    Ok(())
}

#[test]
fn what_does_not_run_and_what_is_no_interval_is_refused() -> Outcome {
    let container = Container::new()?;
    container.command(&["events", "--stats"])?.fails(1, "container does not exist");
    container.detach()?;
    for interval in ["0", "0s", "-5s"] {
        let refusal = "duration interval must be greater than 0";
        container.command(&["events", &format!("--interval={interval}")])?.fails(1, refusal);
    }
    assert_eq!(container.command(&["events", "--interval=soon"])?.status(), 1);
    container.stop()?;
    let refusal = format!("container with id {} is not running", container.id);
    container.command(&["events", "--stats"])?.fails(1, &refusal);
    container.command(&["events"])?.fails(1, &refusal);
    Ok(())
}

#[test]
fn the_web_example_is_held_to_a_fifth_of_a_cpu_over_two_seconds() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["cpu", "cpuacct"]) {
        return skip(&reason);
    }
    let container = example("web")?;
    container.detach()?;
    let used = || -> anyhow::Result<u64> {
        Ok(stats(&container)?["data"]["cpu"]["usage"]["total"].as_u64().unwrap_or(0))
    };
    let (before, begin) = (used()?, Instant::now());
    container.exec(&["timeout", "2", "sh", "-c", "while :; do :; done"])?;
    let (after, time) = (used()?, begin.elapsed());
    let share = (after - before) as f64 / time.as_nanos() as f64;
    // A period that is begun may be used whole, at either end.
    assert!((0.05..0.25).contains(&share), "{share} of a CPU over {time:?}");
    Ok(())
}

#[test]
fn the_web_example_is_held_to_its_memory_and_events_tell() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["memory"]) {
        return skip(&reason);
    }
    let container = example("web")?;
    container.detach()?;
    let mut events = container.runtime(["events", "--interval", "100ms", &container.id]).spawn()?;
    events.wait_for("stats")?;
    // Not the server, which the kernel would take where it asks for a second one before the first has gone.
    let eat = "echo 1000 > /proc/self/oom_score_adj; head -c 209715200 /dev/zero | tail -n 1 > /dev/null";
    container.exec_shell(&format!("({eat}) || true"))?;
    events.wait_for("{\"type\":\"oom\"")?;
    let peak = stats(&container)?["data"]["memory"]["usage"]["max"].as_u64();
    assert!(peak <= Some(67108864), "{peak:?}");
    container.delete_by_force()?.ok();
    assert_eq!(events.finish()?.0, 0);
    Ok(())
}
