//! The order of what makes the root filesystem, from its attaching until init enters it.
//!
//! The network comes when it is needed: the parent makes it meanwhile. What needs none of it comes before, as far as
//! nothing of the container's runs before the program.

use oci_spec::runtime::{Process, Spec};

use super::options::Options;
use super::steps::Steps;
use super::types::{Action, EnterRoot, Step};
use super::{devices, hooks, process, rootfs};

/// What it is made by.
pub struct Wanted<'a> {
    pub spec: &'a Spec,
    pub process: &'a Process,
    pub options: &'a Options<'a>,
    pub enter: EnterRoot,
    /// The parent sets limits, moves network devices or runs hooks when it stands.
    pub parent_has_work: bool,
    /// What is done about a network that is made meanwhile; nothing where it is there by now.
    pub network: Vec<Action>,
}

/// The steps, and what is left for later ones.
pub struct RootFilesystem {
    pub steps: Vec<Step>,
    /// Mounts that become read-only when all is made in them.
    pub remount_readonly: Vec<Step>,
    /// The bounding set, where it is not limited yet.
    pub bounding: Option<Step>,
}

pub fn make(wanted: Wanted) -> RootFilesystem {
    let Wanted { spec, process, options, enter, parent_has_work, network } = wanted;
    let mounts = rootfs::mounts(spec, options);
    let (local, others) = rootfs::until_network(mounts.mount);
    let (devices_first, devices_last) = devices(spec, process, options, &others);
    let hooks = hooks::create_container(spec);
    let network_is_awaited = !network.is_empty();
    let bounding = process::bounding(process);
    let (bounding_first, bounding) = match network_is_awaited && hooks.is_none() {
        true => (bounding, None),
        false => (None, bounding),
    };
    let is_looked_at = parent_has_work || hooks.is_some() || process.terminal().unwrap_or(false);
    let is_complete = devices_last.is_empty() && rootfs::need_nothing_of_the_host(&others);
    // The cpuset is in force by then: the affinity of whoever called us is not kept.
    let own_cpus = Action::SetCpuAffinity(String::new());

    let mut steps = Steps::default();
    steps.add([Action::AttachRootfs]);
    steps.add(local);
    steps.add(devices_first);
    if enter == EnterRoot::Pivot && network_is_awaited && is_complete && !is_looked_at {
        // Nobody looks on from outside: the kernel's wait when the old root goes is one for the network too.
        steps.add([Action::AnnounceRootfs, own_cpus, Action::EnterRootfs(enter)]);
        steps.add(bounding_first);
        steps.add(network);
        steps.add(others);
    } else {
        steps.add(bounding_first);
        steps.add(network);
        steps.add(others);
        steps.add(devices_last);
        // The parent sets limits and runs hooks here; they may still change the root filesystem and the network. Even
        // device rules alone are waited for by whoever opens devices next: v1 forbids all before it allows one by one.
        steps.add([match is_looked_at {
            true => Action::AwaitRuntimeHooks,
            false => Action::AnnounceRootfs,
        }]);
        steps.add([own_cpus]);
        steps.add(hooks);
        // The terminal is opened outside, where /dev/pts/ptmx has just been mounted, and attached inside.
        steps.add(process::open_terminal(process));
        steps.add([Action::EnterRootfs(enter)]);
    }
    RootFilesystem { steps: steps.0, remount_readonly: mounts.remount_readonly, bounding }
}

/// The devices: before the other mounts where none of those is over one, and else after them.
fn devices(spec: &Spec, process: &Process, options: &Options, others: &[Step]) -> (Vec<Step>, Vec<Step>) {
    let devices = devices::make(spec, options);
    let are_apart = devices::are_apart(&devices, others);
    let own_null = devices::use_own_null(spec, process).map(Step::from);
    let devices = devices.into_iter().chain(own_null).collect();
    match are_apart {
        true => (devices, Vec::new()),
        false => (Vec::new(), devices),
    }
}
