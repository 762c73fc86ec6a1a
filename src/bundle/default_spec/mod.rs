//! The config that `spec` writes: byte for byte runc's, so that scripts which edit it find what they look for.

use std::path::Path;

use nix::unistd::{Gid, Uid};

/// Of a file without the last newline, as runc writes it.
const ROOTFUL: &str = include_str!("rootful.json");
const ROOTLESS: &str = include_str!("rootless.json");

/// A new cgroup namespace is worth having where there is one hierarchy only.
const CGROUP_NAMESPACE: &str = ",\n\t\t\t{\n\t\t\t\t\"type\": \"cgroup\"\n\t\t\t}";

/// The whole content of the file. `rootless`: a user namespace that maps the caller to root.
pub fn text(rootless: bool) -> String {
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    render(rootless, unified, Uid::effective(), Gid::effective())
}

fn render(rootless: bool, unified: bool, uid: Uid, gid: Gid) -> String {
    let template = if rootless { ROOTLESS } else { ROOTFUL };
    let namespace = if unified { CGROUP_NAMESPACE } else { "" };
    template
        .replace("@CGROUP_NAMESPACE@", namespace)
        .replace("@UID@", &uid.to_string())
        .replace("@GID@", &gid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{load, namespaces};
    use crate::linux::namespace::Kind;

    #[test]
    fn both_configs_parse_on_both_cgroup_layouts() {
        for (rootless, unified) in [(false, false), (false, true), (true, false), (true, true)] {
            let text = render(rootless, unified, Uid::from_raw(1000), Gid::from_raw(100));
            let spec = load::parse(text.as_bytes()).unwrap();
            assert_eq!(spec.version(), "1.3.0");
            assert_eq!(namespaces::is_new(&spec, Kind::User), rootless);
            assert_eq!(namespaces::is_new(&spec, Kind::Network), !rootless);
            assert_eq!(namespaces::is_new(&spec, Kind::Cgroup), unified);
            assert!(!text.contains('@'), "every place is filled in");
            assert!(!text.ends_with('\n'), "runc writes no last newline");
        }
    }

    #[test]
    fn the_rootless_config_maps_the_caller_to_root() {
        let text = render(true, true, Uid::from_raw(1000), Gid::from_raw(100));
        let spec = load::parse(text.as_bytes()).unwrap();
        let linux = spec.linux().clone().unwrap();
        let host =
            |maps: &Option<Vec<oci_spec::runtime::LinuxIdMapping>>| maps.as_ref().unwrap()[0].host_id();
        assert_eq!((host(linux.uid_mappings()), host(linux.gid_mappings())), (1000, 100));
    }
}
