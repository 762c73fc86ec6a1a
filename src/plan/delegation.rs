//! Who owns the container's cgroup: the process that is to divide it among its own children, where it may.

use std::path::Path;

use oci_spec::runtime::Spec;

use crate::bundle::namespaces as wanted;
use crate::bundle::path::clean;
use crate::linux::namespace::Kind;

/// The user, by the host's number, to whom the cgroup is handed (`man 7 cgroups`, delegation): one who is root or
/// somebody else in a new user namespace, sees the cgroup as the top of its own cgroup namespace, and has it mounted
/// writable.
pub fn owner(spec: &Spec) -> Option<u32> {
    let linux = spec.linux().as_ref()?;
    let writable = spec.mounts().iter().flatten().any(|mount| {
        let read_only = mount.options().iter().flatten().any(|option| option == "ro");
        mount.typ().as_deref() == Some("cgroup")
            && clean(mount.destination()) == Path::new("/sys/fs/cgroup")
            && !read_only
    });
    if !writable || !wanted::is_new(spec, Kind::Cgroup) || !wanted::is_new(spec, Kind::User) {
        return None;
    }
    let user = spec.process().as_ref().map_or(0, |process| process.user().uid());
    linux.uid_mappings().iter().flatten().find_map(|map| {
        let within = user.checked_sub(map.container_id()).filter(|offset| *offset < map.size())?;
        map.host_id().checked_add(within)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(options: &[&str], namespaces: &[&str], user: u32) -> Spec {
        let namespaces: Vec<_> = namespaces.iter().map(|kind| json!({ "type": kind })).collect();
        let mount = json!({"destination": "/sys/fs/cgroup/", "type": "cgroup", "source": "cgroup", "options": options});
        serde_json::from_value(json!({
            "ociVersion": "1.3.0", "root": {"path": "/"}, "mounts": [mount],
            "process": {"user": {"uid": user, "gid": 0}, "args": ["a"], "cwd": "/"},
            "linux": {"namespaces": namespaces, "uidMappings": [
                {"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 100_000, "size": 65536}]}
        }))
        .unwrap()
    }

    #[test]
    fn a_writable_cgroup_in_namespaces_of_its_own_is_handed_to_its_user() {
        let both = ["user", "cgroup"];
        for (options, namespaces, user, owner_expected) in [
            (&["rw"][..], &both[..], 0, Some(1000)),
            (&[], &both, 0, Some(1000)),
            (&["rw"], &both, 5, Some(100_004)),
            (&["rw"], &both, 70_000, None),
            (&["ro"], &both, 0, None),
            (&["rw"], &["user"], 0, None),
            (&["rw"], &["cgroup"], 0, None),
        ] {
            assert_eq!(
                owner(&spec(options, namespaces, user)),
                owner_expected,
                "{options:?} {namespaces:?} {user}"
            );
        }
    }
}
