//! Command lines as callers of runc write them, put into the one form that clap reads.
//!
//! Callers use Go's habits: `-no-subreaper` beside `--no-subreaper`, `--flag=value` beside
//! `--flag value` (whatever the value begins with), `--detach=true`. Where a command has arguments
//! after the container's id, everything from the id on is theirs. The outcome is always
//! `command --flag=value … -- argument …`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use super::values::boolean;
use super::version::program_name;

/// Global flags that have a value; `scan` must know them without building the whole definition.
pub(super) const GLOBAL_VALUES: [&str; 6] =
    ["cgroup-manager", "criu", "log", "log-format", "root", "rootless"];

/// What is wrong with a command line.
#[derive(Debug)]
pub struct Fault {
    /// The command whose help is wanted.
    pub command: Option<String>,
    pub text: String,
    pub hint: Option<String>,
    pub status: u8,
    /// The plain form of what could be read.
    pub read: Vec<OsString>,
}

impl Fault {
    /// From a refusal of clap's, which had a line in plain form.
    pub fn from_clap(refusal: &clap::Error, command: Option<String>, read: Vec<OsString>) -> Self {
        let rendered = refusal.to_string();
        // An empty line parts what is wrong from the usage.
        let what = rendered.split("\n\n").next().unwrap_or_default();
        let text = what.strip_prefix("error: ").unwrap_or(what).replace('\n', " ");
        Self { command, text, hint: None, status: super::FAILED, read }
    }
}

/// The command that a line names, found without building anything: what comes first in `main` hangs on it.
pub fn subcommand(arguments: &[OsString]) -> Option<String> {
    let mut rest = arguments.iter().skip(1);
    while let Some(token) = rest.next() {
        match Token::of(token) {
            Token::Flag { name, value: None } if GLOBAL_VALUES.iter().any(|known| name == *known) => {
                rest.next();
            }
            Token::Flag { .. } | Token::Separator => {}
            Token::Argument => return token.to_str().map(str::to_owned),
        }
    }
    None
}

/// The plain form of a line. `definition` must be built; `arguments` has the program's name first.
pub fn normalize(definition: &Command, arguments: &[OsString]) -> Result<Vec<OsString>, Fault> {
    let mut reader =
        Reader { definition, rest: arguments.iter(), globals: Vec::new(), command: Vec::new(), help: false };
    reader.globals.extend(reader.rest.next().cloned());
    let read = reader.read();
    let plain = [reader.globals, reader.command].concat();
    match read {
        Ok(()) => Ok(plain),
        Err(fault) => Err(Fault { read: plain, ..fault }),
    }
}

/// One word of a line.
enum Token<'a> {
    /// `--name`, `-name`, `--name=value`.
    Flag {
        name: &'a OsStr,
        value: Option<&'a OsStr>,
    },
    /// `--`
    Separator,
    Argument,
}

impl<'a> Token<'a> {
    fn of(text: &'a OsStr) -> Self {
        let bytes = text.as_bytes();
        let name = match bytes {
            b"--" => return Token::Separator,
            [b'-', b'-', name @ ..] => name,
            // Not a flag: `-`, and a number as in `kill ID -9`.
            [b'-', first, ..] if first.is_ascii_alphabetic() => &bytes[1..],
            _ => return Token::Argument,
        };
        match name.iter().position(|byte| *byte == b'=') {
            Some(at) => Token::Flag {
                name: OsStr::from_bytes(&name[..at]),
                value: Some(OsStr::from_bytes(&name[at + 1..])),
            },
            None => Token::Flag { name: OsStr::from_bytes(name), value: None },
        }
    }
}

