//! Device rules, tried by opening devices: every shape of rule, on whichever layout there is.
//!
//! The numbers are those for local use (Documentation/admin-guide/devices.txt), with no driver: who may open one is told
//! that there is no such device, who may not, that it is not permitted.

use serde_json::{Value, json};

use super::{lacks_systemd, systemctl, with_resources};
use crate::support::{Container, Outcome, skip};

const NODES: [(&str, &str, u32, u32); 4] =
    [("c240-0", "c", 240, 0), ("c240-1", "c", 240, 1), ("c241-0", "c", 241, 0), ("b240-0", "b", 240, 0)];

const DENY_ALL: &str = r#"{"allow": false, "access": "rwm"}"#;
const ALLOW_ALL: &str = r#"{"allow": true, "access": "rwm"}"#;

/// A running container with these rules and a node for each number.
fn running(rules: &[&str]) -> anyhow::Result<Container> {
    let rules: Vec<Value> = rules.iter().map(|rule| serde_json::from_str(rule)).collect::<Result<_, _>>()?;
    let container = with_resources(&json!({ "devices": rules }))?;
    container.edit(|config| {
        let node = |(name, kind, major, minor)| {
            json!({"path": format!("/dev/{name}"), "type": kind, "major": major, "minor": minor, "fileMode": 0o666})
        };
        config["linux"]["devices"] = NODES.into_iter().map(node).collect();
    })?;
    container.detach()?;
    Ok(container)
}

/// A line a node, with `r` and `w` for what the container may do with it.
fn allowed(container: &Container) -> anyhow::Result<String> {
    let script = r#"
        try() { case "$(eval "$1" 2>&1)" in *"not permitted"*) ;; *"No such device"*) printf %s "$2" ;; esac; }
        for node in c240-0 c240-1 c241-0 b240-0; do
            printf '%s:' $node; try ": < /dev/$node" r; try ": > /dev/$node" w; echo
        done"#;
    Ok(container.exec(&["sh", "-c", script])?.ok().stdout().to_string())
}

#[test]
fn every_shape_of_rule_means_what_it_says() -> Outcome {
    let table: [(&[&str], [&str; 4]); 9] = [
        (&[DENY_ALL], ["", "", "", ""]),
        (&[ALLOW_ALL], ["rw", "rw", "rw", "rw"]),
        (
            &[DENY_ALL, r#"{"allow": true, "type": "c", "major": 240, "minor": 0, "access": "r"}"#],
            ["r", "", "", ""],
        ),
        (&[DENY_ALL, r#"{"allow": true, "type": "c", "major": 240, "access": "rw"}"#], ["rw", "rw", "", ""]),
        (&[DENY_ALL, r#"{"allow": true, "type": "c", "access": "rwm"}"#], ["rw", "rw", "rw", ""]),
        (
            &[DENY_ALL, r#"{"allow": true, "type": "b", "major": 240, "minor": 0, "access": "w"}"#],
            ["", "", "", "w"],
        ),
        (&[DENY_ALL, r#"{"allow": true, "type": "c", "minor": 0, "access": "rw"}"#], ["rw", "", "rw", ""]),
        (
            &[ALLOW_ALL, r#"{"allow": false, "type": "c", "major": 240, "minor": 0, "access": "w"}"#],
            ["r", "rw", "rw", "rw"],
        ),
        (&[ALLOW_ALL, r#"{"allow": false, "type": "a", "major": 240, "access": "rwm"}"#], ["", "", "rw", ""]),
    ];
    for (rules, expected) in table {
        let container = running(rules)?;
        let expected: Vec<String> =
            NODES.iter().zip(expected).map(|(node, access)| format!("{}:{access}", node.0)).collect();
        assert_eq!(allowed(&container)?, expected.join("\n"), "{rules:?}");
    }
    Ok(())
}

#[test]
fn a_daemon_reload_takes_and_gives_no_device() -> Outcome {
    if let Some(reason) = lacks_systemd() {
        return skip(reason);
    }
    let rule = r#"{"allow": true, "type": "c", "major": 240, "minor": 0, "access": "rw"}"#;
    for rules in [&[DENY_ALL, rule][..], &[ALLOW_ALL, &rule.replace("true", "false")]] {
        let container = running(rules)?;
        let before = allowed(&container)?;
        for _ in 0..2 {
            systemctl(&["daemon-reload"])?.ok();
            assert_eq!(allowed(&container)?, before, "{rules:?}");
        }
        // Even a change of the unit that has systemd set its cgroup anew.
        systemctl(&["set-property", "--runtime", &super::unit(&container), "TasksMax=77"])?.ok();
        systemctl(&["daemon-reload"])?.ok();
        assert_eq!(allowed(&container)?, before, "{rules:?}");
        container.exec(&["sh", "-c", "echo > /dev/null && head -c 1 /dev/zero | wc -c"])?.prints("1");
    }
    Ok(())
}
