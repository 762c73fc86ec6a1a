//! Maps of ids, and time offsets.

use serde_json::{Value, json};

use super::*;

fn extent(container: u32, host: u32, size: u32) -> Value {
    json!({"containerID": container, "hostID": host, "size": size})
}

/// A new user namespace with these maps, and more.
fn mapped(uids: Value, gids: Value, more: Value) -> Value {
    let mut config =
        json!({"linux": {"namespaces": [{"type": "user"}], "uidMappings": uids, "gidMappings": gids}});
    merge(&mut config, &more);
    config
}

fn plain(more: Value) -> Value {
    mapped(json!([extent(0, 100_000, 10)]), json!([extent(0, 200_000, 10)]), more)
}

#[test]
fn a_map_that_the_kernel_would_refuse_is_refused_by_name() {
    let gids = || json!([extent(0, 7, 1)]);
    let many: Vec<Value> = (0..341).map(|n| extent(n, n, 1)).collect();
    let long: Vec<Value> = (0..200).map(|n| extent(n, 4_000_000_000 + n, 1)).collect();
    let overlap = "the mapping overlaps an earlier one [/linux/uidMappings/1]";
    check(&[
        (plain(json!({})), None),
        (
            mapped(json!(many), gids(), json!({})),
            Some("341 mappings are more than the 340 the kernel takes [/linux/uidMappings]"),
        ),
        (mapped(json!(many[..340]), gids(), json!({})), None),
        (mapped(json!(long), gids(), json!({})), None),
        (mapped(json!([extent(0, 0, 5), extent(4, 100, 1)]), gids(), json!({})), Some(overlap)),
        (mapped(json!([extent(0, 5, 5), extent(5, 9, 1)]), gids(), json!({})), Some(overlap)),
        (mapped(json!([extent(0, 5, 5), extent(5, 10, 1)]), gids(), json!({})), None),
        (
            mapped(json!([extent(0, 5, 1), extent(1, 10, 0)]), gids(), json!({})),
            Some("a mapping of no ids [/linux/uidMappings/1/size]"),
        ),
        (
            mapped(json!([extent(0, 1, u32::MAX)]), gids(), json!({})),
            Some("the mapping goes beyond the highest id [/linux/uidMappings/0]"),
        ),
        (mapped(json!([extent(0, 0, u32::MAX)]), gids(), json!({})), None),
        (
            mapped(json!([extent(1, 1, 1)]), gids(), json!({"process": {"user": {"uid": 1}}})),
            Some("the container's id 0 is not mapped [/linux/uidMappings]"),
        ),
    ]);
}

#[test]
fn a_map_of_more_than_a_page_is_refused_even_with_few_lines() {
    let long: Vec<Value> = (0..340).map(|n| extent(4_000_000 + n, 4_000_000_000 + n, 1)).collect();
    let texts = found(&mapped(json!(long), json!([extent(0, 7, 1)]), json!({})), Situation::default(), &HOST);
    assert!(texts.iter().any(|text| text.contains("takes them in one page")), "{texts:?}");
}

#[test]
fn maps_go_with_a_user_namespace() {
    let maps = json!([extent(0, 7, 1)]);
    check(&[
        (
            json!({"linux": {"uidMappings": maps}}),
            Some(
                "user namespace mappings specified, but user namespace isn't enabled in the config \
                 [/linux/uidMappings]",
            ),
        ),
        (
            json!({"linux": {"namespaces": [{"type": "user"}]}}),
            Some(
                "user namespaces enabled, but no namespace path to join nor mappings to apply specified \
                 [/linux/uidMappings]",
            ),
        ),
        (json!({"linux": {"namespaces": [{"type": "user", "path": "/x"}]}}), None),
        (json!({"linux": {"namespaces": [{"type": "user", "path": "/x"}], "uidMappings": maps}}), None),
    ]);
}

