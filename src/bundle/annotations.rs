//! The annotations that this runtime acts on (config.md#annotations): each gives a container something that the rest of
//! its config does not say, so that a caller must not take them from strangers.

use std::collections::HashMap;

use oci_spec::runtime::Spec;

/// crun: the caller's additional groups stay the process's (podman's `--group-add keep-groups`).
pub const KEEP_GROUPS: &str = "run.oci.keep_original_groups";
/// crun: which of the mount options for SELinux labels linux.mountLabel is.
pub const MOUNT_CONTEXT_TYPE: &str = "run.oci.mount_context_type";

/// `man 8 mount`, SELinux context options.
pub const MOUNT_CONTEXTS: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];

/// Whether `KEEP_GROUPS` is there, whatever it says.
pub fn keep_groups(spec: &Spec) -> bool {
    all(spec).is_some_and(|annotations| annotations.contains_key(KEEP_GROUPS))
}

/// The mount option that linux.mountLabel is the value of; `context` where the config says nothing else. None for a
/// word that is no such option.
pub fn mount_context(spec: &Spec) -> Option<&'static str> {
    let Some(word) = all(spec).and_then(|annotations| annotations.get(MOUNT_CONTEXT_TYPE)) else {
        return Some(MOUNT_CONTEXTS[0]);
    };
    MOUNT_CONTEXTS.into_iter().find(|known| known == word)
}

fn all(spec: &Spec) -> Option<&HashMap<String, String>> {
    spec.annotations().as_ref()
}
