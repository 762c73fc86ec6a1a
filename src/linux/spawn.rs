//! Programs of the host that we start by `std::process::Command` (hooks, ps, criu).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::Result;

/// Ties the program's life to ours, and lets it start with every signal unblocked and at its default, whatever we
/// block to read by descriptor. (std restores only what it changed itself.)
pub fn prepare(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let between = move || {
        super::process::set_parent_death_signal(Some(Signal::SIGKILL))?;
        // We may have died before that was set. (A parent in another pid namespace reads as 0.)
        if ![parent, Pid::from_raw(0)].contains(&nix::unistd::getppid()) {
            super::process::exit_now(1);
        }
        super::signal::reset().map_err(std::io::Error::from)
    };
    // SAFETY: the closure runs between fork and exec and makes system calls only: no allocation, no
    // lock, no access to memory that another thread could be changing (there is none).
    unsafe {
        command.pre_exec(between);
    }
}

/// Lets it start with clean signals too, but live on without us.
pub fn untie(command: &mut Command) {
    // SAFETY: as above.
    unsafe {
        command.pre_exec(|| super::signal::reset().map_err(std::io::Error::from));
    }
}

/// Gives the program these descriptors as `first`, `first + 1`, …
pub fn pass(command: &mut Command, first: RawFd, descriptors: Vec<OwnedFd>) -> Result<()> {
    let above = first + descriptors.len() as RawFd;
    // Copies out of the way of those numbers: none is overwritten before it has been placed.
    let copies: Vec<OwnedFd> = descriptors.iter().map(|fd| copy_from(fd, above)).collect::<Result<_>>()?;
    // And none of the numbers is left, or becomes free, for the pipe by which the child tells us that it could not
    // execute.
    let mut fillers = Vec::new();
    while let Some(fd) = descriptors.first() {
        let filler = copy_from(fd, first)?;
        if filler.as_raw_fd() >= above {
            break;
        }
        fillers.push(filler);
    }
    let between = move || {
        let _held = (&descriptors, &fillers);
        for (number, copy) in (first..).zip(&copies) {
            super::fd::place(copy.as_fd(), number, false).map_err(std::io::Error::from)?;
        }
        Ok(())
    };
    // SAFETY: as above; the copies live as long as the command does.
    unsafe {
        command.pre_exec(between);
    }
    Ok(())
}

/// A copy at the lowest number from `least` on that is free.
fn copy_from(fd: &OwnedFd, least: RawFd) -> Result<OwnedFd> {
    let number = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(least))?;
    // SAFETY: the kernel has just given us this number, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn descriptors_arrive_at_their_numbers_and_a_missing_program_is_still_an_error() {
        in_child(|| {
            let mut pipes = Vec::new();
            let mut given = Vec::new();
            for _ in 0..4 {
                let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
                pipes.push(std::fs::File::from(reader));
                given.push(writer);
            }
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "for n in 3 4 5 6; do echo $n >&$n; done"]);
            pass(&mut command, 3, given).unwrap();
            assert!(command.status().unwrap().success());
            drop(command);
            for (mut pipe, expected) in pipes.into_iter().zip(["3\n", "4\n", "5\n", "6\n"]) {
                let mut text = String::new();
                pipe.read_to_string(&mut text).unwrap();
                assert_eq!(text, expected);
            }
            let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
            let mut missing = Command::new("/nonexistent");
            pass(&mut missing, 3, vec![null(), null(), null(), null()]).unwrap();
            assert_eq!(missing.spawn().map(drop).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        });
    }
}
