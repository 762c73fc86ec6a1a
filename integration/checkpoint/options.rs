//! The flags of both commands.

use std::fs;

use super::counter::{Counter, command_on};
use super::with_criu;
use crate::debian;
use crate::support::{Container, Fifo, Invocation, Outcome, criu, skip};

#[test]
fn the_commands_say_what_they_can_without_being_root() -> Outcome {
    for command in ["checkpoint", "restore"] {
        Invocation::runtime([command, "--help"]).output()?.says("--image-path");
    }
    // podman asks this way whether it may pass the flag on.
    Invocation::runtime(["restore", "--lsm-mount-context"])
        .output()?
        .fails(1, "flag needs an argument: --lsm-mount-context");
    let features = |path: &str| Invocation::runtime(["features"]).env("PATH", path).output();
    let enabled = "org.opencontainers.runc.checkpoint.enabled";
    if criu::lacks().is_none() {
        assert_eq!(features(&criu::path())?.ok().json()["annotations"][enabled], "true");
    }
    Ok(())
}

#[test]
fn a_container_that_is_left_running_goes_on() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let before = counter.container.init()?.pid;
        counter.checkpoint(&["--leave-running"])?.ok();
        assert_eq!(counter.container.init()?.pid, before);
        counter.counts(2)?;
        counter.container.stop()?;
        counter.container.delete()?.ok();
        // The checkpoint is older than the last line.
        counter.restore(&[])?.ok();
        counter.counts(2)
    })
}

#[test]
fn logs_are_in_the_work_directory_and_images_are_roots_alone() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        let work = counter.container.path("work");
        let work_text = work.to_string_lossy().into_owned();
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--work-path", &work_text])?.ok();
        assert!(work.join("dump.log").exists() && !counter.images().join("dump.log").exists());
        assert!(counter.images().join("inventory.img").exists());
        assert_eq!(fs::metadata(counter.images())?.permissions().mode() & 0o777, 0o700);
        counter.restore(&["--work-path", &work_text])?.ok();
        assert!(work.join("restore.log").exists());
        let state = counter.container.state_directory();
        assert!(!state.join("criu").exists(), "what was for CRIU alone is gone");
        counter.counts(2)
    })
}

#[test]
fn the_pid_file_has_the_new_process() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.checkpoint(&[])?.ok();
        let file = counter.container.path("pid");
        counter.restore(&["--pid-file", &file.to_string_lossy()])?.ok();
        assert_eq!(fs::read_to_string(file)?, counter.container.init()?.pid.to_string());
        Ok(())
    })
}

#[test]
fn a_file_lock_is_kept_where_that_is_allowed() -> Outcome {
    let Some(tree) = debian::tree() else { return skip(debian::MISSING) };
    with_criu(|| {
        let container = debian::debian(&tree, |config| {
            config.args(&["bash", "-c", "exec 9>/tmp/lock; flock 9; echo > $0/answer; sleep 1000"]);
        })?;
        let mut answer = bell(&container)?;
        container.detach()?;
        answer.line()?;
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.fails(1, "--file-locks");
        assert_eq!(container.status()?, "running", "as it was");
        command_on(&container, "checkpoint", &images, &["--file-locks"])?.ok();
        command_on(&container, "restore", &images, &["--file-locks", "--detach"])?.ok();
        container.exec(&["bash", "-c", "flock -n /tmp/lock true || echo held"])?.prints("held");
        Ok(())
    })
}

#[test]
fn a_unix_socket_with_a_peer_outside_is_kept_where_that_is_allowed() -> Outcome {
    let Some(tree) = debian::tree() else { return skip(debian::MISSING) };
    with_criu(|| {
        let script = "use IO::Socket::UNIX; \
                      my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => \"$ARGV[0]/socket\") or die; \
                      open(my $ask, '<', \"$ARGV[0]/answer\"); \
                      my $i = 0; while (<$ask>) { $i++; $s->send($i) }";
        let container = debian::debian(&tree, |config| {
            // CRIU looks for the peer in the container's own network namespace.
            config.args(&["perl", "-e", script]).without_namespace("network");
        })?;
        let mut ask = bell(&container)?;
        let outside = std::os::unix::net::UnixDatagram::bind(container.path("bell/socket"))?;
        outside.set_read_timeout(Some(crate::support::deadline()))?;
        let heard = |expected: &str| -> Outcome {
            let mut buffer = [0; 16];
            let length = outside.recv(&mut buffer)?;
            assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
            Ok(())
        };
        container.detach()?;
        ask.ring()?;
        heard("1")?;
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.fails(1, "--ext-unix-sk");
        ask.ring()?;
        heard("2")?;
        command_on(&container, "checkpoint", &images, &["--ext-unix-sk"])?.ok();
        command_on(&container, "restore", &images, &["--ext-unix-sk", "--detach"])?.ok();
        ask.ring()?;
        heard("3")
    })
}

