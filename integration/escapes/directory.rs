//! The working directory: the way in of CVE-2024-21626.

use std::os::unix::fs::symlink;

use super::canary::Canary;
use crate::support::{Container, Outcome};

/// A program that climbs out of its cwd, if that is outside of the root.
const CLIMB: &str = "cat ../../../../../../../../..$SECRET 2>/dev/null && exit 0; exit 3";

#[test]
fn cve_2024_21626_cwd_by_way_of_a_descriptor() -> Outcome {
    // Seen with crun 1.8.1, by the caller's own descriptor 7. Debian has mended its runc 1.1.5.
    for number in 3..24 {
        let container = Container::new()?;
        let canary = Canary::new(&container)?;
        container.edit(|config| {
            config.args(&["sh", "-c", CLIMB]).env(&format!("SECRET={}/secret", canary.text()));
            config["process"]["cwd"] = format!("/proc/self/fd/{number}").into();
        })?;
        let run = container.runtime(["run", &container.id]).after("exec 7</ 8<. 9</sys 20</").output()?;
        assert!(!run.text().contains("of the host"), "{number}: {run}");
        assert!(run.status() != 0, "{number}: {run}");
        canary.is_untouched()?;
    }
    Ok(())
}

#[test]
fn cve_2024_21626_cwd_by_way_of_a_symlink_of_the_image_and_of_exec() -> Outcome {
    let container = Container::new()?;
    let canary = Canary::new(&container)?;
    let secret = format!("SECRET={}/secret", canary.text());
    for number in 3..24 {
        symlink(format!("/proc/self/fd/{number}"), container.rootfs().join(format!("way{number}")))?;
    }
    container.detach()?;
    let ways: Vec<String> = (3..24)
        .flat_map(|number| [format!("/proc/self/fd/{number}"), format!("/way{number}")])
        .chain(["/proc/1/cwd/..".to_string(), "/proc/1/root/..".to_string()])
        .collect();
    for way in &ways {
        let exec = container
            .exec_invocation(&["--cwd", way, "--env", &secret], &["sh", "-c", CLIMB])
            .after("exec 7</ 8<. 9</sys 20</")
            .output()?;
        assert!(!exec.text().contains("of the host"), "{way}: {exec}");
    }
    canary.is_untouched()
}
