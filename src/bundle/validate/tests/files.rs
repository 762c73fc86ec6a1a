//! Mounts, devices and paths.

use serde_json::{Value, json};

use super::*;

#[test]
fn propagation_is_one_of_eight_words_and_private_needs_a_pivot() {
    let propagation = |word: &str| json!({"linux": {"rootfsPropagation": word}});
    for word in
        ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable", ""]
    {
        check(&[(propagation(word), None)]);
    }
    let at = "[/linux/rootfsPropagation]";
    check(&[
        (propagation("ro"), Some(&format!("rootfsPropagation=ro is not supported {at}"))),
        (propagation("PRIVATE"), Some(&format!("rootfsPropagation=PRIVATE is not supported {at}"))),
    ]);
    let no_pivot = Situation { no_pivot: true, ..Situation::default() };
    let expected = format!("rootfsPropagation of [r]private is not safe without pivot_root {at}");
    assert_eq!(found(&propagation("rprivate"), no_pivot, &HOST), [expected]);
    assert!(found(&propagation("rslave"), no_pivot, &HOST).is_empty());
}

#[test]
fn paths_are_absolute() {
    check(&[
        (
            json!({"linux": {"maskedPaths": ["/a", "b"]}}),
            Some("path \"b\" is not absolute [/linux/maskedPaths/1]"),
        ),
        (
            json!({"linux": {"readonlyPaths": [""]}}),
            Some("path \"\" is not absolute [/linux/readonlyPaths/0]"),
        ),
    ]);
}

#[test]
fn a_mount_is_a_bind_or_a_filesystem_or_a_change() {
    let mount = |mount: Value| {
        let mut entry = json!({"destination": "/a"});
        merge(&mut entry, &mount);
        json!({"mounts": [entry]})
    };
    let data = "invalid mount: bind mounts cannot have any filesystem-specific options applied";
    check(&[
        (mount(json!({"source": "/x", "options": ["bind", "defaults", "ro"]})), None),
        (mount(json!({"source": "x", "type": "none", "options": ["rbind"]})), None),
        (mount(json!({"options": ["bind", "remount", "ro"]})), None),
        (mount(json!({"type": "none", "options": ["rslave"]})), None),
        (mount(json!({"type": "tmpfs", "source": "x", "options": ["size=1k"]})), None),
        (mount(json!({"destination": "a", "type": "tmpfs"})), None),
        (mount(json!({"source": "/x"})), Some("the mount has no filesystem type [/mounts/0/type]")),
        (
            mount(json!({"type": "bind", "source": "/x", "options": ["ro"]})),
            Some("a mount of type \"bind\" needs the option bind or rbind [/mounts/0]"),
        ),
        (
            mount(json!({"source": "/x", "options": ["bind", "size=1k", "foo"]})),
            Some(&format!("{data}: size foo [/mounts/0/options]")),
        ),
        (mount(json!({"options": ["bind"]})), Some("a bind mount needs a source [/mounts/0/source]")),
        (
            mount(json!({"destination": "", "type": "tmpfs"})),
            Some("mount destination must not be empty [/mounts/0/destination]"),
        ),
    ]);
    for root in ["/", "//", "/..", "/a/..", "."] {
        let patch = mount(json!({"destination": root, "type": "tmpfs"}));
        check(&[(patch, Some("mountpoint \"/\" is on the top of rootfs [/mounts/0/destination]"))]);
    }
}

#[test]
fn proc_stays_proc() {
    let mount = |destination: &str, typ: &str, source: &str, options: Value| json!({"mounts": [{"destination": destination, "type": typ, "source": source, "options": options}]});
    let tmpfs = |destination: &str| mount(destination, "tmpfs", "tmpfs", json!([]));
    let bind = |destination: &str, source: &str| mount(destination, "bind", source, json!(["rbind"]));
    let other = "\"/proc\" cannot be mounted because it is not of type proc [/mounts/0/destination]";
    check(&[
        (mount("/proc", "proc", "proc", json!(["nosuid"])), None),
        (bind("/proc", "/proc"), None),
        (bind("/proc/cpuinfo", "/x"), None),
        (tmpfs("/proc"), Some(other)),
        (bind("/proc", "/tmp"), Some(other)),
        (bind("/proc", "no-such"), Some(other)),
    ]);
    let inside = [
        "self",
        "self/attr",
        "thread-self/attr",
        "1",
        "sys",
        "sys/kernel/core_pattern",
        "../proc/self",
        "/x",
    ];
    for path in inside {
        let clean =
            crate::bundle::path::clean(&std::path::Path::new("/proc").join(path.trim_start_matches('/')));
        let text = format!("{clean:?} cannot be mounted because it is inside /proc [/mounts/0/destination]");
        check(&[
            (tmpfs(&format!("/proc/{path}")), Some(&text)),
            (bind(&format!("proc/{path}"), "/x"), Some(&text)),
        ]);
    }
}

