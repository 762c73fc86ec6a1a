//! Which namespaces are made, which are joined, and what is done in them first.

use oci_spec::runtime::{LinuxIdMapping, Spec};

use super::options::Options;
use super::types::{Action, IdMap, IdMaps, JoinedNamespace, Step};
use crate::bundle::namespaces as wanted;
use crate::linux::cgroup_tree::Layout;
use crate::linux::namespace::Kind;

/// The container's namespaces by what becomes of them.
pub struct Namespaces {
    pub new: Vec<Kind>,
    pub joined: Vec<JoinedNamespace>,
    /// A new cgroup namespace that clone3 cannot make.
    pub unshare_cgroup: bool,
}

/// Sorts the config's namespaces. The user namespace comes first: the right to make or join the others comes
/// from it (`man 7 user_namespaces`).
pub fn split(spec: &Spec, options: &Options) -> Namespaces {
    let mut split = Namespaces { new: Vec::new(), joined: Vec::new(), unshare_cgroup: false };
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
            Some((_, None)) => split.new.push(kind),
        }
    }
    split
}

/// A pid namespace is not among these: joining one has effect on children only, so the parent does it.
pub fn join(namespaces: &Namespaces) -> Vec<Step> {
    let by_init = namespaces.joined.iter().filter(|joined| joined.kind != Kind::Pid);
    by_init.map(|joined| Action::JoinNamespace(joined.kind).at(joined.pointer.clone())).collect()
}

/// A new network namespace has `lo`, but down.
pub fn loopback(spec: &Spec) -> Option<Action> {
    wanted::is_new(spec, Kind::Network).then_some(Action::LoopbackUp)
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

fn maps(mappings: &Option<Vec<LinuxIdMapping>>) -> Vec<IdMap> {
    let map =
        |map: &LinuxIdMapping| IdMap { container: map.container_id(), host: map.host_id(), size: map.size() };
    mappings.iter().flatten().map(map).collect()
}
