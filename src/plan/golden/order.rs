//! What must hold of every plan, whatever its config.

use super::*;
use crate::plan::types::{Action, EnterRoot, MountSource, Plan, Step};

/// Every config here on every layout, with and without a pivot.
fn plans() -> Vec<(String, Plan)> {
    let mut plans = Vec::new();
    for entry in std::fs::read_dir(file("")).expect("the directory of configs") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        if !name.ends_with(".config.json") {
            continue;
        }
        let spec = load::parse(&read(&name)).expect("the config parses");
        for layout in [Layout::Unified, Layout::Legacy, Layout::Hybrid] {
            let tree = tree(layout.clone());
            for no_pivot in [false, true] {
                let options = Options { no_pivot, ..options(&tree) };
                let plan = compile::container(&spec, &options).expect("the config compiles");
                plans.push((format!("{name} {layout:?} no_pivot={no_pivot}"), plan));
            }
        }
    }
    assert!(plans.len() > 60);
    plans
}

fn position(plan: &Plan, is: impl Fn(&Action) -> bool) -> Option<usize> {
    plan.steps.iter().position(|step| is(&step.action))
}

/// Asserts that what `first` finds, if anything, comes before anything that `second` finds.
#[track_caller]
fn before(name: &str, plan: &Plan, first: impl Fn(&Action) -> bool, second: impl Fn(&Action) -> bool) {
    let last_of_first = plan.steps.iter().rposition(|step| first(&step.action));
    if let (Some(first), Some(second)) = (last_of_first, position(plan, second)) {
        assert!(
            first < second,
            "{name}: {:?} after {:?}",
            plan.steps[first].action,
            plan.steps[second].action
        );
    }
}

/// The root is entered while the network is made, and the last mounts come after that.
fn is_entered_early(plan: &Plan) -> bool {
    let enters = position(plan, |action| matches!(action, Action::EnterRootfs(_)));
    position(plan, |action| *action == Action::AwaitNetwork).is_some_and(|network| enters < Some(network))
}

#[test]
fn a_plan_ends_with_the_program_and_says_so_once() {
    for (name, plan) in plans() {
        let programs = plan.steps.iter().filter(|step| matches!(step.action, Action::Execute(_))).count();
        assert_eq!(programs, 1, "{name}");
        assert!(matches!(plan.steps.last().unwrap().action, Action::Execute(_)), "{name}");
    }
}

#[test]
fn the_root_is_filled_then_entered_then_closed() {
    use Action::*;
    for (name, plan) in plans() {
        let enters = |action: &Action| matches!(action, EnterRootfs(_));
        assert!(position(&plan, enters).is_some(), "{name}");
        before(
            &name,
            &plan,
            |action| matches!(action, JoinNamespace(_)),
            |action| matches!(action, AttachRootfs),
        );
        before(
            &name,
            &plan,
            |action| matches!(action, AttachRootfs),
            |action| matches!(action, Mount(_) | MakeDevice(_) | MakeSymlink { .. } | LinkPtmx),
        );
        let made = |action: &Action| matches!(action, MakeDevice(_) | MakeSymlink { .. } | LinkPtmx);
        let told = |action: &Action| matches!(action, AwaitRuntimeHooks | AnnounceRootfs);
        before(&name, &plan, made, told);
        if !is_entered_early(&plan) {
            before(&name, &plan, |action| matches!(action, Mount(_)), told);
        }
        // Hooks are given the streams too.
        before(&name, &plan, |action| matches!(action, MakeDevice(_)), |action| matches!(action, UseOwnNull));
        before(
            &name,
            &plan,
            |action| matches!(action, AwaitRuntimeHooks | AnnounceRootfs | RunCreateContainerHooks(_)),
            enters,
        );
        before(
            &name,
            &plan,
            |action| matches!(action, EnterRootfs(_) | MakeDirectory(_) | AttachTerminal { .. }),
            |action| matches!(action, RemountReadonly { .. } | ReadonlyPath(_) | MaskPath(_)),
        );
    }
}

