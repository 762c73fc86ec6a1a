//! Namespaces of somebody else's, as containers of one pod share them: they are neither saved nor made anew.

use super::counter::Counter;
use crate::support::criu::with_criu;
use crate::support::{Container, Outcome, Process};

#[test]
fn a_counter_goes_on_in_namespaces_that_it_shares() -> Outcome {
    with_criu(|| {
        let pod = Container::with(|config| {
            config.args(&["tail", "-f", "/dev/null"]);
        })?;
        pod.detach()?;
        let theirs = pod.init()?;
        for (kind, file) in [("network", "net"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts")] {
            let mut counter = Counter::new(|config| {
                config.join_namespace(kind, &format!("/proc/{}/ns/{file}", theirs.pid));
            })?;
            counter.container.detach()?;
            counter.counts(1)?;
            let before = counter.container.processes()?;
            counter.checkpoint(&[])?.ok();
            // In a pid namespace that stays a process comes back under its number, which must be free.
            before.iter().try_for_each(Process::wait_reaped)?;
            counter.restore(&[])?.ok();
            assert_eq!(counter.container.init()?.namespace(file)?, theirs.namespace(file)?, "{kind}");
            counter.counts(2)?;
            counter.container.exec(&["true"])?.ok();
            counter.container.delete_by_force()?.ok();
        }
        assert_eq!(pod.status()?, "running");
        Ok(())
    })
}

#[test]
fn a_cgroup_namespace_of_somebody_else_s_is_refused() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|config| {
            config.namespace("cgroup");
        })?;
        counter.container.detach()?;
        counter.checkpoint(&[])?.ok();
        counter.container.edit(|config| {
            config.join_namespace("cgroup", "/proc/self/ns/cgroup");
        })?;
        counter.restore(&[])?.fails(1, "cgroup");
        assert_eq!(counter.container.leftovers()?, Vec::<String>::new());
        Ok(())
    })
}
