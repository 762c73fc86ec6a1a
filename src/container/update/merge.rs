//! How a change of limits and the limits in force come together. Pure.
//!
//! Sections are merged field by field, lists element by element: by device, page size, interface.

use oci_spec::runtime::LinuxResources;
use serde_json::Value;

use crate::report::{Context, Result};

/// What tells elements of a list apart.
const IDENTITY: [&str; 4] = ["major", "minor", "pageSize", "name"];

/// Takes out of a change what is no change, and puts in what runc understands by it.
pub fn tidy(mut change: LinuxResources) -> LinuxResources {
    change.set_devices(None);
    if let Some(memory) = change.memory().as_ref() {
        let mut memory = *memory;
        // No limit on memory alone would lie above one on memory and swap: 0 forgets that one.
        if memory.limit() == Some(-1) && memory.swap().is_none() {
            memory.set_swap(Some(0));
        }
        change.set_memory(Some(memory));
    }
    if let Some(mut cpu) = change.cpu().clone() {
        // 0 and "" were never a value of these.
        cpu.set_quota(cpu.quota().filter(|quota| *quota != 0));
        cpu.set_period(cpu.period().filter(|period| *period != 0));
        cpu.set_cpus(cpu.cpus().clone().filter(|cpus| !cpus.is_empty()));
        cpu.set_mems(cpu.mems().clone().filter(|mems| !mems.is_empty()));
        // An idle group has no weight, and forgets the one it had.
        if cpu.idle().is_some() && cpu.shares().is_none() {
            cpu.set_shares(Some(0));
        }
        change.set_cpu(Some(cpu));
    }
    change
}

/// The limits in force once `change` is made.
pub fn merged(in_force: &LinuxResources, change: &LinuxResources) -> Result<LinuxResources> {
    let mut all = to_json(in_force)?;
    overlay(&mut all, to_json(change)?);
    from_json(all)
}

/// The change, and with it what the kernel or the conversion needs beside it: a quota its period, swap the
/// memory that it is counted with.
pub fn with_partners(change: &LinuxResources, merged: &LinuxResources) -> LinuxResources {
    let mut wanted = change.clone();
    if let (Some(mut memory), Some(all)) = (*change.memory(), merged.memory().as_ref())
        && (memory.limit().is_some() || memory.swap().is_some())
    {
        memory.set_limit(all.limit()).set_swap(all.swap());
        wanted.set_memory(Some(memory));
    }
    if let (Some(mut cpu), Some(all)) = (change.cpu().clone(), merged.cpu().as_ref()) {
        if cpu.quota().is_some() || cpu.period().is_some() {
            cpu.set_quota(all.quota()).set_period(all.period());
        }
        if cpu.realtime_runtime().is_some() || cpu.realtime_period().is_some() {
            cpu.set_realtime_runtime(all.realtime_runtime()).set_realtime_period(all.realtime_period());
        }
        wanted.set_cpu(Some(cpu));
    }
    wanted
}

/// Of the limits in force, those that a change is about.
pub fn same_fields(in_force: &LinuxResources, change: &LinuxResources) -> Result<LinuxResources> {
    let mut kept = to_json(in_force)?;
    retain(&mut kept, &to_json(change)?);
    from_json(kept)
}

fn to_json(resources: &LinuxResources) -> Result<Value> {
    serde_json::to_value(resources).context("take the limits apart")
}

fn from_json(value: Value) -> Result<LinuxResources> {
    serde_json::from_value(value).context("put the limits together")
}

fn overlay(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                match below.get_mut(&name) {
                    Some(there) => overlay(there, value),
                    None => drop(below.insert(name, value)),
                }
            }
        }
        (Value::Array(below), Value::Array(above)) => {
            for element in above {
                // The last of several is the one in force.
                match below.iter_mut().rev().find(|there| are_same(there, &element)) {
                    Some(there) => overlay(there, element),
                    None => below.push(element),
                }
            }
        }
        (below, above) => *below = above,
    }
}

fn are_same(one: &Value, other: &Value) -> bool {
    IDENTITY.iter().all(|name| one.get(name) == other.get(name))
}

