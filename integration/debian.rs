//! A root filesystem that people really use: Debian, as `integration/debian-rootfs` makes it with mmdebstrap.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Config, Container, Outcome, Terminal, leftovers, skip};

/// The shared tree, which tests use read-only; nothing if it has not been made.
pub fn tree() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian/rootfs");
    path.join("usr/bin/apt-get").exists().then_some(path)
}

pub const MISSING: &str =
    "there is no Debian root filesystem: `make test` makes it, where mmdebstrap can reach a mirror";

/// A container whose root is the Debian tree, with tmpfs where Debian writes.
pub fn debian(tree: &Path, change: impl FnOnce(&mut Config)) -> anyhow::Result<Container> {
    Container::with(|config| {
        config["root"] = json!({"path": tree, "readonly": true});
        config.mount("/tmp", "tmpfs", "tmpfs", &["mode=1777"]).mount("/run", "tmpfs", "tmpfs", &["mode=755"]);
        change(config);
    })
}

#[test]
fn apt_get_says_its_version() -> Outcome {
    let Some(tree) = tree() else { return skip(MISSING) };
    let container = debian(&tree, |config| {
        config.args(&["apt-get", "--version"]);
    })?;
    let output = container.run()?;
    output.says("apt ").says("Supported modules");
    Ok(())
}

#[test]
fn a_debian_container_lives_its_life_and_leaves_nothing() -> Outcome {
    let Some(tree) = tree() else { return skip(MISSING) };
    let container = debian(&tree, |config| {
        config.args(&["bash", "--norc"]);
        config["process"]["terminal"] = true.into();
    })?;
    let terminal = Terminal::open(30, 100)?;
    let before = terminal.settings()?;
    let mut running = container.runtime(["run", &container.id]).spawn_on(&terminal)?;
    terminal.wait_for("bash-")?;
    terminal.write("stty size; . /etc/os-release; echo \"<$ID> on $(tty)\"\r")?;
    terminal.wait_for("30 100")?;
    terminal.wait_for("<debian> on /dev/pts/0")?;
    terminal.write("sleep 1000 & jobs\r")?;
    terminal.wait_for("Running")?;

    container.exec(&["bash", "-c", "echo beside $(hostname); cat /proc/1/comm"])?.prints("beside trug\nbash");
    container.exec_with(&["--user", "65534:65534"], &["id", "-un"])?.prints("nobody");

    let init = container.init()?;
    let members = container.members()?;
    assert!(members.len() >= 2);
    container.kill("KILL")?.ok();
    assert_eq!(running.wait()?.code(), Some(137));
    assert_eq!(terminal.settings()?, before);
    init.wait_gone()?;
    for member in members {
        member.wait_gone()?;
    }
    container.delete_by_force()?.ok();
    assert_eq!(container.leftovers()?, Vec::<String>::new());
    assert_eq!(leftovers::mounts_below(&tree)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn perl_and_dpkg_and_awk_work() -> Outcome {
    let Some(tree) = tree() else { return skip(MISSING) };
    let container = debian(&tree, |config| {
        config.args(&[
            "bash",
            "-euc",
            "perl -e 'print 6*7, \"\\n\"'; dpkg -s bash | grep ^Status; echo a b | awk '{print $2}'",
        ]);
    })?;
    container.run()?.prints("42\nStatus: install ok installed\nb");
    Ok(())
}

#[test]
fn a_call_that_is_newer_than_the_seccomp_profile_does_not_exist() -> Outcome {
    let Some(tree) = tree() else { return skip(MISSING) };
    // Everything that perl needs, by name; the rest is refused. Call 600 is one that no profile can know.
    let names = "read write execve exit_group exit brk mmap munmap mprotect mremap openat open close fstat newfstatat stat lstat \
                 readlink readlinkat arch_prctl set_tid_address set_robust_list rseq prlimit64 getrandom uname getuid getgid \
                 geteuid getegid setuid setgid setgroups setresuid setresgid capget capset prctl fcntl dup2 dup3 dup pipe2 \
                 getpid getppid rt_sigaction rt_sigprocmask rt_sigreturn chdir fchdir getcwd close_range ioctl lseek futex statfs \
                 fstatfs gettid umask madvise sigaltstack getdents64 access faccessat faccessat2 poll ppoll execveat unlinkat \
                 keyctl sendmsg recvmsg sendto recvfrom seccomp openat2 setsid readv writev pread64 clock_gettime statx sysinfo \
                 timer_create timer_settime timer_delete epoll_create1 epoll_ctl epoll_pwait eventfd2 nanosleep tgkill clone \
                 clone3 wait4 waitid pipe sched_getaffinity sched_yield restart_syscall time gettimeofday kill";
    let names: Vec<&str> = names.split_whitespace().collect();
    let container = debian(&tree, |config| {
        config.args(&[
            "perl",
            "-e",
            "syscall(600); print $!+0, \" \"; mkdir \"/tmp/x\"; print $!+0, \"\\n\"",
        ]);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]
        });
    })?;
    // ENOSYS for the new one, EPERM for mkdir.
    container.run()?.prints("38 1");
    Ok(())
}