struct Reader<'a> {
    definition: &'a Command,
    rest: std::slice::Iter<'a, OsString>,
    /// The program's name and the global flags, wherever they stood.
    globals: Vec<OsString>,
    /// The command and all that is its own.
    command: Vec<OsString>,
    /// Help is asked for, so the rest need not be complete.
    help: bool,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Result<(), Fault> {
        while let Some(token) = self.rest.next() {
            match Token::of(token) {
                Token::Flag { name, value } => self.flag(None, token, name, value)?,
                Token::Separator => {}
                Token::Argument => return self.command(token),
            }
        }
        Ok(())
    }

    fn command(&mut self, name: &'a OsString) -> Result<(), Fault> {
        let Some(command) = self.definition.find_subcommand(name) else {
            return Err(unknown_command(self.definition, name));
        };
        self.command.push(name.clone());
        if command.get_name() == "help" {
            self.command.extend(self.rest.by_ref().cloned());
            return Ok(());
        }
        let arguments = self.flags_and_arguments(command)?;
        if !self.help {
            check_count(command, arguments.len())?;
        }
        self.command.push("--".into());
        self.command.extend(arguments);
        Ok(())
    }

    /// Takes the flags in, and returns the arguments.
    fn flags_and_arguments(&mut self, command: &Command) -> Result<Vec<OsString>, Fault> {
        let rest_is_theirs = command.get_positionals().count() > 1;
        let mut arguments = Vec::new();
        while let Some(token) = self.rest.next() {
            match Token::of(token) {
                Token::Flag { name, value } => {
                    self.flag(Some(command), token, name, value)?;
                    continue;
                }
                Token::Separator => {}
                Token::Argument => {
                    arguments.push(token.clone());
                    if !rest_is_theirs {
                        continue;
                    }
                    // One separator straight after the id is ours.
                    if let Some(next) = self.rest.next().filter(|next| *next != "--") {
                        arguments.push(next.clone());
                    }
                }
            }
            arguments.extend(self.rest.by_ref().cloned());
        }
        Ok(arguments)
    }

    /// A flag of the command, or else a global one.
    fn flag(
        &mut self,
        command: Option<&Command>,
        token: &OsStr,
        name: &OsStr,
        value: Option<&OsStr>,
    ) -> Result<(), Fault> {
        let fault = |text: String| Fault::new(command, text);
        let own = command.and_then(|command| find_flag(command, name));
        let plain = if own.is_some() { &mut self.command } else { &mut self.globals };
        let Some((flag, long)) = own.or_else(|| find_flag(self.definition, name)) else {
            let fault = fault(format!("flag provided but not defined: -{}", name.display()));
            return Err(Fault { hint: similar(command.unwrap_or(self.definition), name), ..fault });
        };
        if !needs_value(flag) {
            let Some(on) = value.map_or(Some(true), |value| value.to_str().and_then(boolean)) else {
                let value = value.unwrap_or_default();
                return Err(fault(format!("invalid value {value:?} for flag -{long}: not true or false")));
            };
            // The last one counts.
            let word = OsString::from(format!("--{long}"));
            plain.retain(|earlier| *earlier != word);
            if flag.get_action().takes_values() {
                plain.push(format!("--{long}={on}").into());
            } else if on {
                self.help |= is_help(flag);
                plain.push(word);
            }
            return Ok(());
        }
        let Some(value) = value.or_else(|| self.rest.next().map(OsString::as_os_str)) else {
            return Err(fault(format!("flag needs an argument: {}", token.display())));
        };
        let mut word = format!("--{long}=").into_bytes();
        word.extend(value.as_bytes());
        plain.push(OsString::from_vec(word));
        Ok(())
    }
}

impl Fault {
    fn new(command: Option<&Command>, text: String) -> Self {
        let command = command.map(|command| command.get_name().to_owned());
        Self { command, text, hint: None, status: super::FAILED, read: Vec::new() }
    }
}

/// Not so for what is on or off, also where saying nothing is a third thing.
fn needs_value(flag: &Arg) -> bool {
    flag.get_action().takes_values() && flag.get_num_args().is_none_or(|range| range.min_values() > 0)
}

/// A flag by its long name or its letter, and the long name.
fn find_flag<'c>(level: &'c Command, name: &OsStr) -> Option<(&'c Arg, &'c str)> {
    let name = name.to_str()?;
    let letter = Some(name.chars().next()?).filter(|letter| letter.len_utf8() == name.len());
    level.get_arguments().find_map(|flag| {
        let long = flag.get_long()?;
        (long == name || letter.is_some_and(|letter| flag.get_short() == Some(letter)))
            .then_some((flag, long))
    })
}

/// The words and the statuses are those that callers know.
fn unknown_command(definition: &Command, name: &OsStr) -> Fault {
    let fault = Fault::new(None, format!("No help topic for '{}'", name.display()));
    let hint = suggestion(definition, name, ContextKind::SuggestedSubcommand);
    Fault { hint, status: 3, ..fault }
}

fn similar(level: &Command, name: &OsStr) -> Option<String> {
    let mut flag = OsString::from("--");
    flag.push(name);
    suggestion(level, &flag, ContextKind::SuggestedArg)
}

fn suggestion(level: &Command, word: &OsStr, kind: ContextKind) -> Option<String> {
    let refusal = level.clone().try_get_matches_from([OsStr::new("trug"), word]).err()?;
    match refusal.get(kind)? {
        ContextValue::String(word) => Some(format!("did you mean {word}?")),
        ContextValue::Strings(words) => Some(format!("did you mean {}?", words.last()?)),
        _ => None,
    }
}

fn check_count(command: &Command, count: usize) -> Result<(), Fault> {
    let least = command.get_positionals().filter(|argument| argument.is_required_set()).count();
    let most = command.get_positionals().map(most_values).fold(0, usize::saturating_add);
    let what = if least == most && count != least {
        format!("exactly {least}")
    } else if count < least {
        format!("a minimum of {least}")
    } else if count > most {
        format!("a maximum of {most}")
    } else {
        return Ok(());
    };
    let name = command.get_name();
    let text = format!("{}: {name:?} requires {what} argument(s)", program_name());
    Err(Fault::new(Some(command), text))
}

fn most_values(argument: &Arg) -> usize {
    argument.get_num_args().map_or(1, |range| range.max_values())
}

fn is_help(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong)
}
