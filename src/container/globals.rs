//! What the global flags come to on this host: where the store is, who makes cgroups, what rights we have.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::geteuid;

use crate::bundle::path::clean;
use crate::cgroup::Driver;
use crate::fail;
use crate::linux::procfs::Proc;
use crate::report::{Code, Context, Result, log};

const DEFAULT_ROOT: &str = "/run/trug";
/// The map of a user namespace that changes nothing: the initial one's.
const IDENTITY_MAP: [&str; 3] = ["0", "0", "4294967295"];

/// What every command is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globals {
    /// Absolute directory that holds one directory a container.
    pub root: PathBuf,
    /// Nobody asked for this root: it need not exist.
    pub root_is_default: bool,
    /// Who makes cgroups.
    pub driver: Driver,
    /// Whether cgroups may be out of our reach, so that failing to use them is no error.
    pub rootless: bool,
    pub debug: bool,
}

/// `--rootless`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rootless {
    /// As the caller's user id and user namespace say.
    Auto,
    Yes,
    No,
}

/// The global flags as they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    pub root: Option<PathBuf>,
    pub driver: Driver,
    pub rootless: Rootless,
    pub debug: bool,
}

impl Globals {
    /// # Errors
    /// A root that is `/`; a default root that the user cannot use.
    pub fn resolve(flags: Flags) -> Result<Self> {
        let root_is_default = flags.root.is_none();
        let root = match flags.root {
            Some(root) => given_root(&root)?,
            None => default_root()?,
        };
        let rootless = match flags.rootless {
            Rootless::Yes => true,
            Rootless::No => false,
            Rootless::Auto => !geteuid().is_root() || in_user_namespace()?,
        };
        let driver = flags.driver;
        log::debug(format!("containers in {root:?}, cgroups by {driver:?}, rootless: {rootless}"));
        Ok(Self { root, root_is_default, driver, rootless, debug: flags.debug })
    }
}

/// A `--root`, made absolute: the directory we are in changes on the way.
fn given_root(root: &Path) -> Result<PathBuf> {
    // Who names it from `/` may be in a directory that has no name: removed, or of another mount namespace.
    let here = match root.is_absolute() {
        true => PathBuf::new(),
        false => env::current_dir().context("find the current directory")?,
    };
    let root = clean(&here.join(root));
    if root == Path::new("/") {
        fail!(Code::Usage, "Option --root argument should not be set to /");
    }
    Ok(root)
}

/// /run/trug for the host's root, else a directory that belongs to the user alone.
fn default_root() -> Result<PathBuf> {
    let runtime_directory = env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    match runtime_directory {
        Some(directory) if belongs_to_a_user()? => {
            let root = given_root(&PathBuf::from(directory).join("trug"))?;
            make_user_root(&root).hint("$XDG_RUNTIME_DIR must be a directory that the user can write in")?;
            Ok(root)
        }
        _ => Ok(PathBuf::from(DEFAULT_ROOT)),
    }
}

/// Whether $XDG_RUNTIME_DIR is to be believed: root's own is not, for it can be that of the user
/// who called sudo; but root in a user namespace is that user, unless it says otherwise.
fn belongs_to_a_user() -> Result<bool> {
    if !geteuid().is_root() {
        return Ok(true);
    }
    Ok(in_user_namespace()? && env::var_os("USER").is_none_or(|user| user != "root"))
}

/// The sticky bit keeps it from being pruned (XDG Base Directory Specification).
fn make_user_root(root: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
        .with_context(|| format!("make root directory {root:?}"))?;
    fs::set_permissions(root, Permissions::from_mode(0o1700))
        .with_context(|| format!("set the mode of root directory {root:?}"))
}

/// Whether this process is in another user namespace than the host's first. Looked up once: it stays where it is.
pub fn in_user_namespace() -> Result<bool> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    match KNOWN.get() {
        Some(known) => Ok(*known),
        None => look_at_user_namespace().map(|found| *KNOWN.get_or_init(|| found)),
    }
}

fn look_at_user_namespace() -> Result<bool> {
    let proc = Proc::open().context("open /proc")?;
    let map = proc.read_self("uid_map", 1 << 16).context("read /proc/self/uid_map")?;
    Ok(!is_identity(&String::from_utf8_lossy(&map)))
}

fn is_identity(map: &str) -> bool {
    map.split_whitespace().eq(IDENTITY_MAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_root_is_absolute_and_never_the_hosts_root() {
        let here = env::current_dir().unwrap();
        let good = [
            ("/run/x", PathBuf::from("/run/x")),
            ("/run/./x/", PathBuf::from("/run/x")),
            ("/run/y/../x", PathBuf::from("/run/x")),
            ("x", here.join("x")),
            ("", here.clone()),
        ];
        for (given, expected) in good {
            assert_eq!(given_root(Path::new(given)).unwrap(), expected, "{given:?}");
        }
        let up = "../".repeat(here.components().count());
        for bad in ["/", "//", "/..", "/x/..", up.as_str()] {
            let error = given_root(Path::new(bad)).expect_err(bad);
            assert_eq!(error.to_string(), "Option --root argument should not be set to /");
        }
    }

    #[test]
    fn only_the_initial_user_namespaces_map_is_the_identity() {
        assert!(is_identity("         0          0 4294967295\n"));
        assert!(!is_identity("         0     100000      65536\n"));
        assert!(!is_identity("         0          0 4294967295\n 1 1 1\n"));
        assert!(!is_identity(""));
    }
}