#[test]
fn the_network_is_there_before_what_shows_it() {
    use Action::*;
    for (name, plan) in plans() {
        let makes = plan.new_namespaces.contains(&Kind::Network);
        let beside = makes && !plan.has_user_namespace();
        let looks = |action: &Action| matches!(action, RunCreateContainerHooks(_) | WriteSysctl { .. });
        let by_init = makes && (!beside || position(&plan, looks).is_some());
        assert_eq!(position(&plan, |action| *action == LoopbackUp).is_some(), by_init, "{name}");
        assert_eq!(plan.raises_loopback_beside(), makes && !by_init, "{name}");
        assert_eq!(plan.makes_network_beside(), beside, "{name}");
        assert_eq!(plan.cloned_namespaces().contains(&Kind::Network), makes && !beside, "{name}");
        before(&name, &plan, |action| *action == AwaitNetwork, |action| *action == LoopbackUp);
        let shows = |action: &Action| match action {
            Mount(mount) => matches!(&mount.source, MountSource::Filesystem { kind, .. } if kind == "sysfs"),
            AwaitRuntimeHooks => true,
            AnnounceRootfs | EnterRootfs(_) => !is_entered_early(&plan),
            _ => false,
        };
        before(&name, &plan, |action| matches!(action, AwaitNetwork | LoopbackUp), shows);
    }
}

#[test]
fn devices_are_made_while_the_network_is_but_never_under_a_mount_that_comes_later() {
    use Action::*;
    for (later, before_the_network) in [
        (vec![], true),
        (vec!["/data"], true),
        (vec!["/dev/shm", "/devices"], true),
        (vec!["/dev/null"], false),
        (vec!["/data", "/dev/null/below"], false),
        (vec!["/dev"], false),
        (vec!["/"], false),
    ] {
        let dev = serde_json::json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs"});
        let sys = serde_json::json!({"destination": "/sys", "type": "sysfs", "source": "sysfs"});
        let later =
            later.iter().map(|path| serde_json::json!({"destination": path, "type": "tmpfs", "source": "t"}));
        let mounts: Vec<_> = [dev, sys].into_iter().chain(later).collect();
        let config = serde_json::json!({
            "ociVersion": "1.3.0", "root": {"path": "r"}, "mounts": mounts,
            "process": {"cwd": "/", "args": ["sh"], "user": {}},
            "linux": {"namespaces": [{"type": "mount"}, {"type": "network"}]}
        });
        let spec = load::parse(config.to_string().as_bytes()).expect("the config parses");
        let tree = tree(Layout::Unified);
        let plan = compile::container(&spec, &options(&tree)).expect("the config compiles");
        let network = position(&plan, |action| *action == AwaitNetwork).unwrap();
        let mounted = plan.steps.iter().rposition(|step| matches!(step.action, Mount(_))).unwrap();
        let dev = position(&plan, |action| matches!(action, Mount(_))).unwrap();
        let is_made = |step: &&Step| matches!(step.action, MakeDevice(_) | MakeSymlink { .. } | LinkPtmx);
        let made: Vec<usize> =
            plan.steps.iter().enumerate().filter(|(_, step)| is_made(step)).map(|(place, _)| place).collect();
        assert!(made.len() > 10);
        let is_right = |place: &usize| match before_the_network {
            true => (dev..network).contains(place),
            false => *place > mounted,
        };
        assert!(made.iter().all(is_right), "{mounts:?}: {made:?}, mounts to {mounted}, network {network}");
    }
}

