//! Which nodes and links /dev gets (config-linux.md#default-devices, #devices).

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Mount, Process, Spec};

use super::options::Options;
use super::types::{Action, Device, DeviceKind, Step};
use crate::bundle::{mount_options, namespaces as wanted, path};
use crate::linux::namespace::Kind;

/// The devices that every container has, all with mode 0666 and owner 0:0.
pub const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// By a descriptor of the host's node, root in the container could change that node's mode: `docker run -d` has three.
/// Not where /dev is the host's all the same, nor where a terminal takes the streams' place.
pub fn use_own_null(spec: &Spec, process: &Process) -> Option<Action> {
    let has_terminal = process.terminal().unwrap_or(false);
    (is_ours(spec) && !has_terminal).then_some(Action::UseOwnNull)
}

/// Nodes, ptmx and links; none where /dev is the host's.
pub fn make(spec: &Spec, options: &Options) -> Vec<Step> {
    if !is_ours(spec) {
        return Vec::new();
    }
    // Mknod takes CAP_MKNOD on the host (`man 7 capabilities`), which no other user namespace gives.
    let bind = wanted::has(spec, Kind::User) || options.in_user_namespace;
    let defaults = DEFAULTS.iter().filter(|(path, ..)| !is_configured(spec, path));
    let mut steps: Vec<Step> =
        defaults.map(|default| Action::MakeDevice(default_node(default, bind)).into()).collect();
    steps.extend(configured(spec).iter().enumerate().filter_map(|(index, device)| {
        Some(Action::MakeDevice(node(device, bind)?).at(format!("/linux/devices/{index}")))
    }));
    steps.push(Action::LinkPtmx.into());
    steps.extend(links(options.kcore));
    steps
}

/// Whether none of these mounts has to do with what is made here: no place of the one is in or above one of the other.
pub fn are_apart(made: &[Step], mounts: &[Step]) -> bool {
    let is_apart_from = |made: &Step, mount: &Step| match (place(made), &mount.action) {
        (Some(made), Action::Mount(mount)) => {
            !path::is_within(made, &mount.target) && !path::is_within(&mount.target, made)
        }
        _ => false,
    };
    made.iter().all(|made| mounts.iter().all(|mount| is_apart_from(made, mount)))
}

/// Where a step of `make` makes something.
fn place(step: &Step) -> Option<&Path> {
    match &step.action {
        Action::MakeDevice(device) => Some(&device.path),
        Action::MakeSymlink { path, .. } => Some(path),
        Action::LinkPtmx => Some(Path::new("/dev/ptmx")),
        _ => None,
    }
}

/// A bind mount on /dev brings its own nodes; making ours would write into the host's directory.
fn is_ours(spec: &Spec) -> bool {
    let binds_dev = |mount: &Mount| {
        let options = || mount_options::parse(mount.options().as_deref().unwrap_or_default());
        path::clean(mount.destination()) == Path::new("/dev") && options().bind.is_some()
    };
    !spec.mounts().iter().flatten().any(binds_dev)
}

/// linux.devices.
fn configured(spec: &Spec) -> &[LinuxDevice] {
    let devices = spec.linux().as_ref().and_then(|linux| linux.devices().as_ref());
    devices.map_or(&[], Vec::as_slice)
}

/// True where the config itself says what is at this path, in the place of a default device.
pub fn is_configured(spec: &Spec, device: &str) -> bool {
    configured(spec).iter().any(|configured| path::clean(configured.path()) == Path::new(device))
}

fn default_node((path, major, minor): &(&str, u32, u32), bind: bool) -> Device {
    let kind = DeviceKind::Char;
    Device {
        path: PathBuf::from(path),
        kind,
        major: *major,
        minor: *minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
        bind,
    }
}

/// None for /dev/ptmx, which is always a link to the container's own.
fn node(device: &LinuxDevice, bind: bool) -> Option<Device> {
    let path = path::clean(device.path());
    if path == Path::new("/dev/ptmx") {
        return None;
    }
    let kind = match device.typ() {
        LinuxDeviceType::B => DeviceKind::Block,
        LinuxDeviceType::P => DeviceKind::Fifo,
        LinuxDeviceType::C | LinuxDeviceType::U | LinuxDeviceType::A => DeviceKind::Char,
    };
    Some(Device {
        path,
        kind,
        major: number(kind, device.major()),
        minor: number(kind, device.minor()),
        mode: device.file_mode().unwrap_or(0o666) & 0o7777,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
        bind: bind && kind != DeviceKind::Fifo,
    })
}

/// A fifo has no numbers; validation has refused those of others that no kernel has.
fn number(kind: DeviceKind, number: i64) -> u32 {
    match kind {
        DeviceKind::Fifo => 0,
        DeviceKind::Char | DeviceKind::Block => u32::try_from(number).unwrap_or(u32::MAX),
    }
}

fn links(kcore: bool) -> Vec<Step> {
    let mut links = vec![
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ];
    if kcore {
        links.push(("/dev/core", "/proc/kcore"));
    }
    let link =
        |(path, target): (&str, &str)| Action::MakeSymlink { path: path.into(), target: target.into() };
    links.into_iter().map(|pair| link(pair).into()).collect()
}
