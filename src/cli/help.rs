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
   trug kill web KILL; trug delete web

Every command has its own --help; global options can stand before or after its name.";

/// Gives the whole command line this layout, and builds it.
pub fn lay_out(definition: Command, program: &'static str) -> Command {
    let definition = definition.name(program).bin_name(program).help_template(layout(program));
    let mut definition =
        definition.after_help(OVERVIEW).subcommand_help_heading("Commands").mut_subcommands(|command| {
            let name = format!("{program} {}", command.get_name());
            command.help_template(layout(&name)).args_override_self(true)
        });
    definition.build();
    definition
}

fn layout(name: &str) -> String {
    format!("NAME:\n   {name} - {{about}}\n\nUSAGE:\n   {{usage}}\n\n{{all-args}}{{after-help}}")
}