#[test]
fn ids_outside_the_map_are_refused_by_name() {
    let user = |user: Value| plain(json!({"process": {"user": user}}));
    let no_user = "user namespaces enabled, but no user mapping found for uid 10";
    let no_group = "user namespaces enabled, but no group mapping found for gid 10";
    let tmpfs = |option: &str| {
        plain(json!({"mounts": [{"destination": "/a", "type": "tmpfs", "options": [option]}]}))
    };
    check(&[
        (user(json!({"uid": 9, "gid": 9, "additionalGids": [1, 9]})), None),
        (user(json!({"uid": 10})), Some(&format!("{no_user} [/process/user/uid]"))),
        (user(json!({"gid": 10})), Some(&format!("{no_group} [/process/user/gid]"))),
        (
            user(json!({"additionalGids": [1, 10]})),
            Some(&format!("{no_group} [/process/user/additionalGids/1]")),
        ),
        (tmpfs("uid=9,gid=9"), None),
        (tmpfs("uid=10"), Some(&format!("cannot specify uid=10: {no_user} [/mounts/0/options]"))),
        (tmpfs("gid=10"), Some(&format!("cannot specify gid=10: {no_group} [/mounts/0/options]"))),
    ]);
}

#[test]
fn a_mount_with_mapped_ids_needs_both_maps() {
    let mount = |change: Value| {
        let mut mount = json!({"destination": "/a", "source": "/b", "options": ["bind"]});
        merge(&mut mount, &change);
        json!({"mounts": [mount]})
    };
    let maps = json!([extent(0, 7, 1)]);
    let both = "id-mapped mounts must have both uid and gid mappings specified [/mounts/0]";
    let with_user = |mut config: Value| {
        merge(&mut config, &plain(json!({})));
        config
    };
    let idmap = json!({"options": ["bind", "idmap"]});
    let kind = "only a bind mount or a new filesystem can have mapped ids [/mounts/0]";
    check(&[
        (mount(json!({"uidMappings": maps, "gidMappings": maps})), None),
        (mount(json!({"uidMappings": maps})), Some(both)),
        (mount(json!({"gidMappings": maps})), Some(both)),
        (mount(idmap.clone()), Some(both)),
        (with_user(mount(idmap)), None),
        (mount(json!({"uidMappings": maps, "gidMappings": maps, "type": "tmpfs", "options": ["ro"]})), None),
        (mount(json!({"uidMappings": maps, "gidMappings": maps, "options": ["remount", "ro"]})), Some(kind)),
    ]);
    let texts = found(
        &with_user(mount(json!({"options": ["bind", "ridmap"]}))),
        Situation { unprivileged: true, ..Situation::default() },
        &HOST,
    );
    assert_eq!(texts, ["id-mapped mounts are not supported for rootless containers [/mounts/0]"]);
}

#[test]
fn time_offsets_need_a_new_time_namespace_and_a_clock_that_has_them() {
    let config = |namespaces: Value, offsets: Value| json!({"linux": {"namespaces": namespaces, "timeOffsets": offsets}});
    let monotonic = json!({"monotonic": {"secs": -5, "nanosecs": 999_999_999}});
    let new = json!([{"type": "time"}]);
    check(&[
        (config(new.clone(), monotonic.clone()), None),
        (config(new.clone(), json!({})), None),
        (
            config(json!([]), monotonic.clone()),
            Some(
                "time namespace offsets specified, but time namespace isn't enabled in the config \
                 [/linux/timeOffsets]",
            ),
        ),
        (
            config(json!([{"type": "time", "path": "/x"}]), monotonic),
            Some(
                "time namespace enabled, but both namespace path and time offsets specified -- you may only \
                 provide one [/linux/timeOffsets]",
            ),
        ),
        (
            config(new.clone(), json!({"realtime": {"secs": 1}})),
            Some("there are no offsets for clock \"realtime\" [/linux/timeOffsets/realtime]"),
        ),
        (
            config(new, json!({"boottime": {"nanosecs": 1_000_000_000}})),
            Some("nanosecs must be below 1000000000 [/linux/timeOffsets/boottime/nanosecs]"),
        ),
    ]);
}
