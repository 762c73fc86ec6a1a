//! Limits, priorities, labels and sysctls of the process and its namespaces.

use nix::errno::Errno;
use nix::unistd::Pid;
use oci_spec::runtime::{LinuxSchedulerFlag, LinuxSchedulerPolicy, Scheduler};

use crate::fail;
use crate::linux::scheduler::{self, SchedulerAttributes};
use crate::linux::{keyring, rlimit};
use crate::plan::IoClass;
use crate::report::{Code, Context as _, Result, log};
use crate::stage::context::Context;

/// A session keyring of the container's own: it must not inherit the caller's keys. It has the process's label, or
/// SELinux would keep the process from it.
pub fn join_session_keyring(context: &Context, name: &str, label: Option<&str>) -> Result<()> {
    let Some(label) = label else { return join_keyring(name, context.user_namespace) };
    let label_keys = |label: &str| {
        let written = context.proc.write_self("attr/keycreate", label.as_bytes());
        written
            .with_context(|| format!("can't set key label {label:?}"))
            .hint("is SELinux on in this kernel?")
    };
    label_keys(label)?;
    join_keyring(name, context.user_namespace)?;
    // An empty line takes it back: keys that hooks make are not the container's.
    label_keys("\n")
}

fn join_keyring(name: &str, user_namespace: bool) -> Result<()> {
    match keyring::join_session(name, user_namespace) {
        Ok(()) => Ok(()),
        Err(Errno::ENOSYS) => {
            log::warn("this kernel has no keyrings: the container keeps its caller's");
            Ok(())
        }
        Err(errno) => Err(errno).context("unable to join session keyring").hint(
            "the keyring quota may be used up (/proc/sys/kernel/keys/maxkeys); or use --no-new-keyring",
        ),
    }
}

/// One write to /proc/sys of the container's namespaces, through the host's own procfs.
pub fn write_sysctl(context: &Context, key: &str, value: &str) -> Result<()> {
    context.proc.write_sysctl(key, value).with_context(|| format!("set sysctl {key:?} to {value:?}"))
}

pub fn set_oom_score_adj(context: &Context, score: i32) -> Result<()> {
    context
        .proc
        .write_self("oom_score_adj", score.to_string().as_bytes())
        .with_context(|| format!("set oom_score_adj to {score}"))
}

pub fn set_rlimit(resource: &str, soft: u64, hard: u64) -> Result<()> {
    let doing = || format!("error setting rlimit {resource} to soft {soft}, hard {hard}");
    match rlimit::set(resource, soft, hard) {
        Err(Errno::EPERM) => Err(Errno::EPERM)
            .with_context(doing)
            .hint("raising a hard limit needs CAP_SYS_RESOURCE on the host; or lower it to the caller's"),
        set => set.with_context(doing),
    }
}

/// process.scheduler (`man 2 sched_setattr`).
pub fn set_scheduler(plan: &Scheduler) -> Result<()> {
    let policy = match plan.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flags = plan.flags().iter().flatten().map(scheduler_flag).fold(0, |all, flag| all | flag);
    let attributes = SchedulerAttributes {
        policy,
        flags,
        nice: plan.nice().unwrap_or(0),
        priority: plan.priority().unwrap_or(0).max(0) as u32,
        runtime: plan.runtime().unwrap_or(0),
        deadline: plan.deadline().unwrap_or(0),
        period: plan.period().unwrap_or(0),
    };
    let set =
        scheduler::set_scheduler(&attributes).with_context(|| format!("set scheduler {}", plan.policy()));
    match plan.policy() {
        // `man 7 sched`: the affinity must be every CPU of the root domain.
        LinuxSchedulerPolicy::SchedDeadline => set.hint(
            "process scheduler can't be used together with AllowedCPUs (resources.cpu.cpus), and needs CAP_SYS_NICE",
        ),
        _ => set,
    }
}

/// SCHED_FLAG_* (linux/sched.h).
fn scheduler_flag(flag: &LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

/// process.ioPriority (`man 2 ioprio_set`: the class numbers).
pub fn set_io_priority(class: IoClass, level: u8) -> Result<()> {
    let number = match class {
        IoClass::Realtime => 1,
        IoClass::BestEffort => 2,
        IoClass::Idle => 3,
    };
    scheduler::set_io_priority(number, level).with_context(|| format!("set I/O priority {class:?} {level}"))
}

/// execCPUAffinity, or every CPU that the cgroup has where none is asked for.
pub fn set_cpu_affinity(list: &str) -> Result<()> {
    let cpus = match list.is_empty() {
        true => Some(Vec::new()),
        false => scheduler::parse_cpu_list(list),
    };
    let Some(cpus) = cpus else {
        fail!(Code::InvalidConfig, "CPU list {list:?} is malformed");
    };
    match scheduler::set_cpu_affinity(Pid::from_raw(0), &cpus) {
        // Nobody asked for it: what the caller has is kept where the kernel insists.
        Err(_) if list.is_empty() => Ok(()),
        set => set.with_context(|| format!("set CPU affinity {list:?}")),
    }
}

/// linux.memoryPolicy (`man 2 set_mempolicy`).
pub fn set_memory_policy(mode: u32, flags: u32, nodes: &str) -> Result<()> {
    let list = match nodes.is_empty() {
        true => Some(Vec::new()),
        false => scheduler::parse_cpu_list(nodes),
    };
    let Some(list) = list else {
        fail!(Code::InvalidConfig, "node list {nodes:?} is malformed");
    };
    scheduler::set_memory_policy(mode, flags, &list).context("set the memory policy")
}

/// The profile that the next execve enters. The file is found through a verified procfs, and one
/// write sets it (CVE-2019-16884, CVE-2025-52881).
pub fn set_apparmor_profile(context: &Context, profile: &str) -> Result<()> {
    let value = format!("exec {profile}");
    let written = match context.proc.write_self("attr/apparmor/exec", value.as_bytes()) {
        Err(Errno::ENOENT) => context.proc.write_self("attr/exec", value.as_bytes()),
        written => written,
    };
    written
        .with_context(|| format!("unable to apply apparmor profile {profile:?}"))
        .hint("is AppArmor on in this kernel, and the profile loaded (aa-status)?")
}

/// The SELinux label of the next execve.
pub fn set_selinux_label(context: &Context, label: &str) -> Result<()> {
    context
        .proc
        .write_self("attr/exec", label.as_bytes())
        .with_context(|| format!("can't set process label {label:?}"))
        .hint("is SELinux on in this kernel?")
}