/// A directory of the host, in the container under the same name, with a fifo in it: the program's first argument.
/// CRIU finds an outer socket again by the name that it has outside.
fn bell(container: &Container) -> anyhow::Result<Fifo> {
    let place = container.path("bell");
    fs::create_dir(&place)?;
    let text = place.to_string_lossy().into_owned();
    container.edit(|config| {
        config.mount(&text, "bind", &text, &["bind"]);
        config.push("/process/args", text.clone().into());
    })?;
    Fifo::make(&place.join("answer"))
}

#[test]
fn an_annotation_gives_criu_its_configuration() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        let file = counter.container.path("criu.conf");
        fs::write(&file, "log-file=mine.log\n")?;
        let name = file.to_string_lossy().into_owned();
        counter.container.edit(|config| {
            config["annotations"] = serde_json::json!({"org.criu.config": name});
        })?;
        counter.container.detach()?;
        counter.checkpoint(&[])?.ok();
        assert!(counter.images().join("mine.log").exists());
        fs::remove_file(counter.images().join("mine.log"))?;
        counter.restore(&[])?.ok();
        assert!(counter.images().join("mine.log").exists());
        Ok(())
    })
}

#[test]
fn the_network_can_be_locked_in_other_ways_than_by_iptables() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        counter.checkpoint(&["--network-lock", "skip"])?.ok();
        counter.restore(&["--network-lock", "skip", "--tcp-close"])?.ok();
        counter.counts(2)?;
        counter.checkpoint(&["--network-lock", "firewalld"])?.fails(1, "invalid network-lock value");
        counter.checkpoint(&["--manage-cgroups-mode", "none"])?.fails(1, "invalid manage-cgroups-mode");
        counter.checkpoint(&["--empty-ns", "pid"])?.fails(1, "is not supported");
        counter.checkpoint(&["--page-server", "nowhere"])?.fails(1, "--page-server ADDRESS:PORT");
        counter.counts(3)
    })
}

#[test]
fn every_way_to_manage_cgroups_brings_the_container_back_to_its_own() -> Outcome {
    with_criu(|| {
        // Not with strict: it wants that there is no cgroup yet, and a restored container's is there before CRIU.
        for mode in ["soft", "full", "ignore"] {
            let mut counter = Counter::new(|_| {})?;
            counter.container.detach()?;
            counter.counts(1)?;
            counter.checkpoint(&["--manage-cgroups-mode", mode])?.ok();
            counter.restore(&["--manage-cgroups-mode", mode])?.ok();
            counter.counts(2)?;
            assert_eq!(counter.container.members()?.len(), 1, "{mode}");
        }
        Ok(())
    })
}

#[test]
fn a_parent_is_a_directory_beside_the_images() -> Outcome {
    with_criu(|| {
        let counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.checkpoint(&["--parent-path", "/tmp"])?.fails(1, "--parent-path must be relative");
        counter.checkpoint(&["--parent-path", "../none"])?.fails(1, "invalid --parent-path");
        assert_eq!(counter.container.status()?, "running");
        Ok(())
    })
}

#[test]
fn a_pre_dump_is_the_parent_of_the_next() -> Outcome {
    with_criu(|| {
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let first = counter.container.path("first");
        let pre_dump = command_on(&counter.container, "checkpoint", &first, &["--pre-dump"])?;
        if !criu::has("mem_dirty_track") {
            pre_dump.fails(1, "--pre-dump is not possible");
            counter.counts(2)?;
            return skip("this kernel cannot track which memory has changed: refused, and no more to see");
        }
        pre_dump.ok();
        counter.counts(2)?;
        counter.checkpoint(&["--parent-path", "../first"])?.ok();
        assert!(counter.images().join("parent").exists());
        counter.restore(&[])?.ok();
        counter.counts(3)
    })
}

#[test]
fn lazy_pages_tell_when_they_are_served() -> Outcome {
    with_criu(|| {
        if !criu::has("uffd-noncoop") {
            return skip("this kernel has no userfaultfd for this");
        }
        let mut counter = Counter::new(|_| {})?;
        counter.container.detach()?;
        counter.counts(1)?;
        let mut status = Fifo::make(&counter.container.path("status"))?;
        // A port that nobody has now.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (images, id) = (counter.images().to_string_lossy().into_owned(), counter.container.id.clone());
        let server = format!("127.0.0.1:{port}");
        let words = ["checkpoint", "--image-path", &images, "--lazy-pages", "--page-server", &server];
        let checkpoint = counter
            .container
            .runtime(words.into_iter().chain(["--status-fd", "9", &id]))
            .env("PATH", criu::path())
            .after(&format!("exec 9>{}", counter.container.path("status").display()));
        let mut running = checkpoint.spawn()?;
        status.byte(0)?;
        assert!(counter.images().join("inventory.img").exists(), "all but memory is saved by then");
        // A client that wants nothing: CRIU takes that for the end.
        drop(std::net::TcpStream::connect(&server)?);
        running.wait()?;
        Ok(())
    })
}
