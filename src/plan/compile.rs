//! The whole of a config to the whole of a plan: the list of everything that init does, in its order.
//!
//! The order is runc's (libcontainer/standard_init_linux.go), since hooks, profiles and images rely on it.
//! Comments here say only why a step stands where it stands.

use oci_spec::runtime::{Process, Spec};

use super::steps::Steps;
use super::types::{Action, Cgroup, EnterRoot, Plan, Rootfs, Step};
use super::{
    delegation, devices, hooks, memory_policy, namespaces, net_devices, process, resources, rootfs, sysctl,
};
use crate::bundle::{namespaces as wanted, path};
use crate::fail;
use crate::linux::mount::{Propagation, PropagationKind};
use crate::linux::namespace::Kind;
use crate::report::{Code, Result};

pub use super::exec::exec;
pub use super::options::{ExecOptions, Options};
pub use super::resources::first_limit;

/// Compiles a validated config.
pub fn container(spec: &Spec, options: &Options) -> Result<Plan> {
    let process = process_of(spec)?;
    let namespaces = namespaces::split(spec, options);
    let root = root(spec, options);
    let limits = process::limits(process, wanted::has(spec, Kind::User));
    let (hooks, net_devices, resources) =
        (hooks::parent(spec), net_devices::net_devices(spec), resources::resources(spec));
    let parent_has_work =
        hooks.run_before_the_pivot() || !net_devices.is_empty() || first_limit(&resources).is_some();
    Ok(Plan {
        id_maps: namespaces::id_maps(spec),
        cgroup: Cgroup {
            path: resources::cgroups_path(spec),
            resources,
            intel_rdt: spec.linux().as_ref().and_then(|linux| linux.intel_rdt().clone()),
            owner: delegation::owner(spec),
        },
        net_devices,
        hooks,
        terminal: process.terminal().unwrap_or(false),
        privileged: limits.privileged,
        steps: steps(spec, process, options, &root, &namespaces, limits.steps, parent_has_work)?,
        new_namespaces: namespaces.new,
        joined_namespaces: namespaces.joined,
        rootfs: root,
    })
}

fn process_of(spec: &Spec) -> Result<&Process> {
    match spec.process() {
        Some(process) => Ok(process),
        None => fail!(Code::InvalidConfig, "process property must not be empty"),
    }
}

/// Where the container's files come from, and how they become `/`.
fn root(spec: &Spec, options: &Options) -> Rootfs {
    let enter = match (wanted::has(spec, Kind::Mount), options.no_pivot) {
        (false, _) => EnterRoot::Chroot,
        (true, true) => EnterRoot::Move,
        (true, false) => EnterRoot::Pivot,
    };
    // Slave, not private: unmounts on the host must reach the container, or its copies keep devices busy.
    let default = Propagation { kind: PropagationKind::Slave, recursive: true };
    let propagation = rootfs::propagation(spec).unwrap_or(default);
    Rootfs { path: path::clean(options.rootfs), enter, propagation }
}

