//! `hooks` (config.md#posix-platform-hooks).

use std::fmt::Arguments;

use oci_spec::runtime::{Hook, Spec};

use super::findings::{Findings, check_text};
use crate::bundle::hooks::KINDS;

pub fn check(spec: &Spec, findings: &mut Findings) {
    let Some(hooks) = spec.hooks() else { return };
    for (kind, of) in KINDS {
        let hooks = of(hooks);
        for (index, hook) in hooks.iter().flatten().enumerate() {
            check_hook(hook, format_args!("/hooks/{kind}/{index}"), findings);
        }
    }
}

fn check_hook(hook: &Hook, at: Arguments, findings: &mut Findings) {
    if !hook.path().is_absolute() {
        findings.add(format!("{at}/path"), format!("hook path {:?} is not absolute", hook.path()));
    }
    if hook.timeout().is_some_and(|timeout| timeout <= 0) {
        findings.add(format!("{at}/timeout"), "hook timeout must be greater than zero");
    }
    check_text(&hook.path().to_string_lossy(), format_args!("{at}/path"), findings);
    for (field, texts) in [("args", hook.args()), ("env", hook.env())] {
        for (index, text) in texts.iter().flatten().enumerate() {
            check_text(text, format_args!("{at}/{field}/{index}"), findings);
        }
    }
}
