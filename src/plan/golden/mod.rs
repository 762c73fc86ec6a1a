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
        kcore: true,
    }
}

fn exec_options() -> ExecOptions {
    ExecOptions { preserve_fds: 0, listen_fds: 0, no_new_keyring: false, id: "box".to_string() }
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
