//! What needs a machine with cgroup v2 alone, and with systemd: `make test-guest` has one. Elsewhere these tests are
//! skipped, or run as far as the machine allows.

mod apparmor;
mod delegation;
mod devices;
mod many;
mod memory;
mod nested;
mod units;
mod user;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::container::{Driver, driver};
use crate::support::{Container, Invocation, Output, cgroup};

/// A container with these resources besides the plain ones.
fn with_resources(resources: &Value) -> anyhow::Result<Container> {
    Container::with(|config| {
        for (key, value) in resources.as_object().into_iter().flatten() {
            config["linux"]["resources"][key] = value.clone();
        }
    })
}

/// Why tests of version 2 limits cannot run here, if so.
fn lacks_v2() -> Option<&'static str> {
    (cgroup::layout() != cgroup::Layout::Unified).then_some("this machine has not cgroup v2 alone")
}

/// Why tests of the systemd driver cannot run here, if so.
fn lacks_systemd() -> Option<&'static str> {
    match driver() {
        Driver::Cgroupfs => Some("these are not run with the systemd driver (TRUG_TEST_DRIVER=systemd)"),
        Driver::Systemd => None,
    }
}

fn systemctl(words: &[&str]) -> anyhow::Result<Output> {
    Invocation::new(["systemctl"].iter().chain(words)).output()
}

/// A property of a container's unit.
fn property(container: &Container, name: &str) -> anyhow::Result<String> {
    Ok(systemctl(&["show", "--value", "--property", name, &unit(container)])?.ok().stdout().to_string())
}

fn unit(container: &Container) -> String {
    format!("trug-{}.scope", container.id)
}

/// The container's directory in the v2 tree.
fn directory(container: &Container) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(container.cgroup.trim_start_matches('/'))
}
