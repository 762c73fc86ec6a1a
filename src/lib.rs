//! trug: an OCI low-level container runtime. Seal, parse, dispatch, exit status.
//!
//! A library only for the program beside it, for the fuzz targets (`fuzz/`) and for what writes the man pages
//! (`docs/generate`): `main` is all there is to call.

mod bundle;
mod cgroup;
mod cli;
mod container;
mod criu;
#[cfg(fuzzing)]
pub mod fuzzing;
mod linux;
mod plan;
mod report;
mod stage;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::process::exit;

use cli::Request;
/// The version, and the command line as data, for what documents them.
pub use cli::{VERSION, whole as command_line};
#[cfg(target_env = "musl")]
pub use linux::heap::Heap;
use report::{Code, Context, Error, Result, log, trace};

/// Commands that enter a container: its processes must not reach this program's file.
const ENTERING: [&str; 4] = ["create", "exec", "restore", "run"];

/// The program. It ends without the destructors of libraries and of libc: what it prints is flushed at once.
pub fn main() -> ! {
    linux::process::exit_now(carry_out().into())
}

/// What the command line asks for; the exit status.
fn carry_out() -> u8 {
    std::panic::set_hook(Box::new(tell_of_bug));
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before anything else: once a container can see us, it is too late.
    let sealed = seal(&arguments);
    match cli::parse(&arguments) {
        Request::Print(text) => match cli::print(&text) {
            Ok(()) => 0,
            Err(error) => fail_with(&error, 1),
        },
        Request::Misused(misuse) => {
            let told = misuse.logging.open().and_then(|()| cli::print(&misuse.help));
            fail_with(&misuse.error.and(told), misuse.status)
        }
        Request::Carry(invocation) => {
            let ended = invocation.carry_out(sealed);
            trace::finish();
            match ended {
                Ok(status) => status,
                Err(failure) => fail_with(&failure.error, failure.status),
            }
        }
    }
}

fn seal(arguments: &[OsString]) -> Result<()> {
    let command = cli::subcommand(arguments).unwrap_or_default();
    if ENTERING.contains(&command.as_str()) {
        // Asked once, in the sealed turn; a call that the seal itself lacks is told of first.
        let sealed = linux::seal::ensure().context("seal our own program file");
        require_kernel()?;
        sealed?;
    }
    #[cfg(target_env = "musl")]
    linux::musl::protect_relocated().context("make read-only what was relocated")?;
    linux::inherited::claim().context("keep inherited descriptors from our children")
}

/// One line before anything is made, rather than some call's ENOSYS in the middle of it.
fn require_kernel() -> Result<()> {
    let missing = linux::host::missing_calls();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("this kernel, or a seccomp filter around us, lacks: {}", missing.join(", "));
    Err(Error::new(Code::System, text)
        .hint("Linux 5.14 or later is needed; in a container, a seccomp profile that allows these calls"))
}

/// Callers read the log or standard error, so it goes to both.
fn fail_with(error: &Error, status: u8) -> u8 {
    if error.kind() == Code::Exec && !log::to_file() {
        tell_as_the_program(error);
        return status;
    }
    log::error(error);
    if log::to_file() {
        log::tell(error);
    }
    status
}

/// A program that could not be executed says so as a shell would, in one line; a person gets the hint too.
fn tell_as_the_program(error: &Error) {
    log::tell(error.plain());
    if let Some(hint) = error.advice().filter(|_| std::io::stderr().is_terminal()) {
        log::tell(format!("hint: {hint}"));
    }
}

/// A panic is a bug, and still one line and no more.
fn tell_of_bug(panic: &PanicHookInfo) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let error = Error::new(Code::Internal, format!("internal error: {text}{place}; please report it"));
    fail_with(&error, 1);
    exit(1);
}
