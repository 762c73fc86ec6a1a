//! Advisories about what trug has not got, or this machine has not: named, so that none is forgotten.

use std::path::Path;

use serde_json::json;

use crate::support::{Container, Outcome, skip};

#[test]
fn cve_2026_84042_krun_passt() -> Outcome {
    skip("trug has no krun")
}

#[test]
fn cve_2024_3154_cri_o_annotations_with_systemds_powers() -> Outcome {
    // Whatever the driver, an annotation that weakens isolation is named in `features`.
    let container = Container::new()?;
    let features = container.runtime(["features"]).output()?.ok().json();
    let listed = features["potentiallyUnsafeConfigAnnotations"].to_string();
    assert!(listed.contains("org.systemd.property."), "{listed}");
    Ok(())
}

#[test]
fn t_lsm_a_label_without_its_module_is_a_clear_error_before_anything_is_made() -> Outcome {
    let has_apparmor = Path::new("/sys/kernel/security/apparmor").exists();
    let has_selinux = Path::new("/sys/fs/selinux/enforce").exists();
    let cases = [
        ("/process", "apparmorProfile", "docker-default", "apparmor", has_apparmor),
        ("/process", "selinuxLabel", "system_u:system_r:container_t:s0", "selinux", has_selinux),
        ("/linux", "mountLabel", "system_u:object_r:container_file_t:s0", "selinux", has_selinux),
    ];
    for (parent, key, label, word, there) in cases {
        if there {
            skip(&format!("{word} is on here: the guest's test looks at the label itself"))?;
            continue;
        }
        let container = Container::with(|config| {
            if let Some(parent) = config.pointer_mut(parent) {
                parent[key] = json!(label);
            }
        })?;
        let output = container.create()?;
        output.refused();
        assert!(output.stderr().to_lowercase().contains(word), "{key}: {output}");
        assert!(!container.state_directory().exists(), "{key}: something was made");
    }
    // And for exec.
    if !has_apparmor {
        let container = Container::new()?;
        container.detach()?;
        let output = container.exec_with(&["--apparmor", "docker-default"], &["true"])?;
        assert!(output.status() == 255 && output.stderr().to_lowercase().contains("apparmor"), "{output}");
    }
    Ok(())
}
