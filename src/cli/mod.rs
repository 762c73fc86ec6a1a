//! The command line: one file a command, flags and output as runc has them. Makes no system calls
//! of its own; everything that is done is done in `container/`.

mod arguments;
mod checkpoint;
mod create;
mod criu_flags;
mod delete;
mod duration;
mod events;
mod exec;
mod features;
mod globals;
mod help;
mod kill;
mod list;
mod output;
mod pause;
mod ps;
mod restore;
mod resume;
mod run;
mod size;
mod spec;
mod start;
mod state;
mod trace;
mod update;
mod values;
mod version;

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::container::Globals;
use crate::report::{Code, Error, Result};

use arguments::Fault;
pub use arguments::subcommand;
pub use globals::Logging;
pub use output::print;
pub use version::{VERSION, program_name};

/// The exit status of a usage error, as of any other.
const FAILED: u8 = 1;

/// The exit status where a program was to give its own.
const EXEC_FAILED: u8 = 255;

#[derive(Debug, Parser)]
#[command(about = help::ABOUT, disable_version_flag = true, args_override_self = true)]
struct CommandLine {
    #[command(flatten)]
    root: Root,
    #[command(subcommand)]
    command: Option<Command>,
}

/// All but the command.
#[derive(Debug, Parser)]
#[command(about = help::ABOUT, disable_version_flag = true, args_override_self = true)]
struct Root {
    #[command(flatten)]
    globals: globals::GlobalFlags,
    /// Print the version, and that of the specification
    #[arg(short = 'v', long)]
    version: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Checkpoint(checkpoint::Checkpoint),
    Create(create::Create),
    Delete(delete::Delete),
    Events(events::Events),
    Exec(exec::Exec),
    Features(features::Features),
    Kill(kill::Kill),
    List(list::List),
    Pause(pause::Pause),
    Ps(ps::Ps),
    Restore(restore::Restore),
    Resume(resume::Resume),
    Run(run::Run),
    Spec(spec::Spec),
    Start(start::Start),
    State(state::State),
    Update(update::Update),
}

type Define = fn(clap::Command) -> clap::Command;

/// How one command's definition is made. All of them together are a hundred pages of memory, which each start would
/// touch.
const DEFINITIONS: [(&str, Define); 17] = [
    ("checkpoint", checkpoint::Checkpoint::augment_args),
    ("create", create::Create::augment_args),
    ("delete", delete::Delete::augment_args),
    ("events", events::Events::augment_args),
    ("exec", exec::Exec::augment_args),
    ("features", features::Features::augment_args),
    ("kill", kill::Kill::augment_args),
    ("list", list::List::augment_args),
    ("pause", pause::Pause::augment_args),
    ("ps", ps::Ps::augment_args),
    ("restore", restore::Restore::augment_args),
    ("resume", resume::Resume::augment_args),
    ("run", run::Run::augment_args),
    ("spec", spec::Spec::augment_args),
    ("start", start::Start::augment_args),
    ("state", state::State::augment_args),
    ("update", update::Update::augment_args),
];

/// What a command line asks for.
pub enum Request {
    /// To print this, and no more.
    Print(String),
    /// To carry out a command.
    Carry(Box<Invocation>),
    /// Nothing that makes sense.
    Misused(Misuse),
}

/// A command line that cannot be carried out.
pub struct Misuse {
    /// What is wrong, and the help that says how it is done; for standard output.
    pub help: String,
    pub error: Error,
    /// Where the error is logged, as far as that could be read.
    pub logging: Logging,
    pub status: u8,
}

/// A command with its flags.
pub struct Invocation {
    logging: Logging,
    globals: globals::GlobalFlags,
    command: Command,
}

/// How a command failed.
pub struct Failure {
    pub error: Error,
    pub status: u8,
}

/// All commands, flags and arguments, with the layout of their help.
pub fn whole(program: &'static str) -> clap::Command {
    help::lay_out(definition(None), program)
}

