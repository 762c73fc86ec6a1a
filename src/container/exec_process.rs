//! The process that `exec` runs: a file's, or the container's own with the command line's changes.

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process, Spec};

use super::options::ExecOptions;
use crate::bundle::load;
use crate::fail;
use crate::report::{Code, Context, Error, Result};

/// Builds it.
///
/// # Errors
/// A process file that cannot be read; a user or capability that makes no sense.
pub fn build(spec: &Spec, options: &ExecOptions) -> Result<Process> {
    if let Some(path) = &options.process {
        return load::process(path);
    }
    let Some(mut process) = spec.process().clone() else {
        fail!(Code::InvalidConfig, "the container's config has no process");
    };
    process.set_args(Some(options.args.clone()));
    process.set_terminal(Some(options.tty));
    process.set_console_size(None);
    if let Some(cwd) = &options.cwd {
        process.set_cwd(cwd.clone());
    }
    if let Some(profile) = &options.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if let Some(label) = &options.process_label {
        process.set_selinux_label(Some(label.clone()));
    }
    if let Some(no_new_privs) = options.no_new_privs {
        process.set_no_new_privileges(Some(no_new_privs));
    }
    let mut env = process.env().clone().unwrap_or_default();
    env.extend(options.env.iter().cloned());
    process.set_env(Some(env));
    set_user(&mut process, options)?;
    add_capabilities(&mut process, &options.caps)?;
    Ok(process)
}

/// `--user UID[:GID]` and `--additional-gids`.
fn set_user(process: &mut Process, options: &ExecOptions) -> Result<()> {
    let mut user = process.user().clone();
    if let Some(text) = &options.user {
        let (uid, gid) = parse_user(text)?;
        user.set_uid(uid);
        if let Some(gid) = gid {
            user.set_gid(gid);
        }
    }
    if !options.additional_gids.is_empty() {
        let mut gids = user.additional_gids().clone().unwrap_or_default();
        gids.extend(&options.additional_gids);
        user.set_additional_gids(Some(gids));
    }
    process.set_user(user);
    Ok(())
}

/// Digits alone: a name in the image's passwd must never decide who one is (CVE-2026-30892, CVE-2016-3697).
pub fn parse_user(text: &str) -> Result<(u32, Option<u32>)> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    let uid = parse_id(uid).with_context(|| format!("parsing {uid} as int for uid failed"))?;
    let gid = gid.map(|gid| parse_id(gid).with_context(|| format!("parsing {gid} as int for gid failed")));
    Ok((uid, gid.transpose()?))
}

/// A number that the kernel takes as an id: 4294967295 means "leave as it is" to it.
fn parse_id(text: &str) -> Result<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(id) if digits && id != u32::MAX => Ok(id),
        _ => Err(Error::new(Code::Usage, "an id is a number from 0 to 4294967294")),
    }
}

/// `--cap`: to the bounding, effective and permitted sets; to the ambient set only where the inheritable one has it
/// (CVE-2022-29162: nothing is added to the inheritable set).
fn add_capabilities(process: &mut Process, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut sets = process.capabilities().clone().unwrap_or_else(no_capabilities);
    for name in names {
        let Some(capability) = parse_capability(name) else {
            fail!(Code::Usage, "unknown capability {name:?}");
        };
        let with = |set: &Option<Capabilities>| {
            let mut set = set.clone().unwrap_or_default();
            set.insert(capability);
            Some(set)
        };
        sets.set_bounding(with(sets.bounding()));
        sets.set_effective(with(sets.effective()));
        sets.set_permitted(with(sets.permitted()));
        if sets.inheritable().as_ref().is_some_and(|set| set.contains(&capability)) {
            sets.set_ambient(with(sets.ambient()));
        }
    }
    process.set_capabilities(Some(sets));
    Ok(())
}

/// The default of oci-spec's type is Docker's list, not nothing.
fn no_capabilities() -> LinuxCapabilities {
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(None).set_effective(None).set_permitted(None).set_inheritable(None).set_ambient(None);
    sets
}

fn parse_capability(name: &str) -> Option<Capability> {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_exactly_the_numbers_given() {
        assert_eq!(parse_user("1").unwrap(), (1, None));
        assert_eq!(parse_user("1:2").unwrap(), (1, Some(2)));
        assert_eq!(parse_user("4294967294").unwrap(), (4294967294, None));
    }

    #[test]
    fn what_is_not_a_number_is_never_root() {
        for text in [
            "",
            ":",
            "1:",
            ":1",
            " 1",
            "1 ",
            "0x1",
            "+1",
            "-1",
            "-0",
            "1:abc",
            "abc",
            "4294967295",
            "4294967296",
            "9223372036854775808",
            "1:4294967295",
            "1:2:3",
        ] {
            assert!(parse_user(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_capability_has_its_prefix_or_not() {
        assert!(parse_capability("CAP_SYS_ADMIN").is_some());
        assert!(parse_capability("sys_admin").is_some());
        assert!(parse_capability("CAP_NOPE").is_none());
    }
}
