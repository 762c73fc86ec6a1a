//! Files that processes have open: removed ones, locked ones, sockets with a peer outside.

use std::fs;

use super::counter::bell;
use crate::debian;
use crate::support::criu::{command_on, with_criu};
use crate::support::{Container, Outcome, skip};

#[test]
fn a_file_that_was_removed_while_open_is_saved_with_its_content() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            config.shell(
                "printf 'one\\ntwo\\n' > /file; exec 8< /file; read first <&8; rm /file; echo up > /answer; \
                 read go < /ask; read second <&8; echo $first $second > /answer; sleep 1000",
            );
        })?;
        let (mut ask, mut answer) = (container.fifo("ask")?, container.fifo("answer")?);
        container.detach()?;
        assert_eq!(answer.line()?, "up");
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.ok();
        command_on(&container, "restore", &images, &["--detach"])?.ok();
        ask.ring()?;
        assert_eq!(answer.line()?, "one two");
        assert!(!container.rootfs().join("file").exists());
        Ok(())
    })
}

#[test]
fn a_removed_name_of_a_file_that_has_others_is_linked_back_where_that_is_allowed() -> Outcome {
    with_criu(|| {
        let container = Container::with(|config| {
            config.shell(
                "echo one > /file; ln /file /other; exec 8>> /file; rm /file; echo up > /answer; \
                 read go < /ask; echo two >&8; cat /other > /answer; sleep 1000",
            );
        })?;
        let (mut ask, mut answer) = (container.fifo("ask")?, container.fifo("answer")?);
        container.detach()?;
        assert_eq!(answer.line()?, "up");
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.fails(1, "--link-remap");
        assert_eq!(container.status()?, "running");
        command_on(&container, "checkpoint", &images, &["--link-remap"])?.ok();
        command_on(&container, "restore", &images, &["--detach"])?.ok();
        ask.ring()?;
        assert_eq!((answer.line()?, answer.line()?), ("one".into(), "two".into()));
        let names = fs::read_dir(container.rootfs())?.map(|entry| Ok(entry?.file_name()));
        let names: Vec<_> = names.collect::<std::io::Result<_>>()?;
        assert!(
            !names.iter().any(|name| name == "file" || name.to_string_lossy().contains("remap")),
            "{names:?}"
        );
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