#[test]
fn devices_have_a_path_and_numbers_that_exist() {
    let device = |change: Value| {
        let mut device = json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 3});
        merge(&mut device, &change);
        json!({"linux": {"devices": [device]}})
    };
    let path = |path: &str| {
        format!("device path {path:?} is not an absolute path of a file [/linux/devices/0/path]")
    };
    check(&[
        (device(json!({})), None),
        (device(json!({"type": "u"})), None),
        (device(json!({"type": "b", "fileMode": 432, "uid": 0, "gid": 5})), None),
        (device(json!({"type": "p", "major": null, "minor": -1})), None),
        (device(json!({"path": "/dev/../etc/p"})), None),
        (device(json!({"path": "dev/x"})), Some(&path("dev/x"))),
        (device(json!({"path": "../../x"})), Some(&path("../../x"))),
        (device(json!({"path": ""})), Some(&path(""))),
        (device(json!({"path": "/"})), Some(&path("/"))),
        (device(json!({"type": "a"})), Some("invalid device type \"a\" [/linux/devices/0/type]")),
        (
            device(json!({"major": -1})),
            Some("device major -1 is not between 0 and 4095 [/linux/devices/0/major]"),
        ),
        (
            device(json!({"minor": 1048576})),
            Some("device minor 1048576 is not between 0 and 1048575 [/linux/devices/0/minor]"),
        ),
    ]);
}

#[test]
fn options_for_symlinks_are_for_binds_and_do_not_contradict() {
    let mount = |kind: &str, options: &[&str]| json!({"mounts": [{"destination": "/a", "type": kind, "source": "/", "options": options}]});
    let one =
        "`copy-symlink` is mutually exclusive with `src-nofollow` and `dest-nofollow` [/mounts/0/options]";
    let binds =
        "`copy-symlink`, `src-nofollow` and `dest-nofollow` are options of bind mounts [/mounts/0/options]";
    check(&[
        (mount("none", &["bind", "copy-symlink"]), None),
        (mount("none", &["bind", "src-nofollow", "dest-nofollow"]), None),
        (mount("none", &["bind", "src-nofollow", "copy-symlink"]), Some(one)),
        (mount("none", &["bind", "dest-nofollow", "copy-symlink"]), Some(one)),
        (mount("tmpfs", &["dest-nofollow"]), Some(binds)),
    ]);
}

#[test]
fn the_kind_of_a_mount_label_is_one_that_the_kernel_has() {
    let annotation = |word: &str| json!({"annotations": {"run.oci.mount_context_type": word}});
    let words = "it is one of context, fscontext, defcontext, rootcontext \
                 [/annotations/run.oci.mount_context_type]";
    check(&[(annotation("rootcontext"), None), (annotation("moon"), Some(words))]);
}

#[test]
fn annotations_of_other_runtimes_are_refused_where_passing_them_over_would_deceive() {
    use crate::bundle::annotations::{Fate, TABLE};
    for (name, fate) in TABLE {
        // What is honoured has a test of its own.
        let expected = match fate {
            Fate::Honoured => continue,
            Fate::Ignored(_) => None,
            Fate::Refused(reason) => {
                Some(format!("annotation {name} is not supported: {reason} [/annotations/{name}]"))
            }
        };
        check(&[(json!({"annotations": {name: "x"}}), expected.as_deref())]);
    }
    check(&[(json!({"annotations": {"com.example.anything": "x", "run.oci.unheard": "x"}}), None)]);
}
