//! `ps`: the processes of a container, as numbers or as the host's `ps` shows them.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use super::store::ContainerId;
use super::{Globals, find};
use crate::cgroup::Manager;
use crate::fail;
use crate::report::{Code, Context, Result};

/// Process ids in our pid namespace, sorted; none where the container is stopped.
pub fn pids(globals: &Globals, id: &ContainerId) -> Result<Vec<i32>> {
    let state = find(globals, id)?.load()?;
    let manager = Manager::new(state.cgroup);
    if !manager.exists() {
        return Ok(Vec::new());
    }
    let pids = manager.pids().context("unable to get all container pids")?;
    Ok(pids.into_iter().map(|pid| pid.as_raw()).collect())
}

/// The host's `ps` with these arguments (`-ef` where there are none), the container's lines only.
pub fn table(globals: &Globals, id: &ContainerId, arguments: &[String]) -> Result<String> {
    let pids = pids(globals, id)?.into_iter().collect();
    let default = ["-ef".to_owned()];
    let arguments = if arguments.is_empty() { &default } else { arguments };
    filter(&run_ps(arguments)?, &pids)
}

fn run_ps(arguments: &[String]) -> Result<String> {
    let Output { status, stdout, stderr } = Command::new("ps")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("run the host's ps")
        .hint("install procps, or use --format json")?;
    if !status.success() {
        fail!(Code::System, "ps: {status}: {}", String::from_utf8_lossy(&stderr).trim());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// The title, and the lines whose PID is one of ours.
fn filter(output: &str, pids: &BTreeSet<i32>) -> Result<String> {
    let mut lines = output.lines();
    let title = lines.next().unwrap_or_default();
    let Some(column) = title.split_whitespace().position(|name| name == "PID") else {
        fail!(Code::System, "couldn't find PID field in ps output");
    };
    let mut table = format!("{title}\n");
    for line in lines.filter(|line| !line.is_empty()) {
        let field = line.split_whitespace().nth(column).unwrap_or_default();
        let pid: i32 = field.parse().with_context(|| format!("unable to parse pid {field:?}"))?;
        if pids.contains(&pid) {
            table += line;
            table += "\n";
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_title_and_the_containers_lines() {
        let output = "UID  PID PPID CMD\nroot   1    0 init\nroot  12    1 sh -c 1\n\nroot 121    1 x\n";
        let table = filter(output, &BTreeSet::from([12, 7])).unwrap();
        assert_eq!(table, "UID  PID PPID CMD\nroot  12    1 sh -c 1\n");
    }

    #[test]
    fn output_without_process_ids_is_an_error() {
        for (output, expected) in [
            ("CMD\ninit\n", "couldn't find PID field in ps output"),
            ("", "couldn't find PID field in ps output"),
            ("A PID\nx y\n", "unable to parse pid \"y\": invalid digit found in string"),
            ("A PID\nx\n", "unable to parse pid \"\": cannot parse integer from empty string"),
        ] {
            let error = filter(output, &BTreeSet::new()).expect_err(output);
            assert_eq!(error.to_string(), expected);
        }
    }
}
