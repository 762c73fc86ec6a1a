//! The layout of help, as users of runc know it, and its longer texts.

use clap::Command;

pub const ABOUT: &str = "Open Container Initiative runtime";

const OVERVIEW: &str = "\
trug makes one container of one bundle and gets out of the way. A bundle is a directory with a
config.json and a root filesystem; `trug spec` writes a config.json to begin with.

Examples:
   trug run mine                       run the bundle in this directory
   trug run -b /bundles/web -d web     run another in the background
   trug exec -t web sh                 open a shell in it
   trug kill web KILL; trug delete web";

const LAYOUT: &str = "\
NAME:
   {bin} - {about}

USAGE:
   {usage}

{all-args}

{after-help}";

/// Gives the whole command line this layout.
pub fn lay_out(definition: Command) -> Command {
    definition
        .help_template(LAYOUT)
        .after_help(OVERVIEW)
        .subcommand_help_heading("Commands")
        .mut_subcommands(|command| command.help_template(LAYOUT).args_override_self(true))
}
