//! Writes trug's man pages and its completions for shells, from the same definitions that it reads its command line by.
//! A program of its own, so that none of this is in trug.
//!
//! usage: trug-docs DIRECTORY

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::Resettable;
use clap::{Command, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;

/// Commands for administrators (`man 7 man-pages`).
const SECTION: &str = "8";
/// The command that has no page of its own, as the generator lists it.
const HELP_COMMAND: &str = ".TP\ntrug\\-help(8)\nPrint this message or the help of the given subcommand(s)\n";
const SEE_ALSO: &str = ".SH SEE ALSO\n.BR trug (8),\n.BR runc (8)\n";

fn main() -> Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).context("usage: trug-docs DIRECTORY")?);
    let definition = trug::command_line("trug");
    write_man_pages(&definition, &directory.join("man"))?;
    write_completions(definition, &directory.join("completions"))
}

fn write_man_pages(definition: &Command, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    write_man_page(definition, "trug", directory)?;
    for command in definition.get_subcommands().filter(|command| command.get_name() != "help") {
        write_man_page(command, &format!("trug-{}", command.get_name()), directory)?;
    }
    Ok(())
}

fn write_man_page(command: &Command, name: &str, directory: &Path) -> Result<()> {
    let file = directory.join(format!("{name}.{SECTION}"));
    let mut page = Vec::new();
    let examples = command.get_after_help().map(|text| text.to_string());
    // Set as they are: the generator would fill their lines.
    let command =
        command.clone().display_name(name).after_help(Resettable::Reset).disable_help_subcommand(true);
    let man = Man::new(command).section(SECTION).manual("trug").source(format!("trug {}", trug::VERSION));
    man.render(&mut page)?;
    let mut page = String::from_utf8(page)?.replace(HELP_COMMAND, "");
    if let Some(text) = examples {
        page.push_str(&notes(&text));
    }
    page.push_str(SEE_ALSO);
    fs::write(&file, page).with_context(|| format!("write {}", file.display()))
}

/// What stands after the flags in a command's help: paragraphs, and examples that keep their lines.
fn notes(text: &str) -> String {
    let mut page = String::from(".SH NOTES\n");
    for paragraph in text.split("\n\n") {
        let lines = paragraph.lines().map(escaped).collect::<Vec<_>>().join("\n");
        match paragraph.lines().any(|line| line.starts_with(' ')) {
            true => page.push_str(&format!(".PP\n.nf\n{lines}\n.fi\n")),
            false => page.push_str(&format!(".PP\n{lines}\n")),
        }
    }
    page
}

/// A line of text in the language of man pages (`man 7 groff_man`).
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line,
    }
}

fn write_completions(definition: Command, directory: &Path) -> Result<()> {
    let mut definition = hinted(definition);
    for (shell, file) in [(Shell::Bash, "trug.bash"), (Shell::Fish, "trug.fish"), (Shell::Zsh, "_trug")] {
        fs::create_dir_all(directory)?;
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut definition, "trug", &mut text);
        let file = directory.join(file);
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// Says of each value what a shell can offer for it, which its name tells.
fn hinted(command: Command) -> Command {
    let hint_of = |name: &str| match name {
        "FILE" | "SOCKET" => ValueHint::FilePath,
        "DIRECTORY" => ValueHint::DirPath,
        "PATH" => ValueHint::AnyPath,
        _ => ValueHint::Unknown,
    };
    command
        .mut_args(|argument| {
            let name =
                argument.get_value_names().and_then(|names| names.first()).map(|name| name.to_string());
            argument.value_hint(hint_of(&name.unwrap_or_default()))
        })
        .mut_subcommands(hinted)
}
