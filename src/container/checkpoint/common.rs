//! What a checkpoint and a restore have in common: what is refused, and what CRIU is told by the container's config.

use std::path::Path;

use oci_spec::runtime::Spec;

use crate::bundle::annotations::CRIU_CONFIG;
use crate::container::globals::in_user_namespace;
use crate::fail;
use crate::linux::credentials;
use crate::plan::{EnterRoot, Plan};
use crate::report::{Code, Error, Result, log};

/// runc's, for all containers that name no other.
const CONFIG_FILE: &str = "/etc/criu/runc.conf";

/// CRIU itself asks for more rights than a user has.
pub fn warn_of_rootless() -> Result<()> {
    if credentials::effective_uid() != 0 || in_user_namespace()? {
        log::warn("checkpoint and restore need root's rights on the host");
    }
    Ok(())
}

/// CRIU saves a mount namespace whole, and the host's is not the container's to be saved.
pub fn require_own_mounts(plan: &Plan) -> Result<()> {
    match plan.rootfs.enter {
        EnterRoot::Pivot | EnterRoot::Move => Ok(()),
        EnterRoot::Chroot => Err(Error::new(
            Code::Unsupported,
            "a container without a mount namespace of its own can be neither checkpointed nor restored",
        )
        .at("/linux/namespaces")),
    }
}

/// CRIU's own configuration for a container, which overrides ours: what the annotation names, and none where it is
/// empty.
pub fn config_file(spec: &Spec) -> Option<String> {
    let annotation = spec.annotations().as_ref().and_then(|all| all.get(CRIU_CONFIG));
    match annotation.map(String::as_str) {
        None => Some(CONFIG_FILE.to_string()),
        Some("") => None,
        Some(path) => Some(path.to_string()),
    }
}

/// A path for CRIU.
pub fn text_of(path: &Path) -> Result<Option<String>> {
    match path.to_str() {
        Some(text) => Ok(Some(text.to_string())),
        None => fail!(Code::Unsupported, "the path {path:?} is not text, and criu cannot be told of it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::load;

    #[test]
    fn an_annotation_names_criu_s_configuration() {
        let of = |annotations: &str| {
            let text = format!("{{\"ociVersion\":\"1.0.0\",\"annotations\":{annotations}}}");
            config_file(&load::parse(text.as_bytes()).unwrap())
        };
        assert_eq!(of("{}").as_deref(), Some("/etc/criu/runc.conf"));
        assert_eq!(of(r#"{"org.criu.config":""}"#), None);
        assert_eq!(of(r#"{"org.criu.config":"/x"}"#).as_deref(), Some("/x"));
    }
}
