//! Finding the program: HOME for the environment, then the PATH of the container's environment.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::command;
use crate::fail;
use crate::linux::process::is_executable;
use crate::plan::{Action, Step};
use crate::report::{Code, Context as _, Error, Result};
use crate::stage::context::Context;
use crate::stage::rootfs::root;

/// An image's passwd is read up to here and no further (CVE-2026-61801).
const PASSWD_LIMIT: usize = 1024 * 1024;

/// Fills in HOME and finds args[0]. A program that is missing is an error of `create`, not of `start`.
pub fn resolve_executable(context: &mut Context, steps: &[Step]) -> Result<()> {
    let Some(command) = command(steps) else {
        fail!(Code::Internal, "the plan has no program");
    };
    find_home(context, steps);
    let Some(name) = command.args.first() else {
        fail!(Code::InvalidConfig, "args must not be empty");
    };
    let path = variable(&command.env, "PATH").unwrap_or("");
    context.executable = Some(find(name, path)?);
    Ok(())
}

/// Looks HOME up, if the environment has none and nobody has done it yet.
pub fn find_home(context: &mut Context, steps: &[Step]) {
    let wanted = command(steps).is_some_and(|command| variable(&command.env, "HOME").is_none());
    if wanted && context.home.is_none() {
        context.home = Some(home(context, steps));
    }
}

/// The last value of a variable.
fn variable<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    env.iter().rev().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
}

/// The home of the process's uid in the container's passwd; `/` where it has none.
fn home(context: &Context, steps: &[Step]) -> String {
    let uid = steps.iter().find_map(|step| match &step.action {
        Action::SetCredentials(credentials) => Some(credentials.uid),
        _ => None,
    });
    let passwd = root(context).ok().and_then(|root| root.read(Path::new("/etc/passwd"), PASSWD_LIMIT).ok());
    let (Some(uid), Some(passwd)) = (uid, passwd) else {
        return "/".to_string();
    };
    home_in(&passwd, uid).unwrap_or_else(|| "/".to_string())
}

/// `name:password:uid:gid:comment:home:shell`; the uid as a number alone, never by name (CVE-2016-3697).
fn home_in(passwd: &[u8], uid: u32) -> Option<String> {
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let fields: Vec<&str> = line.split(':').collect();
        let found = fields.get(2)?.parse::<u32>().ok()? == uid;
        let home = fields.get(5).filter(|home| !home.is_empty() && !home.contains('\0'))?;
        found.then(|| home.to_string())
    })
}

/// As a shell finds a program; the errors' words are those that callers of runc match on.
fn find(name: &str, search: &str) -> Result<PathBuf> {
    let not_found = |reason: &str| Error::new(Code::Executable, format!("exec: {name:?}: {reason}"));
    if name.contains('/') {
        return match is_executable(Path::new(name)) {
            Ok(()) => Ok(PathBuf::from(name)),
            Err(Errno::EISDIR) => Err(not_found("is a directory")),
            Err(Errno::ENOENT) => Err(Errno::ENOENT)
                .context(format!("exec: {name:?}: stat {name}"))
                .code(Code::Executable)
                .hint("the file is looked up inside the container's root filesystem"),
            Err(errno) => Err(errno).context(format!("exec: {name:?}")).code(Code::Executable),
        };
    }
    let mut denied = false;
    for directory in search.split(':').filter(|directory| !name.is_empty() && directory.starts_with('/')) {
        let candidate = Path::new(directory).join(name);
        match is_executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(errno) => denied |= errno == Errno::EACCES,
        }
    }
    match denied {
        true => Err(Errno::EACCES).context(format!("exec: {name:?}")).code(Code::Executable),
        false => Err(not_found("executable file not found in $PATH")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_found_by_uid_number_alone() {
        let passwd =
            b"1000:x:0:0::/evil:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n";
        assert_eq!(home_in(passwd, 1000).as_deref(), Some("/home/u"));
        assert_eq!(home_in(b"\xff\xfe:::\nroot:x:0:0:root:/root:/bin/sh", 0).as_deref(), Some("/root"));
        assert_eq!(home_in(b"a:b:c", 0), None);
        assert_eq!(home_in(b"a:x:7:7::", 7), None);
    }

    #[test]
    fn the_last_of_duplicate_variables_counts() {
        let env = ["PATH=/a".to_string(), "PATHX=/b".to_string(), "PATH=/c".to_string()];
        assert_eq!(variable(&env, "PATH"), Some("/c"));
        assert_eq!(variable(&env, "HOME"), None);
    }

    #[test]
    fn a_missing_program_is_named_in_the_words_that_callers_match() {
        let text = |name: &str| find(name, "/usr/bin:/bin").unwrap_err().to_string();
        assert_eq!(text("nosuchcmd"), "exec: \"nosuchcmd\": executable file not found in $PATH");
        assert_eq!(text("/bin"), "exec: \"/bin\": is a directory");
        assert!(text("/no/such").starts_with("exec: \"/no/such\": stat /no/such: no such file or directory"));
        assert!(text("/etc/passwd").contains("permission denied"));
        assert!(find("sh", "/usr/bin:/bin").unwrap().ends_with("sh"));
    }
}