#[test]
fn the_root_is_entered_while_the_network_is_made_where_nobody_looks_on_and_no_mount_needs_the_host() {
    use serde_json::{Value, json};
    let config = json!({
        "ociVersion": "1.3.0", "root": {"path": "r"},
        "process": {"cwd": "/", "args": ["sh"], "user": {}},
        "mounts": [
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs"},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"},
            {"destination": "/data", "type": "bind", "source": "/host", "options": ["rbind"]}
        ],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "network"}, {"type": "cgroup"}]}
    });
    let hook = json!([{"path": "/bin/true"}]);
    let more = |mount: Value| {
        let mut mounts = config["mounts"].as_array().unwrap().clone();
        mounts.push(mount);
        Value::from(mounts)
    };
    let changes = [
        ("/ociVersion", json!("1.3.0"), true),
        ("/mounts", more(json!({"destination": "/more", "type": "tmpfs", "source": "t"})), true),
        ("/mounts", more(json!({"destination": "/more", "type": "ext4", "source": "/dev/sda"})), false),
        ("/mounts", more(json!({"destination": "/more", "type": "overlay", "source": "o"})), false),
        (
            "/mounts",
            more(json!({"destination": "/dev/null", "type": "bind", "source": "/x", "options": ["bind"]})),
            false,
        ),
        ("/process/terminal", json!(true), false),
        ("/hooks", json!({"prestart": hook}), false),
        ("/hooks", json!({"createRuntime": hook}), false),
        ("/hooks", json!({"createContainer": hook}), false),
        ("/hooks", json!({"startContainer": hook, "poststart": hook, "poststop": hook}), true),
        ("/linux/resources", json!({"pids": {"limit": 5}}), false),
        ("/linux/resources", json!({"devices": [{"allow": false, "access": "rwm"}]}), true),
        ("/linux/netDevices", json!({"eth0": {}}), false),
        ("/linux/namespaces", json!([{"type": "network"}]), false),
        ("/linux/namespaces", json!([{"type": "mount"}]), false),
    ];
    let tree = tree(Layout::Unified);
    let compiled = |config: &Value, no_pivot| {
        let spec = load::parse(config.to_string().as_bytes()).expect("the config parses");
        compile::container(&spec, &Options { no_pivot, ..options(&tree) }).expect("the config compiles")
    };
    for (pointer, value, expected) in changes {
        let mut changed = config.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[name] = value.clone();
        let plan = compiled(&changed, false);
        assert_eq!(is_entered_early(&plan), expected, "{pointer} {value}");
        assert!(!is_entered_early(&compiled(&changed, true)), "{pointer} {value}");
        before(
            pointer,
            &plan,
            |action| *action == Action::AnnounceRootfs,
            |action| matches!(action, Action::EnterRootfs(_)),
        );
        before(
            pointer,
            &plan,
            |action| matches!(action, Action::Mount(_)),
            |action| {
                matches!(
                    action,
                    Action::SetRootPropagation(_) | Action::MakeDirectory(_) | Action::SetUmask(_)
                )
            },
        );
    }
}

#[test]
fn in_a_user_namespace_the_network_is_made_by_the_clone() {
    let spec = load::parse(&read("default.config.json")).expect("the config parses");
    let tree = tree(Layout::Unified);
    for in_user_namespace in [false, true] {
        let options = Options { in_user_namespace, ..options(&tree) };
        let plan = compile::container(&spec, &options).expect("the config compiles");
        assert_eq!(plan.cloned_namespaces().contains(&Kind::Network), in_user_namespace);
    }
}

#[test]
fn privileges_go_after_all_that_needs_them() {
    use Action::*;
    let privileged = |action: &Action| {
        matches!(
            action,
            RemountReadonly { .. }
                | SetHostname(_)
                | SetDomainname(_)
                | WriteSysctl { .. }
                | ReadonlyPath(_)
                | MaskPath(_)
                | SetOomScoreAdj(_)
                | SetRlimit { .. }
                | SetScheduler(_)
                | SetIoPriority { .. }
        )
    };
    for (name, plan) in plans() {
        before(&name, &plan, privileged, |action| matches!(action, SetCredentials(_) | SetCapabilities(_)));
        // The bounding set is what an execve may give: it takes nothing from init, but from the hooks that it runs.
        before(
            &name,
            &plan,
            |action| matches!(action, RunCreateContainerHooks(_)),
            |action| matches!(action, DropBoundingCapabilities { .. }),
        );
        // The bounding set needs CAP_SETPCAP, the ids CAP_SETUID: what is left is set last.
        before(
            &name,
            &plan,
            |action| matches!(action, DropBoundingCapabilities { .. }),
            |action| matches!(action, SetCredentials(_)),
        );
        before(
            &name,
            &plan,
            |action| matches!(action, SetCredentials(_)),
            |action| matches!(action, SetCapabilities(_) | ChangeDirectory(_) | ResolveExecutable),
        );
        before(
            &name,
            &plan,
            |action| !matches!(action, AwaitCommit | AwaitStart | RunStartContainerHooks(_) | Execute(_)),
            |action| matches!(action, AwaitCommit),
        );
    }
}

