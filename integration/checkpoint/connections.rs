//! TCP connections: kept, closed, left out, each only where that is asked for.

use super::counter::bell;
use crate::debian;
use crate::support::criu::{command_on, with_criu};
use crate::support::{Container, Fifo, Outcome, skip};

/// A client that sends what it reads from `/ask` to an echo server in the same container, and writes what comes back
/// to `/answer`; then `after`. Port 7000 is 1B58.
fn client_and_server(after: &str) -> anyhow::Result<(Container, Fifo, Fifo)> {
    let container = Container::with(|config| {
        config.shell(&format!(
            "nc -l -p 7000 -e cat & \
             while ! grep -q :1B58 /proc/net/tcp*; do :; done; nc 127.0.0.1 7000 < /ask > /answer {after}"
        ));
    })?;
    let (ask, answer) = (container.fifo("ask")?, container.fifo("answer")?);
    Ok((container, ask, answer))
}

#[test]
fn a_connection_on_the_loopback_interface_goes_on() -> Outcome {
    with_criu(|| {
        let (container, mut ask, mut answer) = client_and_server("")?;
        container.detach()?;
        ask.ring()?;
        assert_eq!(answer.line()?, "go");
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &[])?.fails(1, "--tcp-established");
        assert_eq!(container.status()?, "running");
        ask.ring()?;
        assert_eq!(answer.line()?, "go", "the connection is as before the failure");
        command_on(&container, "checkpoint", &images, &["--tcp-established"])?.ok();
        command_on(&container, "restore", &images, &["--detach"])?.fails(1, "--tcp-established");
        command_on(&container, "restore", &images, &["--tcp-established", "--detach"])?.ok();
        ask.ring()?;
        assert_eq!(answer.line()?, "go");
        Ok(())
    })
}

#[test]
fn a_connection_comes_back_closed_where_that_is_asked_for() -> Outcome {
    with_criu(|| {
        let (container, mut ask, mut answer) =
            client_and_server("|| true; echo closed > /answer; sleep 1000")?;
        container.detach()?;
        ask.ring()?;
        assert_eq!(answer.line()?, "go");
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &["--tcp-established"])?.ok();
        command_on(&container, "restore", &images, &["--tcp-close", "--detach"])?.ok();
        assert_eq!(answer.line()?, "closed");
        Ok(())
    })
}

#[test]
fn a_connection_that_nobody_has_accepted_is_left_out_where_that_is_asked_for() -> Outcome {
    let Some(tree) = debian::tree() else { return skip(debian::MISSING) };
    with_criu(|| {
        let script = "use IO::Socket::INET; \
                      my $l = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', LocalPort => 7000) or die; \
                      my $c = IO::Socket::INET->new('127.0.0.1:7000') or die; \
                      open(my $answer, '>', \"$ARGV[0]/answer\"); $answer->autoflush(1); print $answer \"up\\n\"; \
                      open(my $ask, '<', \"$ARGV[0]/ask\"); <$ask>; \
                      my $d = IO::Socket::INET->new('127.0.0.1:7000') or die; print $answer \"again\\n\"; sleep 1000";
        let container = debian::debian(&tree, |config| {
            config.args(&["perl", "-e", script]);
        })?;
        let mut answer = bell(&container)?;
        let mut ask = Fifo::make(&container.path("bell/ask"))?;
        container.detach()?;
        assert_eq!(answer.line()?, "up");
        let images = container.path("images");
        command_on(&container, "checkpoint", &images, &["--tcp-established"])?
            .fails(1, "--tcp-skip-in-flight");
        assert_eq!(container.status()?, "running");
        let flags = ["--tcp-established", "--tcp-skip-in-flight"];
        command_on(&container, "checkpoint", &images, &flags)?.ok();
        command_on(&container, "restore", &images, &["--tcp-established", "--detach"])?.ok();
        ask.ring()?;
        assert_eq!(answer.line()?, "again", "it listens again");
        Ok(())
    })
}
