//! Hosts whose mounts are shared, as systemd has them: a container's binds are slaves of the host's mounts.

use std::fs;

use rustix::process::Signal;

use super::counter::Counter;
use crate::support::criu::with_criu;
use crate::support::{Invocation, Outcome, criu};

#[test]
fn binds_of_one_shared_filesystem_come_back() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|config| {
            config.mount("/one", "bind", "one", &["bind"]);
            config.mount("/two", "bind", "two", &["bind"]);
        })?;
        let container = &counter.container;
        for name in ["one", "two"] {
            fs::create_dir(container.bundle().join(name))?;
            fs::write(container.bundle().join(name).join("file"), name)?;
        }
        let images = counter.images().to_string_lossy().into_owned();
        let words = ["unshare", "--mount", "--propagation", "shared", "sh", "-c", "echo up; exec sleep 1000"];
        let mut host = Invocation::new(words).spawn()?;
        host.wait_for("up")?;
        let (pid, bundle) = (host.pid().to_string(), format!("--wdns={}", container.bundle().display()));
        let shared = |invocation: Invocation| {
            let words = ["nsenter", "--target", &pid, "--mount", &bundle];
            invocation.env("PATH", criu::path()).under(words).output()
        };
        shared(container.runtime(["run", "--detach", &container.id]))?.ok();
        counter.counts(1)?;
        let container = &counter.container;
        let propagation = "awk '$5 ~ /one|two/ { print $5, $7 ~ /^master:/ }' /proc/self/mountinfo";
        container.exec_shell(propagation)?.prints("/one 1\n/two 1");
        shared(container.runtime(["checkpoint", "--image-path", &images, &container.id]))?.ok();
        shared(container.runtime(["restore", "--detach", "--image-path", &images, &container.id]))?.ok();
        container.exec_shell("cat /one/file /two/file")?.prints("onetwo");
        container.exec_shell(propagation)?.prints("/one 1\n/two 1");
        counter.counts(2)?;
        shared(counter.container.runtime(["delete", "--force", &counter.container.id]))?.ok();
        host.signal(Signal::KILL)?;
        host.wait().map(drop)
    })
}
