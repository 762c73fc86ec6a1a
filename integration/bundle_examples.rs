//! The bundles under bundle-examples/, each run as its README says.

use std::fs;
use std::path::PathBuf;

use crate::support::{Container, Invocation, Outcome, Terminal, cgroup, is_peer, skip};

/// Where they are. A suite that is not run where it was built brings them along.
pub fn examples() -> PathBuf {
    let home = std::env::var_os("TRUG_TEST_HOME").map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    home.join("bundle-examples")
}

/// A copy of an example, its root filesystem made by its own script.
pub fn example(name: &str) -> anyhow::Result<Container> {
    let examples = examples();
    let container = Container::from_bundle(&examples.join(name))?;
    let bundle = container.bundle();
    // What an earlier run of the example itself has left beside its config is no part of it.
    for left in ["volumes/data/visits", "hooks.log"] {
        let _ = fs::remove_file(bundle.join(left));
    }
    let named = bundle.with_file_name(name);
    fs::rename(&bundle, &named)?;
    Invocation::new([examples.join("make-rootfs"), named.clone()]).output()?.ok();
    fs::rename(&named, &bundle)?;
    Ok(container)
}

#[test]
fn hello_greets_from_inside() -> Outcome {
    let output = example("hello")?.run()?;
    output
        .says("Hello from inside a container")
        .says("my pid:       1")
        .says("my hostname:  hello-from-trug");
    output.says("my root:      bin dev etc");
    Ok(())
}

#[test]
fn shell_is_interactive() -> Outcome {
    let container = example("shell")?;
    let terminal = Terminal::open(24, 80)?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("/ #")?;
    terminal.write("echo $((6 * 7)) on $(tty)\r")?;
    terminal.wait_for("42 on /dev/pts/0")?;
    terminal.write("exit 3\r")?;
    assert_eq!(running.wait()?.code(), Some(3));
    Ok(())
}

#[test]
fn web_serves_its_page_within_its_limits() -> Outcome {
    let container = example("web")?;
    container.detach()?;
    // The server listens a moment after its start: ask until it answers, with an end to it.
    let script = "for n in $(seq 300); do wget -qO- http://127.0.0.1/ 2>/dev/null && exit; done; exit 1";
    container.exec_shell(script)?.says("Served by busybox from inside a container.");
    container.exec(&["ls", "/sys/class/net"])?.prints("lo");
    if cgroup::lacks_v1(&["cpu", "memory"]).is_none() {
        assert_eq!(cgroup::value("cpu", &container.cgroup, "cpu.cfs_quota_us")?, "20000");
        assert_eq!(cgroup::value("cpu", &container.cgroup, "cpu.cfs_period_us")?, "100000");
        assert_eq!(cgroup::value("memory", &container.cgroup, "memory.limit_in_bytes")?, "67108864");
    }
    Ok(())
}

#[test]
fn a_busy_program_in_the_web_example_gets_a_fifth_of_a_cpu() -> Outcome {
    if let Some(reason) = cgroup::lacks_v1(&["cpu"]) {
        return skip(&reason);
    }
    let container = example("web")?;
    container.detach()?;
    // Far more than the 20 ms of work that it may do in 100 ms.
    container.exec_shell("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")?.ok();
    let statistics = cgroup::value("cpu", &container.cgroup, "cpu.stat")?;
    let throttled = statistics.lines().find_map(|line| line.strip_prefix("nr_throttled "));
    assert!(throttled.is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 0)), "{statistics}");
    Ok(())
}

#[test]
fn readonly_keeps_its_root_and_counts_its_visits() -> Outcome {
    let container = example("readonly")?;
    for visit in 1..=2 {
        let output = container.run()?;
        output.says("Settings of the host").says(&format!("\n{visit}\n"));
        output.says("the root is read-only").says("so is /config");
    }
    assert_eq!(fs::read_to_string(container.bundle().join("volumes/data/visits"))?.lines().count(), 2);
    Ok(())
}

#[test]
fn hooks_writes_down_all_six_and_the_program() -> Outcome {
    let container = example("hooks")?;
    container.run()?.ok();
    let text = fs::read_to_string(container.bundle().join("hooks.log"))?;
    let mut lines: Vec<&str> = text.lines().collect();
    if !is_peer() {
        // The program and the poststart hooks run side by side.
        lines[4..6].sort();
        let expected = [
            "prestart",
            "createRuntime",
            "createContainer",
            "startContainer",
            "poststart",
            "program",
            "poststop",
        ];
        assert_eq!(lines, expected);
    }
    lines.sort();
    assert_eq!(lines.len(), 7, "{text}");
    Ok(())
}

#[test]
fn every_example_has_three_lines_of_readme() -> Outcome {
    let examples = examples();
    for name in ["hello", "shell", "web", "readonly", "hooks"] {
        let text = fs::read_to_string(examples.join(name).join("README.md"))?;
        assert_eq!(text.lines().count(), 3, "{name}");
    }
    Ok(())
}