#[test]
fn a_filter_needs_no_new_privileges_or_the_privileges_not_yet_gone() {
    use Action::*;
    for (name, plan) in plans() {
        let Some(filter) = position(&plan, |action| matches!(action, LoadSeccomp)) else { continue };
        let nnp = position(&plan, |action| matches!(action, NoNewPrivileges));
        let credentials = position(&plan, |action| matches!(action, SetCredentials(_))).unwrap();
        let resolve = position(&plan, |action| matches!(action, ResolveExecutable)).unwrap();
        match nnp {
            Some(nnp) => assert!(nnp < filter && resolve < filter, "{name}"),
            None => assert!(filter < credentials, "{name}"),
        }
    }
}

#[test]
fn paths_in_a_plan_are_absolute_and_clean() {
    for (name, plan) in plans() {
        let mut paths: Vec<&Path> = Vec::new();
        for step in &plan.steps {
            match &step.action {
                Action::Mount(mount) => {
                    paths.push(&mount.target);
                    if let MountSource::BindInside { source, .. } = &mount.source {
                        paths.push(source);
                    }
                }
                Action::MakeDevice(device) => paths.push(&device.path),
                Action::MakeSymlink { path, .. } | Action::RemountReadonly { path } => paths.push(path),
                Action::ReadonlyPath(path) | Action::MaskPath(path) => paths.push(path),
                Action::MakeDirectory(path) | Action::ChangeDirectory(path) => paths.push(path),
                _ => {}
            }
        }
        for path in paths {
            assert_eq!(crate::bundle::path::clean(path), path, "{name}");
        }
    }
}

#[test]
fn every_step_that_the_config_asked_for_names_its_place() {
    use Action::*;
    for (name, plan) in plans() {
        for step in &plan.steps {
            let ours = matches!(
                step.action,
                UnshareCgroupNamespace
                    | NewSession
                    | JoinSessionKeyring { .. }
                    | AwaitNetwork
                    | LoopbackUp
                    | AttachRootfs
                    | MakeDevice(_)
                    | MakeSymlink { .. }
                    | LinkPtmx
                    | UseOwnNull
                    | AwaitRuntimeHooks
                    | AnnounceRootfs
                    | EnterRootfs(_)
                    | SetUmask(_)
                    | SetCpuAffinity(_)
                    | AwaitCommit
                    | AwaitStart
            );
            assert!(step.pointer.is_some() || ours, "{name}: {:?}", step.action);
        }
    }
}

#[test]
fn without_a_mount_namespace_the_hosts_propagation_is_left_alone() {
    for (name, plan) in plans() {
        let chroot = plan.rootfs.enter == EnterRoot::Chroot;
        let changes = position(&plan, |action| matches!(action, Action::SetRootPropagation(_))).is_some();
        assert!(!(chroot && changes), "{name}");
    }
}

#[test]
fn a_user_is_let_in_after_the_last_change_of_credentials_and_only_where_nobody_else_is() {
    use Action::*;
    let spec = |namespaces: serde_json::Value| {
        let map = serde_json::json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
        let config = serde_json::json!({
            "ociVersion": "1.3.0", "root": {"path": "r"},
            "process": {"cwd": "/", "args": ["sh"], "user": {}, "noNewPrivileges": true, "capabilities": {}},
            "linux": {"namespaces": namespaces, "uidMappings": map, "gidMappings": map,
                "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}
        });
        load::parse(config.to_string().as_bytes()).expect("the config parses")
    };
    let own = serde_json::json!([{"type": "user"}, {"type": "mount"}, {"type": "pid"}]);
    let shared =
        serde_json::json!([{"type": "user"}, {"type": "mount"}, {"type": "pid", "path": "/proc/9/ns/pid"}]);
    let tree = tree(Layout::Unified);
    for (namespaces, unprivileged, expected) in
        [(own.clone(), true, true), (own, false, false), (shared, true, false)]
    {
        let options = Options { unprivileged, ..options(&tree) };
        let plan = compile::container(&spec(namespaces), &options).expect("the config compiles");
        let let_in = |action: &Action| matches!(action, LetUserIn);
        assert_eq!(position(&plan, let_in).is_some(), expected);
        let changes = |action: &Action| matches!(action, SetCredentials(_) | SetCapabilities(_));
        before("a user's", &plan, changes, let_in);
        before("a user's", &plan, let_in, |action| matches!(action, LoadSeccomp | AwaitCommit));
    }
}
