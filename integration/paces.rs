//! Parent and init work side by side. However slow a call of theirs is, nobody comes too early or too late: the
//! container is the same.

use serde_json::json;

use crate::support::{Config, Container, Invocation, Outcome, is_peer, skip, strace};

const CALLS: [&str; 15] = [
    "openat2",
    "clone3",
    "unshare",
    "setns",
    "mount",
    "fsmount",
    "move_mount",
    "mknodat",
    "pivot_root",
    "sched_setaffinity",
    "prctl",
    "recvfrom",
    "sendmsg",
    "ioctl",
    "execve",
];

/// The devices, the network, the limits and the mounts are what they should be.
const LOOK: &str = "
    : > /dev/null; head -c 4 /dev/urandom > /dev/null
    test \"$(cat /sys/class/net/lo/operstate /sys/class/net/lo/flags)\" = \"unknown
0x9\"
    if (: > /proc/sys/kernel/hostname) 2> /dev/null || test -s /proc/kcore; then exit 9; fi
    test \"$(ulimit -n)\" = 1024
    echo all is well";

/// Does it with each of the calls slow, alone and beside slow writes.
fn at_any_pace(command: impl Fn() -> Invocation, after: impl Fn() -> Outcome) -> Outcome {
    for call in CALLS {
        let alone = [format!("inject={call}:delay_enter=2000")];
        let beside = [format!("inject={call}:delay_exit=4000"), "inject=write:delay_exit=1000".to_owned()];
        for slow in [&alone[..], &beside] {
            let options = slow.iter().flat_map(|slow| ["-e", slow]);
            let tracer = ["strace", "-f", "-o", "/dev/null"].into_iter().chain(options);
            let output = command().under(tracer).output()?;
            assert_eq!((output.status(), output.stdout().trim()), (0, "all is well"), "{slow:?}: {output}");
            after()?;
        }
    }
    Ok(())
}

fn is_the_same_at_any_pace(change: impl FnOnce(&mut Config)) -> Outcome {
    if let Some(reason) = lacking() {
        return skip(reason);
    }
    let container = Container::with(|config| change(config.shell(LOOK)))?;
    at_any_pace(
        || container.runtime(["run", &container.id]),
        || {
            assert_eq!(container.leftovers()?, Vec::<String>::new());
            Ok(())
        },
    )
}

fn lacking() -> Option<&'static str> {
    if is_peer() { Some("a peer is not the one that is looked at") } else { strace::lacking() }
}

#[test]
fn a_container_is_the_same_at_any_pace() -> Outcome {
    is_the_same_at_any_pace(|_| {})
}

#[test]
fn one_with_limits_is_the_same_at_any_pace() -> Outcome {
    is_the_same_at_any_pace(|config| {
        config["linux"]["resources"]["pids"] = json!({"limit": 100});
        config["process"]["oomScoreAdj"] = 100.into();
    })
}

#[test]
fn hooks_find_what_they_need_at_any_pace() -> Outcome {
    is_the_same_at_any_pace(|config| {
        // Not those of the runtime's namespaces, for which init waits in any case.
        for kind in ["createContainer", "startContainer"] {
            config.shell_hook(kind, ": > /dev/null; : < /dev/urandom");
        }
    })
}

#[test]
fn a_further_process_is_the_same_at_any_pace() -> Outcome {
    if let Some(reason) = lacking() {
        return skip(reason);
    }
    let container = Container::new()?;
    container.detach()?;
    at_any_pace(|| container.exec_invocation(&[], &["sh", "-euc", LOOK]), || Ok(()))
}

#[test]
fn one_that_sets_up_its_network_is_the_same_at_any_pace() -> Outcome {
    is_the_same_at_any_pace(|config| {
        config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1", "net.ipv4.conf.lo.forwarding": "1"});
    })
}

#[test]
fn one_in_a_user_namespace_is_the_same_at_any_pace() -> Outcome {
    is_the_same_at_any_pace(|config| {
        config.user_namespace(json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]));
    })
}
