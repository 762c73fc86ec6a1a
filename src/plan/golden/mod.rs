//! Configs and the plans that come of them, compared exactly: `NAME.config.json` gives `NAME.plan.json`.
//! `TRUG_BLESS=1 cargo test golden` rewrites the expected plans: read the difference before committing it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::compile::{self, ExecOptions, Options};
use crate::bundle::load;
use crate::linux::cgroup_tree::{CgroupTree, Hierarchy, Layout};
use crate::linux::namespace::Kind;

/// The same on every machine that runs the tests.
fn tree(layout: Layout) -> CgroupTree {
    let hierarchy = |directory: &str, controllers: &[&str], unified| Hierarchy {
        directory: directory.to_string(),
        mount_point: Path::new("/sys/fs/cgroup").join(directory),
        root: PathBuf::from("/"),
        controllers: controllers.iter().map(ToString::to_string).collect(),
        unified,
        own: PathBuf::from("/"),
    };
    let legacy = || {
        vec![
            hierarchy("systemd", &["name=systemd"], false),
            hierarchy("cpu,cpuacct", &["cpu", "cpuacct"], false),
            hierarchy("memory", &["memory"], false),
        ]
    };
    let hierarchies = match layout {
        Layout::Unified => vec![hierarchy("", &[], true)],
        Layout::Legacy => legacy(),
        Layout::Hybrid => legacy().into_iter().chain([hierarchy("unified", &[], true)]).collect(),
    };
    CgroupTree { layout, hierarchies }
}

