//! `features`: what this build can do (runtime-spec features.md). Lists come from the tables that the
//! code works by; nothing is claimed that is still to be built.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checkpoint;
use crate::bundle::features::{OCI_VERSION_MAX, OCI_VERSION_MIN};
use crate::bundle::{annotations as known, hooks, mount_options};
use crate::cgroup;
use crate::linux::namespace::Kind;
use crate::linux::{capability, seccomp as kernel};
use crate::plan::memory_policy;
use crate::plan::seccomp::{self, words};
use crate::plan::words::names;
use crate::report::Result;

/// Fields in the order in which callers have always read them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: Vec<&'static str>,
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, String>,
    /// Annotations that give a container powers: callers must not take them from strangers.
    potentially_unsafe_config_annotations: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<&'static str>,
    capabilities: Vec<String>,
    cgroup: Cgroup,
    seccomp: Seccomp,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: IntelRdt,
    memory_policy: MemoryPolicy,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seccomp {
    enabled: bool,
    actions: Vec<&'static str>,
    operators: Vec<&'static str>,
    archs: Vec<&'static str>,
    known_flags: Vec<&'static str>,
    /// Those that the running kernel knows too.
    supported_flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Debug, Serialize)]
struct IntelRdt {
    enabled: bool,
    schemata: bool,
    monitoring: bool,
}

#[derive(Debug, Serialize)]
struct MemoryPolicy {
    modes: Vec<&'static str>,
    flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

/// Of this build on this kernel. `version` and `commit` are our own.
pub fn features(version: &str, commit: Option<&str>) -> Result<Features> {
    let mut annotations = BTreeMap::from([
        ("io.github.seccomp.libseccomp.version", seccomp::library_version()?),
        ("org.opencontainers.runc.checkpoint.enabled", checkpoint::is_available().to_string()),
        ("trug.version", version.to_owned()),
    ]);
    if let Some(commit) = commit {
        annotations.insert("trug.commit", commit.to_owned());
    }
    Ok(Features {
        oci_version_min: OCI_VERSION_MIN,
        oci_version_max: OCI_VERSION_MAX,
        hooks: hooks::KINDS.map(|(name, _)| name).to_vec(),
        mount_options: mount_options::names(),
        linux: linux(),
        annotations,
        potentially_unsafe_config_annotations: known::honoured(),
    })
}

fn linux() -> Linux {
    let cgroup = cgroup::abilities();
    Linux {
        namespaces: namespaces(),
        capabilities: capability::names().into_iter().map(|name| format!("CAP_{name}")).collect(),
        cgroup: Cgroup {
            v1: cgroup.v1,
            v2: cgroup.v2,
            systemd: cgroup.systemd,
            systemd_user: cgroup.systemd_user,
            rdma: cgroup.rdma,
        },
        seccomp: Seccomp {
            enabled: true,
            actions: names(words::ACTIONS),
            operators: names(words::OPERATORS),
            archs: words::architectures(),
            known_flags: names(words::FLAGS),
            supported_flags: supported_flags(),
        },
        apparmor: Enabled { enabled: true },
        selinux: Enabled { enabled: true },
        intel_rdt: IntelRdt { enabled: true, schemata: true, monitoring: true },
        memory_policy: MemoryPolicy {
            modes: names(memory_policy::MODES),
            flags: names(memory_policy::FLAGS),
        },
        mount_extensions: MountExtensions {
            idmap: Enabled { enabled: mount_options::meaning("idmap").is_some() },
        },
        net_devices: Enabled { enabled: true },
    }
}

/// Sorted.
fn namespaces() -> Vec<&'static str> {
    let mut names = Kind::ALL.map(Kind::spec_name).to_vec();
    names.sort_unstable();
    names
}

fn supported_flags() -> Vec<&'static str> {
    let supported = words::FLAGS.iter().filter(|(_, _, bits)| kernel::knows_flags(bits.ask));
    supported.map(|(name, ..)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::oracle::{self, Oracle};

    #[test]
    fn features_have_the_shape_that_callers_read() {
        let json = serde_json::to_value(features("0.1.0", Some("abc")).unwrap()).unwrap();
        assert_eq!(json["ociVersionMin"], "1.0.0");
        assert_eq!(json["ociVersionMax"], "1.3.0");
        assert_eq!(json["hooks"].as_array().unwrap().len(), 6);
        assert!(json["mountOptions"].as_array().unwrap().iter().any(|option| option == "rslave"));
        assert_eq!(json["linux"]["namespaces"].as_array().unwrap().len(), 8);
        assert!(json["linux"]["capabilities"].as_array().unwrap().iter().any(|name| name == "CAP_SYS_ADMIN"));
        assert_eq!(json["linux"]["cgroup"]["systemdUser"], true);
        assert_eq!(json["linux"]["seccomp"]["enabled"], true);
        assert_eq!(json["linux"]["intelRdt"]["monitoring"], true);
        assert_eq!(json["linux"]["mountExtensions"]["idmap"]["enabled"], true);
        assert_eq!(json["annotations"]["trug.commit"], "abc");
        assert_eq!(json["potentiallyUnsafeConfigAnnotations"][0], "org.systemd.property.");
        assert_eq!(json["linux"]["seccomp"]["actions"].as_array().unwrap().len(), 9);
        assert_eq!(json["linux"]["seccomp"]["operators"].as_array().unwrap().len(), 7);
        assert_eq!(json["linux"]["memoryPolicy"]["modes"].as_array().unwrap().len(), 7);
        assert_eq!(json["linux"]["cgroup"]["rdma"], true);
    }

    #[test]
    fn features_are_valid_by_the_specifications_schema() {
        let Some(oracle) = Oracle::of("features-schema.json") else {
            return oracle::skip("no schema of features here (OCI_RUNTIME_SPEC)");
        };
        let features = serde_json::to_value(features("0.1.0", Some("abc")).unwrap()).unwrap();
        assert_eq!(oracle.complaint(&features), None);
    }

    #[test]
    fn every_flag_that_is_known_can_be_asked_about() {
        // All four are in Linux 5.19 and later.
        let known = names(words::FLAGS);
        let supported = supported_flags();
        let missing: Vec<_> = known.iter().filter(|name| !supported.contains(*name)).collect();
        assert!(missing.iter().all(|name| **name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"), "{missing:?}");
    }
}
