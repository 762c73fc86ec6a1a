//! Annotations that mean something to a runtime (config.md#annotations): one table of them, and what each that this one
//! acts on says. Each of those gives a container something that the rest of its config does not say, so that a caller must not
//! take them from strangers.
//!
//! All others are passed over, as the specification demands.

use std::collections::HashMap;
use std::path::PathBuf;

use oci_spec::runtime::Spec;

/// crun: the caller's additional groups stay the process's (podman's `--group-add keep-groups`).
pub const KEEP_GROUPS: &str = "run.oci.keep_original_groups";
/// crun: which of the mount options for SELinux labels linux.mountLabel is.
pub const MOUNT_CONTEXT_TYPE: &str = "run.oci.mount_context_type";
/// `man 8 mount`, SELinux context options.
pub const MOUNT_CONTEXTS: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];
/// crun: the socket that is handed the seccomp listener, where the profile has no listenerPath.
pub const SECCOMP_RECEIVER: &str = "run.oci.seccomp.receiver";
/// The same, by the environment (conmon's `--seccomp-notify-socket`).
const SECCOMP_RECEIVER_VARIABLE: &str = "RUN_OCI_SECCOMP_RECEIVER";
/// crun: a system call of the profile that this machine does not know is an error.
pub const FAIL_UNKNOWN_SYSCALL: &str = "run.oci.seccomp_fail_unknown_syscall";
/// crun: as `--pidfd-socket`.
pub const PIDFD_RECEIVER: &str = "run.oci.pidfd_receiver";
/// runc: properties of the systemd unit.
pub const SYSTEMD_PROPERTY: &str = "org.systemd.property.";
/// runc: a file of options for CRIU.
pub const CRIU_CONFIG: &str = "org.criu.config";

/// What this runtime makes of an annotation that another one acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Honoured,
    /// A container without it is confined no less, and does as its config says.
    Ignored(&'static str),
    /// Without it, the container would not be what its caller takes it for.
    Refused(&'static str),
}

use Fate::{Honoured, Ignored, Refused};

/// Every annotation that runc or crun acts on. A name that ends in a dot stands for all that begin with it.
pub const TABLE: [(&str, Fate); 17] = [
    (SYSTEMD_PROPERTY, Honoured),
    (CRIU_CONFIG, Honoured),
    (KEEP_GROUPS, Honoured),
    (MOUNT_CONTEXT_TYPE, Honoured),
    (SECCOMP_RECEIVER, Honoured),
    (FAIL_UNKNOWN_SYSCALL, Honoured),
    (PIDFD_RECEIVER, Honoured),
    ("run.oci.seccomp.plugins", Refused("a static program loads no plugins: use linux.seccomp.listenerPath")),
    ("run.oci.seccomp_bpf_data", Refused("a filter is made of linux.seccomp alone, where it can be read")),
    (
        "run.oci.handler",
        Refused(
            "no handler (krun, wasm) is built in, and without its handler it would not be isolated as asked for",
        ),
    ),
    (
        "run.oci.systemd.force_cgroup_v1",
        Refused("it would hand the container the top of a hierarchy of the host's"),
    ),
    ("run.oci.systemd.subgroup", Ignored("the container is in its unit's own cgroup, as with runc")),
    ("run.oci.delegate-cgroup", Ignored("it goes with run.oci.systemd.subgroup")),
    ("run.oci.hooks.stdout", Ignored("what a hook writes is in the error where it fails")),
    ("run.oci.hooks.stderr", Ignored("what a hook writes is in the error where it fails")),
    ("krun.", Ignored("it goes with run.oci.handler")),
    ("module.wasm.image/variant", Ignored("the kernel executes the program, or says why not")),
];

/// The names of those that are acted on, for `features`.
pub fn honoured() -> Vec<&'static str> {
    TABLE.iter().filter(|(_, fate)| *fate == Honoured).map(|(name, _)| *name).collect()
}

/// Why this annotation is refused, if it is.
pub fn refusal(key: &str) -> Option<&'static str> {
    TABLE.iter().find_map(|(name, fate)| match fate {
        Refused(reason) if *name == key => Some(*reason),
        _ => None,
    })
}

/// Whether `KEEP_GROUPS` is there, whatever it says.
pub fn keep_groups(spec: &Spec) -> bool {
    get(spec, KEEP_GROUPS).is_some()
}

/// Whether `FAIL_UNKNOWN_SYSCALL` is there, whatever it says.
pub fn fail_unknown_syscall(spec: &Spec) -> bool {
    get(spec, FAIL_UNKNOWN_SYSCALL).is_some()
}

/// The socket that a pidfd of the container's process goes to.
pub fn pidfd_receiver(spec: &Spec) -> Option<PathBuf> {
    get(spec, PIDFD_RECEIVER).map(PathBuf::from)
}

/// The socket that seccomp's listener goes to: the profile's own, else the annotation's, else the environment's.
pub fn seccomp_receiver(spec: &Spec) -> Option<PathBuf> {
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let own = profile.and_then(|profile| profile.listener_path().clone());
    own.filter(|path| !path.as_os_str().is_empty())
        .or_else(|| get(spec, SECCOMP_RECEIVER).map(PathBuf::from))
        .or_else(|| std::env::var_os(SECCOMP_RECEIVER_VARIABLE).map(PathBuf::from))
}

/// The mount option that linux.mountLabel is the value of; `context` where the config says nothing else. None for a
/// word that is no such option.
pub fn mount_context(spec: &Spec) -> Option<&'static str> {
    let Some(word) = get(spec, MOUNT_CONTEXT_TYPE) else {
        return Some(MOUNT_CONTEXTS[0]);
    };
    MOUNT_CONTEXTS.into_iter().find(|known| known == word)
}

fn get<'a>(spec: &'a Spec, name: &str) -> Option<&'a String> {
    let all: Option<&HashMap<String, String>> = spec.annotations().as_ref();
    all.and_then(|annotations| annotations.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/spec.md tells callers what becomes of each.
    #[test]
    fn the_documents_name_every_annotation_with_its_fate() {
        let document = include_str!("../../docs/spec.md");
        for (name, fate) in TABLE {
            let word = match fate {
                Honoured => "honoured",
                Ignored(_) => "ignored",
                Refused(_) => "refused",
            };
            let row =
                document.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{name}")));
            let row = row.unwrap_or_else(|| panic!("docs/spec.md has no row for {name}"));
            assert!(row.contains(word), "{name} is {word}: {row}");
        }
    }
}
