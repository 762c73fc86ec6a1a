//! Maps of ids: of the container's user namespace and of mounts, and who is outside of them (`man 7 user_namespaces`).

use std::fmt::Arguments;

use oci_spec::runtime::{LinuxIdMapping, Mount, Spec, User};

use super::Situation;
use super::findings::Findings;
use crate::bundle::mount_options::MountOptions;
use crate::bundle::namespaces::{self as wanted, has};
use crate::linux::namespace::Kind;
use crate::linux::userns::{MAX_BYTES, MAX_EXTENTS};

pub fn check(spec: &Spec, situation: Situation, findings: &mut Findings) {
    check_presence(spec, findings);
    if situation.unprivileged && !has(spec, Kind::User) {
        findings.add("/linux/namespaces", "rootless container requires user namespaces");
    }
    let Some(linux) = spec.linux() else { return };
    for (name, maps) in [("uidMappings", linux.uid_mappings()), ("gidMappings", linux.gid_mappings())] {
        check_map(given(maps), format_args!("/linux/{name}"), findings);
    }
    if let Some(process) = spec.process() {
        check_user(spec, process.user(), format_args!("/process/user"), findings);
    }
}

/// Maps go with a new user namespace, and only with one; with one that is joined they say what is expected of it.
fn check_presence(spec: &Spec, findings: &mut Findings) {
    let Some(linux) = spec.linux() else { return };
    let both = [("uidMappings", linux.uid_mappings()), ("gidMappings", linux.gid_mappings())];
    let first = both.iter().find(|(_, maps)| !given(maps).is_empty());
    match (has(spec, Kind::User), first) {
        (false, Some((name, _))) => {
            let text = "user namespace mappings specified, but user namespace isn't enabled in the config";
            findings.add(format!("/linux/{name}"), text);
        }
        (true, None) if wanted::is_new(spec, Kind::User) => {
            let text =
                "user namespaces enabled, but no namespace path to join nor mappings to apply specified";
            findings.add("/linux/uidMappings", text);
        }
        (true, Some(_)) if wanted::is_new(spec, Kind::User) => {
            for (name, maps) in both.iter().filter(|(_, maps)| host_id(given(maps), 0).is_none()) {
                let at = format_args!("/linux/{name}");
                match given(maps).is_empty() {
                    true => findings.add(at, format!("user namespaces enabled, but no {name} found")),
                    false => findings.add(at, "the container's id 0 is not mapped"),
                }
            }
        }
        _ => {}
    }
}

/// What the kernel would refuse with a bare EINVAL.
fn check_map(map: &[LinuxIdMapping], at: Arguments, findings: &mut Findings) {
    if map.len() > MAX_EXTENTS {
        // Nor is each compared with each: that many could take hours.
        return findings
            .add(at, format!("{} mappings are more than the {MAX_EXTENTS} the kernel takes", map.len()));
    }
    let line = |it: &LinuxIdMapping| format!("{} {} {}\n", it.container_id(), it.host_id(), it.size()).len();
    let bytes: usize = map.iter().map(line).sum();
    if bytes > MAX_BYTES {
        let text = format!("the mappings take {bytes} bytes, and the kernel takes them in one page");
        findings.add(at, text);
    }
    for (index, extent) in map.iter().enumerate() {
        let at = format_args!("{at}/{index}");
        let end = |first: u32| u64::from(first) + u64::from(extent.size());
        if extent.size() == 0 {
            findings.add(format!("{at}/size"), "a mapping of no ids");
        }
        // The highest number is no id.
        if end(extent.container_id()).max(end(extent.host_id())) > u64::from(u32::MAX) {
            findings.add(at, "the mapping goes beyond the highest id");
        }
        if map[..index].iter().any(|earlier| overlap(earlier, extent)) {
            findings.add(at, "the mapping overlaps an earlier one");
        }
    }
}

fn overlap(a: &LinuxIdMapping, b: &LinuxIdMapping) -> bool {
    let meet = |a: u32, a_size: u32, b: u32, b_size: u32| {
        u64::from(a) < u64::from(b) + u64::from(b_size) && u64::from(b) < u64::from(a) + u64::from(a_size)
    };
    meet(a.container_id(), a.size(), b.container_id(), b.size())
        || meet(a.host_id(), a.size(), b.host_id(), b.size())
}

