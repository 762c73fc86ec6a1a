//! CPU and I/O scheduling, CPU affinity and memory policy, in runc's words where it has any.

use std::fmt::Arguments;

use oci_spec::runtime::{
    LinuxSchedulerPolicy as Policy, MemoryPolicyModeType as Mode, Process, Scheduler, Spec,
};

use super::findings::Findings;
use crate::bundle::number_list;
use crate::linux::scheduler::parse_cpu_list;

pub fn check(process: &Process, at: Arguments, findings: &mut Findings) {
    if let Some(scheduler) = process.scheduler() {
        check_scheduler(scheduler, format_args!("{at}/scheduler"), findings);
    }
    let io_level = process.io_priority().map(|priority| priority.priority());
    if let Some(level) = io_level.filter(|level| !(0..=7).contains(level)) {
        findings.add(format!("{at}/ioPriority/priority"), format!("invalid ioPriority.Priority: {level}"));
    }
    if let Some(affinity) = process.exec_cpu_affinity() {
        for (name, list) in [("initial", affinity.initial()), ("final", affinity.cpu_affinity_final())] {
            if list.as_deref().is_some_and(|list| parse_cpu_list(list).is_none()) {
                let text = format!("invalid CPU list {:?}", list.as_deref().unwrap_or_default());
                findings.add(format!("{at}/execCPUAffinity/{name}"), text);
            }
        }
    }
}

/// `man 2 sched_setattr`.
fn check_scheduler(scheduler: &Scheduler, at: Arguments, findings: &mut Findings) {
    let policy = *scheduler.policy();
    let nice = scheduler.nice().unwrap_or(0);
    if matches!(policy, Policy::SchedOther | Policy::SchedBatch) && !(-20..=19).contains(&nice) {
        let text = format!("invalid scheduler.nice: {nice} when scheduler.policy is {policy}");
        findings.add(format!("{at}/nice"), text);
    }
    let priority = scheduler.priority().unwrap_or(0);
    if priority != 0 && !matches!(policy, Policy::SchedFifo | Policy::SchedRr) {
        let text = "scheduler.priority can only be specified for SchedFIFO or SchedRR policy";
        findings.add(format!("{at}/priority"), text);
    }
    let deadlines = [scheduler.runtime(), scheduler.deadline(), scheduler.period()];
    if policy != Policy::SchedDeadline && deadlines.iter().any(|value| value.unwrap_or(0) != 0) {
        let text = "scheduler runtime/deadline/period can only be specified for SchedDeadline policy";
        findings.add(at, text);
    }
}

/// `man 2 set_mempolicy`.
pub fn memory_policy(spec: &Spec, findings: &mut Findings) {
    let Some(policy) = spec.linux().as_ref().and_then(|linux| linux.memory_policy().as_ref()) else { return };
    let at = "/linux/memoryPolicy/nodes";
    let text = policy.nodes().as_deref().unwrap_or_default();
    let nodes = match number_list::tidy(text).as_str() {
        "" if text.is_empty() => Some(Vec::new()),
        list => parse_cpu_list(list),
    };
    let Some(nodes) = nodes else {
        return findings.add(at, format!("invalid memory policy nodes {text:?}"));
    };
    match policy.mode() {
        Mode::MpolDefault | Mode::MpolLocal if !nodes.is_empty() => {
            findings.add(at, format!("memory policy mode requires 0 nodes but got {}", nodes.len()));
        }
        Mode::MpolBind | Mode::MpolInterleave | Mode::MpolPreferredMany | Mode::MpolWeightedInterleave
            if nodes.is_empty() =>
        {
            findings.add(at, "memory policy mode requires at least one node but got 0");
        }
        _ => {}
    }
}
