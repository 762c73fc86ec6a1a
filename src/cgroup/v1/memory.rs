//! memory of v1: limit, memory+swap, reservation, swappiness, the OOM killer.
//!
//! `kernel` and `kernelTCP` are accepted and not set, as in runc: `memory.kmem.limit_in_bytes` is refused by
//! the kernel since 5.16, and its sibling for TCP is deprecated with it. `checkBeforeUpdate` needs nothing
//! here: v1 itself refuses a limit below what is in use.

use oci_spec::runtime::{LinuxMemory, LinuxResources};

use crate::cgroup::shared::memory::check_order;
use crate::cgroup::write::{Current, List, Write, given, invalid, number, unsupported};
use crate::report::Result;

const LIMIT: &str = "memory.limit_in_bytes";
const SWAP: &str = "memory.memsw.limit_in_bytes";

pub fn writes(resources: &LinuxResources, now: &dyn Current) -> Result<Vec<Write>> {
    let mut list = List::of("memory");
    let Some(memory) = resources.memory() else { return list.done() };
    limits(memory, now, &mut list)?;
    if let Some(reservation) = given(memory.reservation()) {
        list.push("memory.soft_limit_in_bytes", reservation, "memory/reservation");
    }
    oom_killer(memory, now, &mut list)?;
    if let Some(swappiness) = memory.swappiness() {
        if swappiness > 100 {
            let text = format!("invalid memory swappiness value: {swappiness} (valid range is 0-100)");
            return Err(invalid("memory/swappiness", text));
        }
        list.push("memory.swappiness", swappiness, "memory/swappiness");
    }
    // Since 5.11 every v1 hierarchy is hierarchical, and the kernel refuses to turn it off.
    if memory.use_hierarchy() == Some(false) {
        return Err(unsupported("memory/useHierarchy", "memory.use_hierarchy can no longer be turned off"));
    }
    list.done()
}

/// The kernel holds limit <= memory+swap after every single write.
fn limits(memory: &LinuxMemory, now: &dyn Current, list: &mut List) -> Result<()> {
    let (limit, mut swap) = (given(memory.limit()), given(memory.swap()));
    // No memory limit means no limit on memory and swap together either, where swap is accounted at all.
    if limit == Some(-1) && swap.is_none() && now.read(SWAP)?.is_some() {
        swap = Some(-1);
    }
    if let (Some(limit), Some(swap)) = (limit, swap)
        && swap > 0
    {
        check_order(limit, swap)?;
    }
    let swap_first = match (limit, swap) {
        (Some(_), Some(-1)) => true,
        (Some(_), Some(swap)) => number(now, LIMIT)?.is_some_and(|limit_now| limit_now <= i128::from(swap)),
        _ => false,
    };
    let limit = limit.map(|limit| list.make(LIMIT, limit, "memory/limit"));
    let swap = swap.map(|swap| list.make(SWAP, swap, "memory/swap"));
    list.push_pair(limit, swap, swap_first);
    Ok(())
}

fn oom_killer(memory: &LinuxMemory, now: &dyn Current, list: &mut List) -> Result<()> {
    let disabled_now = |text: String| text.lines().any(|line| line == "oom_kill_disable 1");
    match memory.disable_oom_killer() {
        Some(true) => list.push("memory.oom_control", 1, "memory/disableOOMKiller"),
        Some(false) if now.read("memory.oom_control")?.is_some_and(disabled_now) => {
            list.push("memory.oom_control", 0, "memory/disableOOMKiller");
        }
        _ => {}
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
    fn zero_is_unset_and_the_kernel_fields_are_accepted() {
        let config = json!({"limit": 0, "reservation": 0, "swap": 0, "kernel": 5, "kernelTCP": 6,
                            "useHierarchy": true, "checkBeforeUpdate": true});
        assert!(memory(config, &[]).is_empty());
    }

    #[test]
    fn limit_and_swap_are_written_in_the_order_that_never_crosses() {
        let now = [(LIMIT, "1000\n"), (SWAP, "2000\n")];
        let raised = memory(json!({"limit": 3000, "swap": 4000}), &now);
        assert_eq!(raised, ["memory.memsw.limit_in_bytes 4000", "memory.limit_in_bytes 3000"]);
        let lowered = memory(json!({"limit": 500, "swap": 600}), &now);
        assert_eq!(lowered, ["memory.limit_in_bytes 500", "memory.memsw.limit_in_bytes 600"]);
        let equal = memory(json!({"limit": 900, "swap": 1000}), &now);
        assert_eq!(equal, ["memory.memsw.limit_in_bytes 1000", "memory.limit_in_bytes 900"]);
        let unlimited = memory(json!({"limit": 500, "swap": -1}), &now);
        assert_eq!(unlimited, ["memory.memsw.limit_in_bytes -1", "memory.limit_in_bytes 500"]);
    }

    #[test]
    fn no_memory_limit_lifts_the_swap_limit_where_there_is_one() {
        let expected = ["memory.memsw.limit_in_bytes -1", "memory.limit_in_bytes -1"];
        assert_eq!(memory(json!({"limit": -1}), &[(SWAP, "5\n")]), expected);
        assert_eq!(memory(json!({"limit": -1}), &[]), ["memory.limit_in_bytes -1"]);
    }

    #[test]
    fn less_memory_and_swap_than_memory_is_refused() {
        let error = memory(json!({"limit": 5000, "swap": 4000}), &[]);
        assert!(error[0].contains("memory+swap limit should be >= memory limit"), "{error:?}");
    }

    #[test]
    fn the_oom_killer_is_switched_back_on_only_where_it_is_off() {
        assert_eq!(memory(json!({"disableOOMKiller": true}), &[]), ["memory.oom_control 1"]);
        let off = [("memory.oom_control", "oom_kill_disable 1\nunder_oom 0\n")];
        assert_eq!(memory(json!({"disableOOMKiller": false}), &off), ["memory.oom_control 0"]);
        let on = [("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n")];
        assert!(memory(json!({"disableOOMKiller": false}), &on).is_empty());
    }

    #[test]
    fn what_the_kernel_cannot_do_is_refused_by_name() {
        assert_eq!(memory(json!({"swappiness": 100}), &[]), ["memory.swappiness 100"]);
        let error = memory(json!({"swappiness": 101}), &[]);
        assert!(error[0].contains("invalid memory swappiness value: 101"), "{error:?}");
        let error = memory(json!({"useHierarchy": false}), &[]);
        assert!(error[0].contains("/linux/resources/memory/useHierarchy"), "{error:?}");
    }
}
