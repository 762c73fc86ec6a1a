//! The whole of a config to the whole of a plan: the list of everything that init does, in its order.
//!
//! The order is runc's (libcontainer/standard_init_linux.go), since hooks, profiles and images rely on it.
//! Comments here say only why a step stands where it stands.

use oci_spec::runtime::{Process, Spec};

use super::steps::Steps;
use super::types::{Action, Cgroup, EnterRoot, Plan, Rootfs, Step};
use super::{
    delegation, hooks, memory_policy, namespaces, net_devices, process, resources, rootfs, rootfs_order,
    sysctl,
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
    let mut steps = Steps::default();

    // Namespaces. Init's own session and keyring come before anything that the container's files can touch.
    steps.add(namespaces::identity(spec, namespaces));
    steps.add(namespaces::join(namespaces));
    steps.add(namespaces.unshare_cgroup.then_some(Action::UnshareCgroupNamespace));
    steps.add([Action::NewSession]);
    steps.add(process::keyring(process, options.id, options.no_new_keyring));
    let (at_once, network): (Vec<_>, Vec<_>) = match namespaces::network(spec, namespaces, options) {
        awaited if awaited.contains(&Action::AwaitNetwork) => (Vec::new(), awaited),
        there => (there, Vec::new()),
    };
    steps.add(at_once);

    let enter = root.enter;
    let wanted = rootfs_order::Wanted { spec, process, options, enter, parent_has_work, network };
    let root = rootfs_order::make(wanted);
    steps.add(root.steps);
    steps.add(rootfs::root_propagation(spec));
    steps.add(process::working_directory(process));
    steps.add(process::attach_terminal(process, true));

    // What is made in the root filesystem is made: close it. AppArmor's profile takes effect at exec, but is
    // written before sysctls and masks, while /proc is still whole.
    steps.add(root.remount_readonly);
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
    steps.add(process::confine_and_drop(spec, process, process, root.bounding, let_in));

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
