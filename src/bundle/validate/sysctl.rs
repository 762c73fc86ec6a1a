//! linux.sysctl: only what belongs to a namespace of the container's own, for /proc/sys is not namespaced as a whole and
//! the rest is the host's (CVE-2022-0811). In runc's words.

use oci_spec::runtime::Spec;

use super::findings::Findings;
use super::host;
use crate::bundle::namespaces::{find, has};
use crate::bundle::{pointer, sysctl};
use crate::linux::namespace::Kind;

/// `man 7 ipc_namespaces`.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub fn check(spec: &Spec, findings: &mut Findings) {
    let sysctls = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    let mut sysctls: Vec<_> = sysctls.into_iter().flatten().collect();
    sysctls.sort();
    for (key, value) in sysctls {
        let at = pointer::member("/linux/sysctl", key);
        let problem = malformed(key, value).or_else(|| foreign(&sysctl::dotted(key), spec));
        if let Some(problem) = problem {
            findings.add(at, problem);
        }
    }
}

/// The path below /proc/sys must be one that leads down only.
fn malformed(key: &str, value: &str) -> Option<String> {
    let leads_down = |part: &str| !matches!(part, "" | "." | "..");
    if key.contains(['\0', '\n']) || !sysctl::path(key).split('/').all(leads_down) {
        return Some(format!("sysctl {key:?} is not a valid name"));
    }
    value.contains('\0').then(|| format!("value of sysctl {key:?} contains a zero byte"))
}

/// Why this key is not the container's to set.
fn foreign(key: &str, spec: &Spec) -> Option<String> {
    if IPC.contains(&key) || key.starts_with("fs.mqueue.") {
        let own = has(spec, Kind::Ipc);
        return (!own).then(|| format!("sysctl {key:?} is not allowed in the hosts ipc namespace"));
    }
    if key.starts_with("net.") {
        return foreign_network(key, spec);
    }
    if has(spec, Kind::Uts) && key == "kernel.domainname" {
        return None;
    }
    if has(spec, Kind::Uts) && key == "kernel.hostname" {
        let text = format!("sysctl {key:?} is not allowed as it conflicts with the OCI \"hostname\" field");
        return Some(text);
    }
    if key.starts_with("user.") {
        let own = has(spec, Kind::User);
        return (!own).then(|| format!("setting ucounts without a user namespace not allowed: {key}"));
    }
    Some(format!("sysctl {key:?} is not in a separate kernel namespace"))
}

/// A joined network namespace may be the very one that we are in.
fn foreign_network(key: &str, spec: &Spec) -> Option<String> {
    let is_hosts = match find(spec, Kind::Network) {
        None => true,
        Some((_, None)) => false,
        Some((_, Some(path))) => match host::is_own_network_namespace(path) {
            Ok(is_own) => is_own,
            Err(error) => return Some(format!("invalid netns path {path:?}: {error}")),
        },
    };
    is_hosts.then(|| format!("sysctl {key:?} not allowed in host network namespace"))
}