fn steps(
    spec: &Spec,
    process: &Process,
    options: &Options,
    root: &Rootfs,
    namespaces: &namespaces::Namespaces,
    limits: Vec<Step>,
    parent_has_work: bool,
) -> Result<Vec<Step>> {
    let mounts = rootfs::mounts(spec, options);
    let rootfs_hooks = hooks::create_container(spec);
    let mut steps = Steps::default();

    // Namespaces. Init's own session and keyring come before anything that the container's files can touch.
    steps.add(namespaces::identity(spec, namespaces));
    steps.add(namespaces::join(namespaces));
    steps.add(namespaces.unshare_cgroup.then_some(Action::UnshareCgroupNamespace));
    steps.add([Action::NewSession]);
    steps.add(process::keyring(process, options.id, options.no_new_keyring));
    let network = namespaces::network(spec, namespaces, options);
    let (at_once, when_needed) = match network.contains(&Action::AwaitNetwork) {
        true => (Vec::new(), network),
        false => (network, Vec::new()),
    };
    steps.add(at_once);

    // The root filesystem, still seen from outside. The network comes when it is needed: it is being made meanwhile,
    // and so what needs none of it comes before, as far as nothing of the container's runs before the program.
    steps.add([Action::AttachRootfs]);
    let (local, others) = rootfs::until_network(mounts.mount);
    let made = devices::make(spec, options);
    let apart = devices::are_apart(&made, &others);
    let own_null = devices::use_own_null(spec, process).map(Step::from);
    let made = made.into_iter().chain(own_null).collect();
    let (made_first, made_last) = match apart {
        true => (made, Vec::new()),
        false => (Vec::new(), made),
    };
    let bounding = process::bounding(process);
    let (bounding_first, bounding_last) = match !when_needed.is_empty() && rootfs_hooks.is_none() {
        true => (bounding, None),
        false => (None, bounding),
    };
    let cpus = Action::SetCpuAffinity(String::new());
    let enter = Action::EnterRootfs(root.enter);
    let looked_at = parent_has_work || rootfs_hooks.is_some() || process.terminal().unwrap_or(false);
    let complete = made_last.is_empty() && rootfs::need_nothing_of_the_host(&others);
    let entered_early = root.enter == EnterRoot::Pivot && !when_needed.is_empty() && !looked_at && complete;
    steps.add(local);
    steps.add(made_first);
    if entered_early {
        // Nobody looks on from outside: the kernel's wait when the old root goes is one for the network too.
        steps.add([Action::AnnounceRootfs, cpus, enter]);
        steps.add(bounding_first);
        steps.add(when_needed);
        steps.add(others);
    } else {
        steps.add(bounding_first);
        steps.add(when_needed);
        steps.add(others);
        steps.add(made_last);

        // The parent sets limits and runs hooks here; they may still change the root filesystem and the network.
        steps.add([match parent_has_work {
            true => Action::AwaitRuntimeHooks,
            false => Action::AnnounceRootfs,
        }]);
        // The cpuset is in force now: do not keep the affinity of whoever called us.
        steps.add([cpus]);
        steps.add(rootfs_hooks);

        // The terminal is opened outside, where /dev/pts/ptmx has just been mounted, and attached inside.
        steps.add(process::open_terminal(process));
        steps.add([enter]);
    }
    steps.add(rootfs::root_propagation(spec));
    steps.add(process::working_directory(process));
    steps.add(process::attach_terminal(process, true));

    // What is made in the root filesystem is made: close it. AppArmor's profile takes effect at exec, but is
    // written before sysctls and masks, while /proc is still whole.
    steps.add(mounts.remount_readonly);
    steps.add(rootfs::readonly_root(spec));
    steps.add([Action::SetUmask(process::UMASK)]);
    steps.add(namespaces::names(spec));
    steps.add(process::apparmor(process));
    steps.add(sysctl::write(spec));
    steps.add(rootfs::readonly_paths(spec));
    steps.add(rootfs::masked_paths(spec));

    // The process's own properties, while it still has the privilege to raise them.
    steps.add(limits);
    steps.add(process::no_new_privileges(process));
    steps.add(process::scheduling(process));
    steps.add(process::personality(spec));
    steps.add(memory_policy::memory_policy(spec)?);
    let alone = namespaces.joined.is_empty() && namespaces.new.contains(&Kind::User);
    let let_in = (options.unprivileged && alone).then_some(Action::LetUserIn);
    steps.add(process::confine_and_drop(spec, process, process, bounding_last, let_in));

    // All that can fail has happened; from the commit on, init outlives its parent.
    steps.add([Action::AwaitCommit]);
    steps.add([Action::AwaitStart]);
    steps.add(hooks::start_container(spec));
    steps.add([process::execute(process, &environment(options), options.listen_fds, options.preserve_fds)]);
    Ok(steps.0)
}

/// What the command line adds to the program's environment.
fn environment(options: &Options) -> Vec<String> {
    let notify = options.notify_directory.map(|_| format!("NOTIFY_SOCKET={}/notify.sock", rootfs::NOTIFY));
    notify.into_iter().collect()
}
