//! Which namespaces are made, which are joined, and what is done in them first.

use oci_spec::runtime::{LinuxIdMapping, Spec};

use super::options::Options;
use super::types::{Action, IdMap, IdMaps, JoinedNamespace, Step, TimeOffset};
use super::{hooks, sysctl};
use crate::bundle::namespaces as wanted;
use crate::linux::cgroup_tree::Layout;
use crate::linux::namespace::Kind;

/// The container's namespaces by what becomes of them.
pub struct Namespaces {
    pub new: Vec<Kind>,
    pub joined: Vec<JoinedNamespace>,
    /// A new cgroup namespace that clone3 cannot make.
    pub unshare_cgroup: bool,
    /// A new time namespace, by a step of its own.
    pub make_time: bool,
}

impl Namespaces {
    fn joins_user(&self) -> bool {
        self.joined.iter().any(|joined| joined.kind == Kind::User)
    }

    fn has_user(&self) -> bool {
        self.joins_user() || self.new.contains(&Kind::User)
    }
}

/// Sorts the config's namespaces. The user namespace comes first: the right to make or join the others comes
/// from it (`man 7 user_namespaces`).
pub fn split(spec: &Spec, options: &Options) -> Namespaces {
    let mut split =
        Namespaces { new: Vec::new(), joined: Vec::new(), unshare_cgroup: false, make_time: false };
    // A cgroup namespace has the cgroup as its root that its first process is in. On a unified host clone3 puts
    // that process in its cgroup and then makes the namespace; on v1 only the parent can, later, and systemd
    // anywhere.
    let unshare_cgroup = options.cgroup_tree.layout != Layout::Unified || options.cgroup_after_clone;
    for kind in Kind::ALL {
        match wanted::find(spec, kind) {
            None => {}
            Some((index, Some(path))) => split.joined.push(JoinedNamespace {
                kind,
                path: path.to_path_buf(),
                pointer: format!("/linux/namespaces/{index}"),
            }),
            Some((_, None)) if kind == Kind::Cgroup && unshare_cgroup => split.unshare_cgroup = true,
            // Clone3 would freeze its clocks before they are set.
            Some((_, None)) if kind == Kind::Time => split.make_time = true,
            Some((_, None)) => split.new.push(kind),
        }
    }
    split
}

/// Before anything else: the clocks while init is who it was born as, then root in the user namespace.
pub fn identity(spec: &Spec, namespaces: &Namespaces) -> Vec<Step> {
    let time = namespaces
        .make_time
        .then(|| Action::MakeTimeNamespace { offsets: time_offsets(spec) }.at("/linux/timeOffsets"));
    let compare =
        joined_maps(spec, namespaces).map(|maps| Action::CompareIdMaps(maps).at("/linux/uidMappings"));
    let root = namespaces.has_user().then(|| Action::BecomeRoot.at("/linux/uidMappings"));
    time.into_iter().chain(compare).chain(root).collect()
}

/// What a config says of a user namespace that it joins; engines say it though they need not.
fn joined_maps(spec: &Spec, namespaces: &Namespaces) -> Option<IdMaps> {
    let linux = spec.linux().as_ref().filter(|_| namespaces.joins_user())?;
    let maps = IdMaps { uids: maps(linux.uid_mappings()), gids: maps(linux.gid_mappings()) };
    (!maps.uids.is_empty() || !maps.gids.is_empty()).then_some(maps)
}

fn time_offsets(spec: &Spec) -> Vec<TimeOffset> {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    let offset = |(clock, offset): (&String, &oci_spec::runtime::LinuxTimeOffset)| TimeOffset {
        clock: clock.clone(),
        seconds: offset.secs().unwrap_or(0),
        nanoseconds: offset.nanosecs().unwrap_or(0),
    };
    let mut offsets: Vec<TimeOffset> = offsets.into_iter().flatten().map(offset).collect();
    offsets.sort_by(|a, b| a.clock.cmp(&b.clock));
    offsets
}

/// A pid namespace is not among these: joining one has effect on children only, so the parent does it. Beside a user
/// namespace, the bridge joins them all.
pub fn join(namespaces: &Namespaces) -> Vec<Step> {
    if namespaces.has_user() {
        return Vec::new();
    }
    let by_init = namespaces.joined.iter().filter(|joined| joined.kind != Kind::Pid);
    by_init.map(|joined| Action::JoinNamespace(joined.kind).at(joined.pointer.clone())).collect()
}

/// A new network namespace has `lo`, but down. The parent makes it, beside init's work, where it may belong to the
/// parent's user namespace; and where the parent can come back to its own: root in a user namespace (Podman's, for its
/// user) is often still in the network of the host, which it has no right to join. The parent then brings `lo` up too,
/// unless init might come to look at it before.
pub fn network(spec: &Spec, namespaces: &Namespaces, options: &Options) -> Vec<Action> {
    let by_clone = namespaces.has_user() || options.in_user_namespace;
    match (namespaces.new.contains(&Kind::Network), by_clone) {
        (false, _) => Vec::new(),
        (true, true) => vec![Action::LoopbackUp],
        (true, false) if init_looks_at_network(spec) => vec![Action::AwaitNetwork, Action::LoopbackUp],
        (true, false) => vec![Action::AwaitNetwork],
    }
}

/// Before the parent's commit, for which `lo` is up.
fn init_looks_at_network(spec: &Spec) -> bool {
    hooks::create_container(spec).is_some() || !sysctl::write(spec).is_empty()
}

/// Host name and domain name.
pub fn names(spec: &Spec) -> Vec<Step> {
    let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let host = given(spec.hostname()).map(|name| Action::SetHostname(name).at("/hostname"));
    let domain = given(spec.domainname()).map(|name| Action::SetDomainname(name).at("/domainname"));
    host.into_iter().chain(domain).collect()
}

/// The maps of a new user namespace.
pub fn id_maps(spec: &Spec) -> Option<IdMaps> {
    let linux = spec.linux().as_ref().filter(|_| wanted::is_new(spec, Kind::User))?;
    Some(IdMaps { uids: maps(linux.uid_mappings()), gids: maps(linux.gid_mappings()) })
}

/// As the kernel wants them.
pub fn maps(mappings: &Option<Vec<LinuxIdMapping>>) -> Vec<IdMap> {
    let map =
        |map: &LinuxIdMapping| IdMap { container: map.container_id(), host: map.host_id(), size: map.size() };
    mappings.iter().flatten().map(map).collect()
}