fn retain(all: &mut Value, named: &Value) {
    match (all, named) {
        (Value::Object(all), Value::Object(named)) => {
            all.retain(|name, _| named.contains_key(name));
            for (name, value) in all {
                retain(value, &named[name]);
            }
        }
        (Value::Array(all), Value::Array(named)) => {
            all.retain(|element| named.iter().any(|other| are_same(element, other)));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resources(json: Value) -> LinuxResources {
        serde_json::from_value(json).expect("resources")
    }

    /// What is on record, and what is applied.
    fn both(in_force: Value, change: Value) -> (Value, Value) {
        let change = tidy(resources(change));
        let all = merged(&resources(in_force), &change).unwrap();
        (to_json(&all).unwrap(), to_json(&with_partners(&change, &all)).unwrap())
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name_and_applies_it_only_where_it_is_needed() {
        for (in_force, change, all, applied) in [
            (json!({}), json!({}), json!({}), json!({})),
            (
                json!({"pids": {"limit": 3}, "cpu": {"shares": 100, "quota": 5000}}),
                json!({"pids": {"limit": 9}}),
                json!({"pids": {"limit": 9}, "cpu": {"shares": 100, "quota": 5000}}),
                json!({"pids": {"limit": 9}}),
            ),
            (
                json!({"cpu": {"shares": 100, "quota": 5000, "period": 10000}}),
                json!({"cpu": {"period": 20000}}),
                json!({"cpu": {"shares": 100, "quota": 5000, "period": 20000}}),
                json!({"cpu": {"quota": 5000, "period": 20000}}),
            ),
            (
                json!({"cpu": {"quota": 5000}}),
                json!({"cpu": {"quota": 0, "cpus": "", "mems": "0"}}),
                json!({"cpu": {"quota": 5000, "mems": "0"}}),
                json!({"cpu": {"mems": "0"}}),
            ),
            (
                json!({"cpu": {"realtimePeriod": 7}}),
                json!({"cpu": {"realtimeRuntime": 5}}),
                json!({"cpu": {"realtimePeriod": 7, "realtimeRuntime": 5}}),
                json!({"cpu": {"realtimePeriod": 7, "realtimeRuntime": 5}}),
            ),
            (
                json!({"memory": {"limit": 5, "reservation": 3, "checkBeforeUpdate": true}}),
                json!({"memory": {"swap": 9}}),
                json!({"memory": {"limit": 5, "swap": 9, "reservation": 3, "checkBeforeUpdate": true}}),
                json!({"memory": {"limit": 5, "swap": 9}}),
            ),
            (
                json!({"memory": {"limit": 5, "swap": 9}}),
                json!({"memory": {"limit": -1}}),
                json!({"memory": {"limit": -1, "swap": 0}}),
                json!({"memory": {"limit": -1, "swap": 0}}),
            ),
            (
                json!({"cpu": {"shares": 100}}),
                json!({"cpu": {"idle": 1}}),
                json!({"cpu": {"shares": 0, "idle": 1}}),
                json!({"cpu": {"shares": 0, "idle": 1}}),
            ),
            (
                json!({"unified": {"memory.high": "1", "cpu.max": "2"}}),
                json!({"unified": {"cpu.max": "3"}}),
                json!({"unified": {"memory.high": "1", "cpu.max": "3"}}),
                json!({"unified": {"cpu.max": "3"}}),
            ),
        ] {
            assert_eq!(both(in_force.clone(), change.clone()), (all, applied), "{in_force} {change}");
        }
    }

    #[test]
    fn elements_of_lists_are_put_in_by_what_they_are_about() {
        let device = |minor: i64, rate: u64| json!({"major": 8, "minor": minor, "rate": rate});
        let (all, applied) = both(
            json!({"blockIO": {"throttleReadBpsDevice": [device(0, 1), device(16, 2), device(16, 3)]},
                   "hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}),
            json!({"blockIO": {"throttleReadBpsDevice": [device(16, 9), device(32, 7)]},
                   "hugepageLimits": [{"pageSize": "1GB", "limit": 2}, {"pageSize": "2MB", "limit": 3}]}),
        );
        let devices = json!([device(0, 1), device(16, 2), device(16, 9), device(32, 7)]);
        assert_eq!(all["blockIO"]["throttleReadBpsDevice"], devices);
        let pages = json!([{"pageSize": "2MB", "limit": 3}, {"pageSize": "1GB", "limit": 2}]);
        assert_eq!(all["hugepageLimits"], pages);
        assert_eq!(applied["blockIO"]["throttleReadBpsDevice"], json!([device(16, 9), device(32, 7)]));
    }

    #[test]
    fn devices_are_never_part_of_a_change() {
        let rules = json!([{"allow": false, "access": "rwm"}]);
        let (all, applied) =
            both(json!({"devices": rules}), json!({"devices": [{"allow": true, "access": "rwm"}]}));
        assert_eq!((all, applied), (json!({"devices": rules}), json!({})));
    }

    #[test]
    fn what_is_taken_back_is_what_the_change_is_about() {
        let in_force = resources(json!({
            "cpu": {"shares": 5, "quota": 7}, "pids": {"limit": 1},
            "blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 10}, {"major": 9, "minor": 0}]}
        }));
        let change = resources(json!({
            "cpu": {"quota": 9, "period": 3}, "memory": {"limit": 1},
            "blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 20}]}
        }));
        let expected = json!({"cpu": {"quota": 7},
                              "blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 10}]}});
        assert_eq!(to_json(&same_fields(&in_force, &change).unwrap()).unwrap(), expected);
    }
}