/// Reads a command line. `arguments` has the program's name first.
pub fn parse(arguments: &[OsString]) -> Request {
    let named = subcommand(arguments);
    let mut definition = help::lay_out(definition(named.as_deref()), program_name());
    let plain = match arguments::normalize(&definition, arguments) {
        Ok(plain) => plain,
        Err(fault) => return Request::Misused(misuse(&mut definition, fault)),
    };
    let parsed = definition
        .try_get_matches_from_mut(&plain)
        .and_then(|mut matches| CommandLine::from_arg_matches_mut(&mut matches));
    match parsed {
        Ok(CommandLine { root: Root { version: true, .. }, .. }) => Request::Print(version::text()),
        Ok(CommandLine { command: None, .. }) => Request::Print(definition.render_help().to_string()),
        Ok(CommandLine { root: Root { globals, .. }, command: Some(command) }) => {
            Request::Carry(Box::new(Invocation { logging: globals.logging(), globals, command }))
        }
        Err(answer) if !answer.use_stderr() => Request::Print(answer.to_string()),
        Err(refusal) => {
            let fault = Fault::from_clap(&refusal, subcommand(arguments), plain);
            Request::Misused(misuse(&mut definition, fault))
        }
    }
}

/// Of the command that is named; of all where none is, or none of ours.
fn definition(named: Option<&str>) -> clap::Command {
    match DEFINITIONS.iter().find(|(name, _)| Some(*name) == named) {
        // Its own `help` command would have a copy of every other.
        Some((name, augment)) => {
            Root::command().disable_help_subcommand(true).subcommand(augment(clap::Command::new(name)))
        }
        None => CommandLine::command(),
    }
}

fn misuse(definition: &mut clap::Command, fault: Fault) -> Misuse {
    let help = match fault.command.as_deref().and_then(|name| definition.find_subcommand_mut(name)) {
        Some(command) => command.render_help(),
        None => definition.render_help(),
    };
    let error = Error::new(Code::Usage, &fault.text);
    Misuse {
        // The error's text, and not the fault's: that may hold what a terminal would act on.
        help: format!("Incorrect Usage. {}\n\n{help}", error.text()),
        error: fault.hint.into_iter().fold(error, Error::hint),
        logging: Logging::scan(&fault.read),
        status: fault.status,
    }
}

impl Invocation {
    /// Carries it out; the exit status of what ran, or 0. `ready` is what had to come first.
    pub fn carry_out(self, ready: Result<()>) -> std::result::Result<u8, Failure> {
        let failed = self.command.failure();
        self.logging.open().map_err(|error| Failure { error, status: FAILED })?;
        ready.map_err(failed)?;
        let globals = self.globals.resolve().map_err(|error| Failure { error, status: FAILED })?;
        self.command.carry_out(&globals).map_err(failed)
    }
}

impl Command {
    fn carry_out(self, globals: &Globals) -> Result<u8> {
        match self {
            Command::Checkpoint(command) => apart(|| command.carry_out(globals)),
            Command::Create(command) => apart(|| command.carry_out(globals)),
            Command::Delete(command) => apart(|| command.carry_out(globals)),
            Command::Events(command) => apart(|| command.carry_out(globals)),
            Command::Exec(command) => apart(|| command.carry_out(globals)),
            Command::Features(command) => apart(|| command.carry_out()),
            Command::Kill(command) => apart(|| command.carry_out(globals)),
            Command::List(command) => apart(|| command.carry_out(globals)),
            Command::Pause(command) => apart(|| command.carry_out(globals)),
            Command::Ps(command) => apart(|| command.carry_out(globals)),
            Command::Restore(command) => apart(|| command.carry_out(globals)),
            Command::Resume(command) => apart(|| command.carry_out(globals)),
            Command::Run(command) => apart(|| command.carry_out(globals)),
            Command::Spec(command) => apart(|| command.carry_out()),
            Command::Start(command) => apart(|| command.carry_out(globals)),
            Command::State(command) => apart(|| command.carry_out(globals)),
            Command::Update(command) => apart(|| command.carry_out(globals)),
        }
    }

    /// How its failures are told: callers know these words and this status.
    fn failure(&self) -> fn(Error) -> Failure {
        match self {
            Command::Create(_) => |error| Failure {
                error: error.context(format!("{} create failed", program_name())),
                status: FAILED,
            },
            // In the place of the program, as the program's own failure.
            Command::Run(_) => |error| match error.kind() {
                Code::Exec => Failure { error, status: EXEC_FAILED },
                _ => {
                    Failure { error: error.context(format!("{} run failed", program_name())), status: FAILED }
                }
            },
            // Any other status could be that of the program that was to run.
            Command::Exec(_) => |error| Failure { error: error.context("exec failed"), status: EXEC_FAILED },
            _ => |error| Failure { error, status: FAILED },
        }
    }
}

/// What one command does, and no part of another: in one function, they would have 32 KB of stack together, which each
/// start touches.
#[inline(never)]
fn apart<T>(carry_out: impl FnOnce() -> T) -> T {
    carry_out()
}

#[cfg(test)]
mod tests;
