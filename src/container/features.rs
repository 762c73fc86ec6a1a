//! `features`: what this build can do (runtime-spec features.md). Lists come from the tables that the
//! code works by; nothing is claimed that is still to be built.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checkpoint;
use crate::bundle::features as words;
use crate::bundle::{annotations as known, mount_options};
use crate::linux::{capability, seccomp as kernel};
use crate::plan::seccomp::{self, flag};
use crate::report::Result;

/// SECCOMP_FILTER_FLAG_TSYNC: accepted, and without a meaning for a process with one thread.
const TSYNC: u64 = 1;

/// Fields in the order in which callers have always read them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: &'static [&'static str],
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, String>,
    /// Annotations that give a container powers: callers must not take them from strangers.
    potentially_unsafe_config_annotations: &'static [&'static str],
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
    actions: &'static [&'static str],
    operators: &'static [&'static str],
    archs: &'static [&'static str],
    known_flags: &'static [&'static str],
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
    modes: &'static [&'static str],
    flags: &'static [&'static str],
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
        oci_version_min: words::OCI_VERSION_MIN,
        oci_version_max: words::OCI_VERSION_MAX,
        hooks: words::hooks(),
        mount_options: mount_options::names(),
        linux: linux(),
        annotations,
        potentially_unsafe_config_annotations: &[
            "bundle",
            "org.systemd.property.",
            "org.criu.config",
            known::KEEP_GROUPS,
            known::MOUNT_CONTEXT_TYPE,
        ],
    })
}

fn linux() -> Linux {
    Linux {
        namespaces: words::namespaces(),
        capabilities: capability::names().into_iter().map(|name| format!("CAP_{name}")).collect(),
        cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: true, rdma: true },
        seccomp: Seccomp {
            enabled: true,
            actions: words::seccomp_actions(),
            operators: words::seccomp_operators(),
            archs: words::seccomp_architectures(),
            known_flags: words::seccomp_flags(),
            supported_flags: words::seccomp_flags()
                .iter()
                .copied()
                .filter(|name| is_supported(name))
                .collect(),
        },
        apparmor: Enabled { enabled: true },
        selinux: Enabled { enabled: true },
        intel_rdt: IntelRdt { enabled: true, schemata: true, monitoring: true },
        memory_policy: MemoryPolicy {
            modes: words::memory_policy_modes(),
            flags: words::memory_policy_flags(),
        },
        mount_extensions: MountExtensions {
            idmap: Enabled { enabled: mount_options::meaning("idmap").is_some() },
        },
        net_devices: Enabled { enabled: true },
    }
}

fn is_supported(name: &str) -> bool {
    let flags = match name {
        "SECCOMP_FILTER_FLAG_TSYNC" => TSYNC,
        "SECCOMP_FILTER_FLAG_LOG" => flag::LOG,
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => flag::SPEC_ALLOW,
        // It means something only where there is a listener, and is refused elsewhere.
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => flag::WAIT_KILLABLE_RECV | flag::NEW_LISTENER,
        _ => return false,
    };
    kernel::knows_flags(flags)
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
        assert_eq!(json["potentiallyUnsafeConfigAnnotations"][1], "org.systemd.property.");
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
        let known: Vec<_> = words::seccomp_flags().to_vec();
        let supported = linux().seccomp.supported_flags;
        let missing: Vec<_> = known.iter().filter(|name| !supported.contains(*name)).collect();
        assert!(missing.iter().all(|name| **name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"), "{missing:?}");
    }
}
