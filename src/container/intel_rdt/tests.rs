use std::fs;

use serde_json::{Value, json};

use super::*;

/// A tree as the kernel shows it on a processor that has everything, without the hardware.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        let files = [
            ("info/last_cmd_status", "ok\n"),
            ("info/L3/cbm_mask", "7ff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "8\n"),
            ("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n"),
            ("schemata", "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"),
            ("tasks", ""),
        ];
        for (name, content) in files {
            let file = tree.0.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        fs::create_dir(tree.0.path().join("mon_groups")).unwrap();
        tree
    }

    fn resctrl(&self) -> Resctrl {
        Resctrl::at(self.0.path())
    }

    fn group(&self, config: Value) -> Result<Group> {
        Group::of(&serde_json::from_value(config).unwrap(), "box", &self.resctrl())
    }

    /// A class that somebody has made already.
    fn class(&self, name: &str, schemata: &str) {
        let directory = self.0.path().join(name);
        resctrl::make_group(&directory).unwrap();
        fs::write(directory.join("schemata"), schemata).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.0.path().join(name).exists()
    }
}

#[test]
fn a_container_has_a_group_of_its_own_that_goes_with_it() {
    let tree = Tree::new();
    let group = tree.group(json!({"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20"})).unwrap();
    assert!(!tree.has("box"), "nothing is made before it is on record");
    group.make().unwrap();
    group.add(Pid::from_raw(4711)).unwrap();
    assert_eq!(tree.read("box/tasks"), "4711");
    assert!(tree.read("box/schemata").starts_with("L3:0=f\nMB:0=20\n"));
    group.remove().unwrap();
    assert!(!tree.has("box"));
    group.remove().unwrap();
}

#[test]
fn a_group_that_was_there_is_used_and_left() {
    let tree = Tree::new();
    tree.class("box", "");
    let group = tree.group(json!({})).unwrap();
    group.make().unwrap();
    group.remove().unwrap();
    assert!(tree.has("box"));
}

#[test]
fn a_class_that_is_named_is_never_removed() {
    let tree = Tree::new();
    let group =
        tree.group(json!({"closID": "gold", "schemata": ["L3:0=f"], "enableMonitoring": true})).unwrap();
    group.make().unwrap();
    group.add(Pid::from_raw(7)).unwrap();
    assert_eq!(tree.read("gold/tasks"), "7");
    assert_eq!(tree.read("gold/mon_groups/box/tasks"), "7");
    group.remove().unwrap();
    assert!(tree.has("gold") && !tree.has("gold/mon_groups/box"));
}

#[test]
fn the_default_class_is_the_root() {
    let tree = Tree::new();
    let before = tree.read("schemata");
    let group = tree.group(json!({"closID": "/", "enableMonitoring": true})).unwrap();
    group.make().unwrap();
    group.add(Pid::from_raw(8)).unwrap();
    assert_eq!(tree.read("tasks"), "8");
    assert_eq!(tree.read("mon_groups/box/tasks"), "8");
    assert_eq!(tree.read("schemata"), before, "without schemata none are written");
    group.remove().unwrap();
    assert!(tree.has("schemata") && !tree.has("mon_groups/box"));
}

#[test]
fn a_class_without_schemata_must_be_there() {
    let tree = Tree::new();
    let error = tree.group(json!({"closID": "gold"})).unwrap_err();
    assert!(error.to_string().contains("must be pre-created"), "{error}");
    assert_eq!(error.pointer(), Some("/linux/intelRdt/closID"));
    tree.class("gold", "L3:0=f");
    let group = tree.group(json!({"closID": "gold"})).unwrap();
    group.make().unwrap();
    assert_eq!(tree.read("gold/schemata"), "L3:0=f");
}

#[test]
fn a_class_with_another_schema_is_refused() {
    let tree = Tree::new();
    tree.class("gold", "    MB:0=30\n    L3:0=00f\n");
    for (config, pointer) in [
        (json!({"closID": "gold", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=25"}), None),
        (json!({"closID": "gold", "l3CacheSchema": "L3:0=ff"}), Some("/linux/intelRdt/l3CacheSchema")),
        (json!({"closID": "gold", "memBwSchema": "MB:0=40"}), Some("/linux/intelRdt/memBwSchema")),
    ] {
        let error = tree.group(config.clone()).err();
        assert_eq!(error.as_ref().and_then(Error::pointer), pointer, "{config}: {error:?}");
    }
}

#[test]
fn the_kernels_own_words_are_told() {
    let tree = Tree::new();
    let group = tree.group(json!({"schemata": ["L3:0=0"]})).unwrap();
    group.make().unwrap();
    fs::remove_file(tree.0.path().join("box/schemata")).unwrap();
    fs::write(tree.0.path().join("info/last_cmd_status"), "mask is empty\n").unwrap();
    let error = group.set().unwrap_err().to_string();
    assert!(
        error.contains("(last_cmd_status: mask is empty)") && error.contains("[config.json /linux/intelRdt]"),
        "{error}"
    );
}

#[test]
fn an_update_changes_what_it_names() {
    let tree = Tree::new();
    let group = tree.group(json!({"l3CacheSchema": "L3:0=f", "schemata": ["L2:0=3"]})).unwrap();
    group.make().unwrap();
    let other = group.with(None, Some("MB:0=50"));
    other.set().unwrap();
    assert!(tree.read("box/schemata").starts_with("L3:0=f\nMB:0=50\nL2:0=3\n"));
    assert_eq!(group.with(None, None), group);
}

#[test]
fn statistics_have_runcs_form() {
    let tree = Tree::new();
    let group = tree.group(json!({"enableMonitoring": true})).unwrap();
    group.make().unwrap();
    for (file, number) in
        [("llc_occupancy", "5"), ("mbm_total_bytes", "6"), ("mbm_local_bytes", "Unavailable")]
    {
        fs::write(tree.0.path().join("box/mon_groups/box/mon_data/mon_L3_00").join(file), number).unwrap();
    }
    let found = serde_json::to_value(stats::of(&group).unwrap()).unwrap();
    let expected = json!({
        "l3_cache_info": {"cbm_mask": "7ff", "min_cbm_bits": 1, "num_closids": 16},
        "l3_cache_schema_root": "L3:0=7ff;1=7ff", "l3_cache_schema": "L3:0=7ff",
        "mem_bw_info": {"bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8},
        "mem_bw_schema_root": "MB:0=100;1=100", "mem_bw_schema": "MB:0=100",
        "schemata": ["MB:0=100", "L3:0=7ff"],
        "mbm_stats": [{"mbm_total_bytes": 6, "mbm_local_bytes": 0}],
        "cmt_stats": [{"llc_occupancy": 5}]
    });
    assert_eq!(found, expected);
    assert_eq!(serde_json::to_string(&stats::Stats::default()).unwrap(), "{}");
}