fn options(tree: &CgroupTree) -> Options<'_> {
    Options {
        id: "box",
        bundle: Path::new("/bundle"),
        rootfs: Path::new("/bundle/rootfs"),
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        listen_fds: 0,
        notify_directory: None,
        cgroup_tree: tree,
        cgroup_after_clone: false,
        kcore: true,
        in_user_namespace: false,
        unprivileged: false,
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/golden").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares with `NAME.plan.json`, or writes it.
#[track_caller]
fn expect(name: &str, plan: &impl Serialize) {
    let name = format!("{name}.plan.json");
    let text = serde_json::to_string_pretty(plan).expect("a plan is JSON") + "\n";
    if std::env::var_os("TRUG_BLESS").is_some() {
        std::fs::write(file(&name), &text).expect("write the expected plan");
    }
    let expected = String::from_utf8(read(&name)).expect("UTF-8");
    if text != expected {
        let line = text.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
        let shown =
            |text: &str| text.lines().skip(line.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
        panic!("{name}, line {}:\n{}\n--- expected:\n{}", line + 1, shown(&text), shown(&expected));
    }
}

/// The plan of `NAME.config.json` on a host of this layout.
#[track_caller]
fn check(name: &str, layout: Layout) {
    check_as(name, name, layout, |_| ());
}

/// The same with the command line's options changed, compared with `PLAN.plan.json`.
#[track_caller]
fn check_as(config: &str, plan: &str, layout: Layout, change: impl FnOnce(&mut Options)) {
    let spec = load::parse(&read(&format!("{config}.config.json"))).expect("the config parses");
    let tree = tree(layout);
    let mut options = options(&tree);
    change(&mut options);
    expect(plan, &compile::container(&spec, &options).expect("the config compiles"));
}

#[test]
fn the_default_config() {
    check("default", Layout::Unified);
}

#[test]
fn a_terminal_of_some_size_for_a_user_in_a_directory() {
    check("terminal", Layout::Unified);
}

#[test]
fn without_namespaces_the_root_is_entered_by_chroot() {
    check("host-namespaces", Layout::Unified);
}

#[test]
fn joined_namespaces_come_in_a_fixed_order_and_pid_is_the_parents() {
    check("joined-namespaces", Layout::Legacy);
}

#[test]
fn a_cgroup_mount_shows_the_hosts_layout() {
    check_as("default", "default-on-hybrid", Layout::Hybrid, |_| ());
    check_as("cgroup-namespace", "cgroup-namespace-on-unified", Layout::Unified, |_| ());
    check_as("cgroup-namespace", "cgroup-namespace-on-legacy", Layout::Legacy, |_| ());
    check_as("cgroup-namespace", "cgroup-namespace-on-hybrid", Layout::Hybrid, |_| ());
}

#[test]
fn what_is_read_only_waits_until_it_is_filled() {
    check("readonly", Layout::Unified);
}

#[test]
fn bind_mounts_with_every_sort_of_option() {
    check("binds", Layout::Unified);
}

#[test]
fn filesystems_with_every_sort_of_option() {
    check("filesystems", Layout::Unified);
}

#[test]
fn a_mount_label_is_given_by_the_option_that_an_annotation_names() {
    let mut config: serde_json::Value =
        serde_json::from_slice(&read("filesystems.config.json")).expect("JSON");
    config["annotations"] = serde_json::json!({"run.oci.mount_context_type": "rootcontext"});
    let spec = load::parse(config.to_string().as_bytes()).expect("the config parses");
    let tree = tree(Layout::Unified);
    let plan = compile::container(&spec, &options(&tree)).expect("the config compiles");
    let text = serde_json::to_string(&plan).expect("a plan is JSON");
    assert!(text.contains(r#","label_option":"rootcontext"}"#), "{text}");
    assert!(!text.contains(r#""label_option":"context""#), "{text}");
}

#[test]
fn devices_of_the_config_replace_default_ones() {
    check("devices", Layout::Unified);
}

#[test]
fn a_bind_of_dev_keeps_the_hosts_nodes() {
    check("dev-bind", Layout::Unified);
}

#[test]
fn hooks_of_every_kind() {
    check("hooks", Layout::Unified);
}

#[test]
fn a_filter_comes_last_with_no_new_privileges_and_before_privileges_go_without() {
    check("seccomp", Layout::Unified);
    check("seccomp-without-no-new-privileges", Layout::Unified);
}

#[test]
fn no_pivot_and_propagation() {
    check("propagation", Layout::Unified);
    check_as("propagation", "no-pivot", Layout::Unified, |options| options.no_pivot = true);
}

#[test]
fn everything_a_process_can_be_given() {
    check("process", Layout::Unified);
}

#[test]
fn what_the_command_line_adds() {
    check_as("process", "command-line", Layout::Unified, |options| {
        options.listen_fds = 2;
        options.preserve_fds = 3;
        options.no_new_keyring = true;
        options.notify_directory = Some(Path::new("/run/trug/box/notify"));
        options.kcore = false;
    });
}

/// The container's process plan for `PROCESS.process.json` (or the config's own process) in the container of
/// `CONFIG.config.json`.
#[track_caller]
fn check_exec(config: &str, process: Option<&str>, plan: &str) {
    let spec = load::parse(&read(&format!("{config}.config.json"))).expect("the config parses");
    let process = match process {
        Some(name) => load::process(&file(&format!("{name}.process.json"))).expect("the process parses"),
        None => spec.process().clone().expect("a process"),
    };
    let namespaces = [Kind::Pid, Kind::Mount];
    let options = ExecOptions { preserve_fds: 1, no_new_keyring: false, id: "box".to_string() };
    expect(plan, &compile::exec(&spec, &process, &namespaces, &options).expect("the process compiles"));
}

#[test]
fn one_more_process_like_the_containers_own() {
    check_exec("process", None, "exec-like-init");
    check_exec("seccomp-without-no-new-privileges", None, "exec-with-early-seccomp");
}

#[test]
fn a_process_file_overrides_what_it_says_and_keeps_the_confinement_it_leaves_out() {
    check_exec("process", Some("exec"), "exec");
    check_exec("process", Some("exec-bare"), "exec-bare");
}

mod order;
