//! The last acts: the filter, the environment, the descriptors, execve.

use std::ffi::{CString, NulError};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::command;
use super::executable::find_home;
use super::identity::{hold_cwd, may_set_groups};
use crate::fail;
use crate::linux::{environment, fd, process, seccomp, signal};
use crate::plan::{Command, Step};
use crate::report::{Code, Context as _, Error, Result, log};
use crate::stage::context::{Context, Gate};

/// Installs the filter that the parent compiled. A listener goes to the parent at once.
///
/// A profile made for an older runtime forbids the newer calls of ours (openat2, close_range): what needs them is
/// done before.
pub fn load_seccomp(context: &mut Context, steps: &[Step]) -> Result<()> {
    let Some(filter) = context.prepared.filter.take() else {
        fail!(Code::Internal, "the seccomp filter was not compiled");
    };
    let_go(context, steps)?;
    let listener = seccomp::install(&filter.program, filter.flags).context("load the seccomp filter")?;
    context.filtered = true;
    match listener {
        Some(listener) if filter.notifies_sendmsg => context.channel.offer_listener(listener.as_fd()),
        Some(listener) => context.channel.send_listener(listener.as_fd()),
        None => Ok(()),
    }
}

/// Does what takes descriptors of the host or newer calls, and closes what no later step needs.
fn let_go(context: &mut Context, steps: &[Step]) -> Result<()> {
    find_home(context, steps);
    hold_cwd(context, steps);
    if context.user_namespace {
        may_set_groups(context)?;
    }
    fd::close_from(first_private_fd(steps), &held(context)).context("close descriptors")
}

/// Lets the container's user look into this process, when there is nothing of the host left to see in it: who may look
/// may also take its descriptors.
///
/// What the kernel keeps a user from by a process that is not dumpable is not only to trace it, but to join its
/// namespaces (`man 2 ptrace`, PTRACE_MODE_READ), unless its program was executed in the user's own namespace.
pub fn let_user_in(context: &mut Context, steps: &[Step]) -> Result<()> {
    if !context.filtered {
        let_go(context, steps)?;
    }
    environment::erase();
    process::set_dumpable(true).context("become dumpable")
}

/// Closes the little that the filter found open, but for the gate: one by one, since it may not allow close_range.
pub fn close_rest(context: &Context, gate: RawFd) -> Result<()> {
    held(context).into_iter().filter(|number| *number != gate).try_for_each(|number| {
        nix::unistd::close(number).with_context(|| format!("close descriptor {number}"))
    })
}

/// What is needed after the filter, up to the commit.
fn held(context: &Context) -> Vec<RawFd> {
    let mut held = vec![context.channel.raw()];
    if let Gate::Fifo(fifo) = &context.gate {
        held.push(fifo.as_raw_fd());
    }
    held.extend(context.cwd.as_ref().map(AsRawFd::as_raw_fd));
    held.extend(context.root.as_ref().map(|root| root.as_fd().as_raw_fd()));
    held.extend(log::descriptor().map(|file| file.as_raw_fd()));
    held
}

/// The program's environment, HOME added where it had none.
pub fn environment(context: &Context, steps: &[Step]) -> Vec<String> {
    let env = command(steps).map(|command| command.env.clone()).unwrap_or_default();
    with_home(env, context)
}

fn with_home(mut env: Vec<String>, context: &Context) -> Vec<String> {
    if let Some(home) = &context.home {
        env.push(format!("HOME={home}"));
    }
    env
}

/// The first descriptor that the program does not keep.
pub fn first_private_fd(steps: &[Step]) -> RawFd {
    3 + command(steps).map_or(0, |command| command.extra_fds as RawFd)
}

/// Becomes the program. The dispositions of signals were reset at the beginning; handlers end here.
pub fn execute(context: &mut Context, command: &Command) -> Result<()> {
    let Some(path) = &context.executable else {
        fail!(Code::Internal, "the program was not looked up");
    };
    let file = CString::new(path.as_os_str().as_bytes()).context("the program's path")?;
    let args = c_strings(&command.args).context("the program's arguments")?;
    let env = c_strings(&with_home(command.env.clone(), context)).context("the program's environment")?;
    for number in 3..3 + command.extra_fds as RawFd {
        fd::set_cloexec(number, false).with_context(|| format!("keep descriptor {number}"))?;
    }
    signal::unblock_all().context("let signals through")?;
    let errno = process::execute(&file, &args, &env);
    let error = Error::from(errno).context(format!("exec {}", path.display())).code(Code::Exec);
    Err(match hint(errno) {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

fn c_strings(texts: &[String]) -> std::result::Result<Vec<CString>, NulError> {
    texts.iter().map(|text| CString::new(text.as_str())).collect()
}

/// What the kernel's short answers to execve usually mean.
fn hint(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::ENOENT => Some(
            "the file is there, so its interpreter is not: the #! line's program (does the line end in CR LF?) or the ELF loader",
        ),
        Errno::ENOEXEC => Some("not a program of this machine's architecture, or a script without a #! line"),
        Errno::EACCES => Some("is its filesystem mounted noexec, or its interpreter not executable?"),
        Errno::E2BIG => Some("arguments and environment together are too long"),
        _ => None,
    }
}
