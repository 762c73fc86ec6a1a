//! Hooks: programs of the host that run beside an image's files.

use std::fs;

use serde_json::json;

use crate::support::{Container, Outcome};

#[test]
fn cve_2025_23266_nvidia_a_hook_does_not_get_the_images_environment() -> Outcome {
    // Seen with runc 1.1.5: createContainer hooks get it.
    let container = Container::with(|config| {
        config.args(&["true"]).env("LD_PRELOAD=/evil.so").env("FROM_IMAGE=1");
    })?;
    let out = container.path("out").to_string_lossy().into_owned();
    container.edit(|config| {
        for kind in ["createRuntime", "createContainer", "poststart", "poststop"] {
            let script = format!("echo {kind} $FROM_IMAGE $LD_PRELOAD >> {out}");
            config.hook(kind, json!({"path": "/bin/sh", "args": ["sh", "-c", script]}));
        }
    })?;
    container.run()?.ok();
    container.delete_by_force()?;
    let text = fs::read_to_string(container.path("out"))?;
    assert!(
        text.contains("createRuntime") && text.contains("createContainer") && text.contains("poststop"),
        "{text}"
    );
    assert!(!text.contains("evil") && !text.contains('1'), "{text}");
    Ok(())
}

#[test]
fn cve_2024_0132_nvidia_a_hook_gets_no_descriptor_but_the_three() -> Outcome {
    // Seen with runc 1.1.5: createContainer hooks get three of its own.
    let container = Container::with(|config| {
        config.args(&["true"]);
    })?;
    let out = container.path("out").to_string_lossy().into_owned();
    container.edit(|config| {
        for kind in ["createRuntime", "createContainer", "poststart", "poststop"] {
            // ls's own descriptor is the fourth.
            let script =
                format!("for fd in $(ls /proc/self/fd); do [ $fd -le 3 ] || echo {kind} $fd >> {out}; done");
            config.hook(kind, json!({"path": "/bin/sh", "args": ["sh", "-c", script]}));
        }
    })?;
    container.runtime(["run", &container.id]).after("exec 7</etc/passwd 9</ 20</").output()?.ok();
    let text = fs::read_to_string(container.path("out")).unwrap_or_default();
    // The shell's redirection is the hook's own, at 10 or above.
    let leaked: Vec<&str> = text.lines().filter(|line| !line.ends_with(" 10")).collect();
    assert!(leaked.is_empty(), "{text}");
    Ok(())
}
