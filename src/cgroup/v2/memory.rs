//! memory of v2: `memory.max`, `memory.low`, and swap, which v2 counts apart and config.json together with
//! memory.
//!
//! `kernel` and `kernelTCP` are accepted and mean nothing: v2 counts kernel memory with the rest.

use oci_spec::runtime::{LinuxMemory, LinuxResources};

use crate::cgroup::shared::memory::check_order;
use crate::cgroup::write::{Current, List, Write, given, invalid, number, unsupported};
use crate::report::Result;

const SWAP: &str = "memory.swap.max";

pub fn writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("memory");
    let Some(memory) = resources.memory() else { return list.done() };
    refuse_what_only_v1_has(memory)?;
    if memory.check_before_update() == Some(true) {
        refuse_less_than_in_use(memory, now)?;
    }
    if let Some(value) = swap_alone(memory)? {
        // No swap accounting is as good as no swap, and as unlimited swap.
        let silent = (value == "0" || value == "max") && now.read(SWAP)?.is_none();
        if !silent {
            list.push(SWAP, value, "memory/swap");
        }
    }
    if let Some(bytes) = given(memory.limit()) {
        list.push("memory.max", amount(bytes), "memory/limit");
    }
    if let Some(bytes) = given(memory.reservation()) {
        list.push("memory.low", amount(bytes), "memory/reservation");
    }
    list.done()
}

fn amount(bytes: i64) -> String {
    if bytes == -1 { "max".to_owned() } else { bytes.to_string() }
}

/// Swap without the memory in it.
fn swap_alone(memory: &LinuxMemory) -> Result<Option<String>> {
    let refuse = |field, text: &str| Err(invalid(field, text));
    match (memory.limit().unwrap_or(0), memory.swap().unwrap_or(0)) {
        // As on v1, no limit on memory lifts that on swap.
        (-1, 0) | (_, -1) => Ok(Some("max".to_owned())),
        (_, 0) => Ok(None),
        (-1, swap) => Ok(Some(swap.to_string())),
        (0, _) => refuse("memory/swap", "unable to set swap limit without memory limit"),
        (limit, _) if limit < 0 => refuse("memory/limit", &format!("invalid memory value: {limit}")),
        (limit, swap) => check_order(limit, swap).map(|()| Some((swap - limit).to_string())),
    }
}

/// v1 refuses a limit below what is in use; v2 would start to kill. checkBeforeUpdate asks for v1's way.
fn refuse_less_than_in_use(memory: &LinuxMemory, now: &dyn Current) -> Result<()> {
    let Some(usage) = number(now, "memory.current")? else { return Ok(()) };
    let (limit, swap) = (memory.limit().unwrap_or(0), memory.swap().unwrap_or(0));
    if swap > 0 && i128::from(swap) <= usage {
        return Err(invalid("memory/swap", format!("rejecting memory+swap limit {swap} <= usage {usage}")));
    }
    if limit > 0 && i128::from(limit) <= usage {
        return Err(invalid("memory/limit", format!("rejecting memory limit {limit} <= usage {usage}")));
    }
    Ok(())
}

fn refuse_what_only_v1_has(memory: &LinuxMemory) -> Result<()> {
    if memory.swappiness().is_some() {
        return Err(unsupported("memory/swappiness", "cgroup v2 has no memory.swappiness"));
    }
    if memory.disable_oom_killer() == Some(true) {
        return Err(unsupported("memory/disableOOMKiller", "cgroup v2 has no memory.oom_control"));
    }
    if memory.use_hierarchy() == Some(false) {
        return Err(unsupported("memory/useHierarchy", "cgroup v2 is always hierarchical"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cgroup::write::testing::{files, lines, resources};

    fn memory(config: serde_json::Value, now: &[(&str, &str)]) -> Vec<String> {
        lines(writes(&resources(json!({"memory": config})), &files(now)))
    }

    #[test]
    fn swap_is_what_is_left_beside_memory() {
        let now = [(SWAP, "max\n")];
        for (config, expected) in [
            (json!({"limit": 100, "swap": 300}), vec!["memory.swap.max 200", "memory.max 100"]),
            (json!({"limit": 100, "swap": 100}), vec!["memory.swap.max 0", "memory.max 100"]),
            (json!({"limit": 100, "swap": -1}), vec!["memory.swap.max max", "memory.max 100"]),
            (json!({"limit": 100, "swap": 0}), vec!["memory.max 100"]),
            (json!({"limit": -1}), vec!["memory.swap.max max", "memory.max max"]),
            (json!({"limit": -1, "swap": 50}), vec!["memory.swap.max 50", "memory.max max"]),
            (json!({"swap": -1}), vec!["memory.swap.max max"]),
            (json!({"limit": 0, "reservation": 70}), vec!["memory.low 70"]),
            (json!({"reservation": -1}), vec!["memory.low max"]),
            (json!({"kernel": 5, "kernelTCP": 6, "useHierarchy": true, "disableOOMKiller": false}), vec![]),
        ] {
            assert_eq!(memory(config.clone(), &now), expected, "{config}");
        }
    }

    #[test]
    fn without_swap_accounting_no_swap_and_any_swap_are_no_error() {
        assert_eq!(memory(json!({"limit": 100, "swap": 100}), &[]), ["memory.max 100"]);
        assert_eq!(memory(json!({"limit": -1}), &[]), ["memory.max max"]);
        assert_eq!(memory(json!({"limit": 100, "swap": 150}), &[]), ["memory.swap.max 50", "memory.max 100"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_runcs_words() {
        for (config, expected) in [
            (json!({"swap": 5}), "unable to set swap limit without memory limit"),
            (json!({"limit": 9, "swap": 5}), "memory+swap limit should be >= memory limit"),
            (json!({"limit": -7, "swap": 5}), "invalid memory value: -7"),
        ] {
            assert!(memory(config, &[])[0].contains(expected));
        }
    }

    #[test]
    fn a_checked_limit_below_usage_is_refused_and_an_unchecked_one_is_not() {
        let now = [("memory.current", "1000\n")];
        let checked = |config: serde_json::Value| memory(config, &now).remove(0);
        let limit = checked(json!({"limit": 1000, "checkBeforeUpdate": true}));
        assert!(limit.contains("rejecting memory limit 1000 <= usage 1000"), "{limit}");
        let swap = checked(json!({"limit": 500, "swap": 900, "checkBeforeUpdate": true}));
        assert!(swap.contains("rejecting memory+swap limit 900 <= usage 1000"), "{swap}");
        assert_eq!(checked(json!({"limit": 1001, "checkBeforeUpdate": true})), "memory.max 1001");
        assert_eq!(checked(json!({"limit": 10})), "memory.max 10");
    }

    #[test]
    fn what_only_v1_has_is_refused_by_name() {
        for (config, field) in [
            (json!({"swappiness": 60}), "swappiness"),
            (json!({"disableOOMKiller": true}), "disableOOMKiller"),
            (json!({"useHierarchy": false}), "useHierarchy"),
        ] {
            let error = memory(config, &[]);
            assert!(error[0].contains(&format!("/linux/resources/memory/{field}")), "{error:?}");
        }
    }
}
