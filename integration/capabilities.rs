//! The five capability sets, as the kernel sees them in the first process and in an exec.

use serde_json::{Value, json};

use crate::support::{Container, Outcome, Output, program as programs};

/// The five lines of /proc/self/status, in hexadecimal: inheritable, permitted, effective, bounding, ambient.
#[track_caller]
fn has_sets(output: &Output, expected: [u64; 5]) {
    let names = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    output.ok();
    for (name, set) in names.iter().zip(expected) {
        output.says(&format!("{name}:\t{set:016x}"));
    }
}

fn with(capabilities: Value) -> anyhow::Result<Container> {
    Container::with(|config| {
        config.args(&["cat", "/proc/self/status"]);
        config["process"]["capabilities"] = capabilities;
    })
}

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;
const NET_BIND_SERVICE: u64 = 1 << 10;
const SYS_ADMIN: u64 = 1 << 21;
const AUDIT_WRITE: u64 = 1 << 29;
const SYSLOG: u64 = 1 << 34;

#[test]
fn the_sets_are_those_of_the_config() -> Outcome {
    let container = with(json!({
        "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"],
        "permitted": ["CAP_KILL", "CAP_CHOWN"],
        "effective": ["CAP_KILL"],
        "inheritable": ["CAP_CHOWN", "CAP_SYSLOG"],
        "ambient": ["CAP_CHOWN"]
    }))?;
    // An execve as root by a process with the capability makes it permitted and effective.
    let (inheritable, both, bounding) = (CHOWN | SYSLOG, CHOWN | KILL | SYSLOG, CHOWN | KILL | SYSLOG);
    let output = container.run()?;
    output.ok();
    output.says(&format!("CapInh:\t{inheritable:016x}")).says(&format!("CapBnd:\t{bounding:016x}"));
    output.says(&format!("CapAmb:\t{CHOWN:016x}"));
    let permitted = output.stdout();
    let within = |name: &str| {
        let line = permitted.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        u64::from_str_radix(line.trim(), 16).is_ok_and(|set| set & !both == 0 && set & KILL != 0)
    };
    assert!(within("CapPrm:") && within("CapEff:"), "{permitted}");
    Ok(())
}

#[test]
fn inheritable_and_ambient_are_empty_unless_listed() -> Outcome {
    let set = KILL | NET_BIND_SERVICE | AUDIT_WRITE;
    let names = json!(["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"]);
    let container = with(json!({"bounding": names, "permitted": names, "effective": names}))?;
    has_sets(&container.run()?, [0, set, set, set, 0]);
    Ok(())
}

#[test]
fn no_capabilities_means_none() -> Outcome {
    has_sets(&with(json!({}))?.run()?, [0, 0, 0, 0, 0]);
    Ok(())
}

#[test]
fn what_is_not_in_the_bounding_set_is_not_gained_by_root() -> Outcome {
    let container = with(json!({
        "bounding": ["CAP_SYS_ADMIN"],
        "permitted": ["CAP_SYS_ADMIN", "CAP_AUDIT_WRITE", "CAP_KILL"],
        "effective": ["CAP_SYS_ADMIN"]
    }))?;
    has_sets(&container.run()?, [0, SYS_ADMIN, SYS_ADMIN, SYS_ADMIN, 0]);
    Ok(())
}

#[test]
fn an_ordinary_user_has_nothing_without_ambient() -> Outcome {
    let names = json!(["CAP_KILL"]);
    let container = with(json!({"bounding": names, "permitted": names, "effective": names}))?;
    container.edit(|config| {
        config.user(1000, 1000);
    })?;
    has_sets(&container.run()?, [0, 0, 0, KILL, 0]);
    Ok(())
}

#[test]
fn an_ordinary_user_keeps_the_ambient_set() -> Outcome {
    let names = json!(["CAP_KILL"]);
    let container = with(json!({
        "bounding": names, "permitted": names, "effective": names, "inheritable": names, "ambient": names
    }))?;
    container.edit(|config| {
        config.user(1000, 1000);
    })?;
    has_sets(&container.run()?, [KILL, KILL, KILL, KILL, KILL]);
    Ok(())
}