/// Ids that the container's files would have to have, or the process be.
fn check_user(spec: &Spec, user: &User, at: Arguments, findings: &mut Findings) {
    let Some(maps) = Maps::of(spec) else { return };
    if host_id(maps.uids, user.uid()).is_none() {
        findings.add(format!("{at}/uid"), no_user(user.uid()));
    }
    if host_id(maps.gids, user.gid()).is_none() {
        findings.add(format!("{at}/gid"), no_group(user.gid()));
    }
    for (index, gid) in user.additional_gids().iter().flatten().enumerate() {
        if host_id(maps.gids, *gid).is_none() {
            findings.add(format!("{at}/additionalGids/{index}"), no_group(*gid));
        }
    }
}

fn no_user(uid: u32) -> String {
    format!("user namespaces enabled, but no user mapping found for uid {uid}")
}

fn no_group(gid: u32) -> String {
    format!("user namespaces enabled, but no group mapping found for gid {gid}")
}

/// What one of `mounts` says of ids; `options` are its own.
pub fn check_mount(
    spec: &Spec,
    mount: &Mount,
    options: &MountOptions,
    situation: Situation,
    at: Arguments,
    findings: &mut Findings,
) {
    check_owner_options(spec, options, at, findings);
    let (uids, gids) = (given(mount.uid_mappings()), given(mount.gid_mappings()));
    if uids.is_empty() && gids.is_empty() && options.idmap.is_none() {
        return;
    }
    check_map(uids, format_args!("{at}/uidMappings"), findings);
    check_map(gids, format_args!("{at}/gidMappings"), findings);
    let mapped = match (uids.is_empty(), gids.is_empty()) {
        (true, true) => has(spec, Kind::User),
        (one, other) => !one && !other,
    };
    if !mapped {
        findings.add(at, "id-mapped mounts must have both uid and gid mappings specified");
    }
    if situation.unprivileged {
        findings.add(at, "id-mapped mounts are not supported for rootless containers");
    }
    let kind = mount.typ().as_deref().unwrap_or_default();
    if options.remount || (options.bind.is_none() && matches!(kind, "" | "none" | "cgroup")) {
        findings.add(at, "only a bind mount or a new filesystem can have mapped ids");
    }
}

/// `uid=` and `gid=` of a new filesystem: the kernel calls an id that is not mapped an invalid argument.
fn check_owner_options(spec: &Spec, options: &MountOptions, at: Arguments, findings: &mut Findings) {
    let Some(maps) = Maps::of(spec) else { return };
    for option in &options.data {
        let Some(id) = option.value.as_ref().and_then(|value| value.parse().ok()) else { continue };
        let problem = match option.key.as_str() {
            "uid" if host_id(maps.uids, id).is_none() => no_user(id),
            "gid" if host_id(maps.gids, id).is_none() => no_group(id),
            _ => continue,
        };
        findings.add(format!("{at}/options"), format!("cannot specify {}={id}: {problem}", option.key));
    }
}

/// The maps that a new user namespace will have; of one that is joined, the config need not tell.
struct Maps<'a> {
    uids: &'a [LinuxIdMapping],
    gids: &'a [LinuxIdMapping],
}

impl<'a> Maps<'a> {
    fn of(spec: &'a Spec) -> Option<Self> {
        let linux = spec.linux().as_ref().filter(|_| wanted::is_new(spec, Kind::User))?;
        let maps = Self { uids: given(linux.uid_mappings()), gids: given(linux.gid_mappings()) };
        // Without any, that is what there is to say.
        (!maps.uids.is_empty() && !maps.gids.is_empty()).then_some(maps)
    }
}

fn given(maps: &Option<Vec<LinuxIdMapping>>) -> &[LinuxIdMapping] {
    maps.as_deref().unwrap_or_default()
}

/// What the container's `id` is outside.
fn host_id(map: &[LinuxIdMapping], id: u32) -> Option<u32> {
    let extent = map.iter().find(|it| id.checked_sub(it.container_id()).is_some_and(|n| n < it.size()))?;
    extent.host_id().checked_add(id - extent.container_id())
}
