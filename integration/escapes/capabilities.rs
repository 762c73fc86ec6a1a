//! Capabilities that a file of the image could inherit.

use serde_json::json;

use crate::support::{Container, Outcome};

#[test]
fn cve_2022_29162_24769_27649_27650_27652_and_2025_27612_nothing_becomes_inheritable() -> Outcome {
    let container = Container::with(|config| {
        config.shell("grep -e CapInh -e CapAmb /proc/self/status; exec sleep 1000");
    })?;
    container.detach()?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", container.init()?.pid))?;
    for set in ["CapInh", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000")), "{set}: {status}");
    }
    for flags in [&[][..], &["--cap", "CAP_NET_RAW"], &["--cap", "CAP_SYS_ADMIN", "--user", "1000"]] {
        let output =
            container.exec_with(flags, &["grep", "-e", "CapInh", "-e", "CapAmb", "/proc/self/status"])?;
        output.ok();
        for line in output.lines() {
            let value = line.split_whitespace().nth(1).unwrap_or_default().to_string();
            assert_eq!(u64::from_str_radix(&value, 16)?, 0, "{flags:?}: {output}");
        }
    }
    Ok(())
}

#[test]
fn cve_2022_29162_what_is_listed_is_granted_and_no_more() -> Outcome {
    let container = Container::with(|config| {
        config.shell("grep Cap /proc/self/status");
        config["process"]["capabilities"] = json!({
            "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"],
            "inheritable": ["CAP_KILL"], "ambient": ["CAP_CHOWN"]});
    })?;
    let output = container.run()?;
    output.ok();
    let text = output.stdout().replace('\t', "");
    // CAP_CHOWN is bit 0, CAP_KILL bit 5; an ambient one must be inheritable and permitted.
    for expected in [
        "CapBnd:0000000000000021",
        "CapPrm:0000000000000020",
        "CapInh:0000000000000020",
        "CapAmb:0000000000000000",
    ] {
        assert!(text.contains(expected), "{expected}: {output}");
    }
    Ok(())
}