#[test]
fn an_unknown_capability_is_a_warning() -> Outcome {
    let container = with(json!({"bounding": ["CAP_UNKNOWN", "UNKNOWN_CAP", "CAP_KILL"]}))?;
    let output = container.run()?;
    output.says(&format!("CapBnd:\t{KILL:016x}"));
    assert!(output.stderr().contains("CAP_UNKNOWN"), "{output}");
    Ok(())
}

#[test]
fn an_ambient_capability_that_is_not_inheritable_is_a_warning() -> Outcome {
    let container = with(json!({
        "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
        "effective": ["CAP_KILL", "CAP_CHOWN"], "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL", "CAP_CHOWN"]
    }))?;
    let output = container.run()?;
    output.says(&format!("CapAmb:\t{KILL:016x}"));
    assert!(output.text().contains("can't raise ambient capability CAP_CHOWN: "), "{output}");
    Ok(())
}

#[test]
fn exec_has_the_containers_capabilities() -> Outcome {
    let container = Container::with(|config| {
        config.capabilities(&["CAP_KILL", "CAP_CHOWN"]);
    })?;
    container.detach()?;
    let set = KILL | CHOWN;
    has_sets(&container.exec(&["cat", "/proc/self/status"])?, [0, set, set, set, 0]);
    Ok(())
}

#[test]
fn exec_adds_capabilities_to_three_sets_only() -> Outcome {
    let container = Container::with(|config| config["process"]["capabilities"] = json!({}))?;
    container.detach()?;
    has_sets(&container.exec(&["cat", "/proc/self/status"])?, [0, 0, 0, 0, 0]);
    let set = KILL | AUDIT_WRITE;
    let flags = ["--cap", "CAP_KILL", "--cap", "CAP_AUDIT_WRITE"];
    has_sets(&container.exec_with(&flags, &["cat", "/proc/self/status"])?, [0, set, set, set, 0]);
    Ok(())
}

#[test]
fn exec_adds_ambient_capabilities_only_where_they_are_inheritable() -> Outcome {
    let container = Container::with(|config| {
        config["process"]["capabilities"] = json!({
            "inheritable": ["CAP_CHOWN", "CAP_SYSLOG"],
            "permitted": ["CAP_KILL", "CAP_CHOWN"],
            "effective": ["CAP_KILL"],
            "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"],
            "ambient": ["CAP_CHOWN"]
        });
    })?;
    container.detach()?;
    let output = container.exec_with(&["--cap", "CAP_SYSLOG"], &["cat", "/proc/self/status"])?;
    output.says(&format!("CapInh:\t{:016x}", CHOWN | SYSLOG));
    output.says(&format!("CapAmb:\t{:016x}", CHOWN | SYSLOG));
    Ok(())
}

#[test]
fn a_set_uid_program_gains_nothing_under_no_new_privileges() -> Outcome {
    let container = Container::with(|config| {
        config.user(1000, 1000);
    })?;
    let program = container.rootfs().join("var/busybox");
    programs::copy(&container.rootfs().join("bin/busybox"), &program)?;
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755))?;
    container.edit(|config| {
        config.args(&["/var/busybox", "sh", "-c", "grep ^Uid: /proc/self/status"]);
    })?;
    container.run()?.prints("Uid:\t1000\t1000\t1000\t1000");
    Ok(())
}

#[test]
fn a_program_that_only_its_owner_may_run_needs_dac_override() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let container = Container::with(|config| {
        config.user(1000, 1000).args(&["/var/busybox", "true"]);
    })?;
    let program = container.rootfs().join("var/busybox");
    programs::copy(&container.rootfs().join("bin/busybox"), &program)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o744))?;
    container.run()?.fails(1, "permission denied");
    container.edit(|config| {
        let all = json!(["CAP_DAC_OVERRIDE"]);
        config["process"]["capabilities"] = json!({
            "bounding": all, "effective": all, "inheritable": all, "ambient": all, "permitted": all
        });
    })?;
    container.run()?.ok();
    Ok(())
}
