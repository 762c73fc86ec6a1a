//! Compiled seccomp filters, kept below the root directory: an engine's default profile takes libseccomp a
//! hundred times as long to compile as it takes to read the result.
//!
//! What is read here decides what a container may do, so nothing is believed: the directory and the entry must be
//! ours and closed to others, the entry's name is a hash of everything that the program hangs on, and its content
//! carries a hash of its own. Whatever is not so is compiled anew and replaced. The cache never makes a command fail.

use std::borrow::Cow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use blake2::{Blake2b256, Digest};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use oci_spec::runtime::LinuxSeccomp;

use crate::linux::{credentials, fd};
use crate::plan::seccomp::{self, Filter};
use crate::report::{Context, Error, Result, log};

/// No container can have this name: `@` is not a letter of ids.
const DIRECTORY: &str = "@seccomp";

/// Changes with the entry's layout and with what `plan::seccomp` makes of a profile.
const FORMAT: &str = "trug seccomp filter 3";

/// A BLAKE2b of 256 bits: SHA-256 would first ask the processor what it can, and under a hypervisor that takes longer.
const HASH: usize = 32;

/// BPF_MAXINSNS instructions of 8 bytes, and the hash.
const ENTRY_LIMIT: usize = HASH + 4096 * 8;

/// A machine has a handful of profiles; more than this many are of other times, and go.
const ENTRIES: usize = 128;

/// The compiled filter of a validated profile, from the cache below `root` if it is there. `text` is the profile as it
/// was read, if that is known: it says all that the profile does, and need not be written again to be named.
///
/// # Errors
/// As `plan::seccomp::compile`; never because of the cache.
pub fn filter(root: &Path, profile: &LinuxSeccomp, text: Option<&[u8]>) -> Result<Filter> {
    let cache = match Cache::open(root) {
        Ok(cache) => cache,
        Err(error) => {
            log::debug(format!("no seccomp filter cache: {error}"));
            return seccomp::compile(profile);
        }
    };
    let name = name_of(profile, text)?;
    match cache.read(&name) {
        Ok(Some(program)) => return seccomp::with_program(profile, program),
        Ok(None) => {}
        Err(error) => log::debug(format!("seccomp filter {name} is not used: {error}")),
    }
    let filter = seccomp::compile(profile)?;
    if let Err(error) = cache.write(&name, &filter.program) {
        log::debug(format!("seccomp filter {name} is not kept: {error}"));
    }
    Ok(filter)
}

/// Everything that the program hangs on: the profile, the machine, libseccomp and this code.
fn name_of(profile: &LinuxSeccomp, text: Option<&[u8]>) -> Result<String> {
    let profile = match text {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(serde_json::to_vec(profile).context("encode the seccomp profile")?),
    };
    let mut hash = Blake2b256::new();
    for part in [FORMAT, env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, &seccomp::library_version()?] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(profile);
    let hash: [u8; HASH] = hash.finalize().into();
    let (words, _) = hash.as_chunks();
    Ok(words.iter().map(|word| format!("{:016x}", u64::from_be_bytes(*word))).collect())
}

struct Cache {
    directory: OwnedFd,
}

impl Cache {
    fn open(root: &Path) -> Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = fd::open(root, flags).context("open the root directory")?;
        let directory = match openat(&root, DIRECTORY, flags | OFlag::O_NOFOLLOW, Mode::empty()) {
            Err(Errno::ENOENT) => {
                match mkdirat(&root, DIRECTORY, Mode::S_IRWXU) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(errno).context("make the directory"),
                }
                openat(&root, DIRECTORY, flags | OFlag::O_NOFOLLOW, Mode::empty())
            }
            opened => opened,
        };
        let directory = directory.context("open the directory")?;
        require_ours(&directory, SFlag::S_IFDIR)?;
        Ok(Self { directory })
    }

    /// None where there is no such entry.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        // Not to wait at a fifo.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            opened => opened.context("open it")?,
        };
        require_ours(&file, SFlag::S_IFREG)?;
        let bytes = fd::read_to_end(file.as_fd(), ENTRY_LIMIT).context("read it")?;
        let damaged = || Error::new(crate::report::Code::System, "it is damaged");
        let (hash, program) = bytes.split_at_checked(HASH).ok_or_else(damaged)?;
        match hash == seal(name, program) {
            true => Ok(Some(program.to_vec())),
            false => Err(damaged()),
        }
    }

    /// A file of its own takes the name when it is whole.
    fn write(&self, name: &str, program: &[u8]) -> Result<()> {
        self.make_room()?;
        let temporary = format!(".{}", std::process::id());
        // One of an earlier process of our number, killed half-way.
        match unlinkat(&self.directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno).context("remove an old temporary file"),
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.directory, temporary.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .context("make a file")?;
        let entry = [&seal(name, program)[..], program].concat();
        let written = fd::write_all(file.as_fd(), &entry).context("write").and_then(|()| {
            renameat(&self.directory, temporary.as_str(), &self.directory, name).context("rename")
        });
        if written.is_err() {
            // The first error is the one to report.
            let _ = unlinkat(&self.directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written
    }

    /// Takes every entry away where there are too many: those in use come back.
    fn make_room(&self) -> Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut directory =
            Dir::openat(&self.directory, ".", flags, Mode::empty()).context("list entries")?;
        let entries = directory.iter().collect::<nix::Result<Vec<_>>>().context("list entries")?;
        let names = entries.iter().map(|entry| entry.file_name());
        let names: Vec<_> = names.filter(|name| !name.to_bytes().starts_with(b".")).collect();
        if names.len() < ENTRIES {
            return Ok(());
        }
        for name in names {
            match unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno).context("remove an entry"),
            }
        }
        Ok(())
    }
}

/// Binds a program to its name, so that no entry can stand for another.
fn seal(name: &str, program: &[u8]) -> [u8; HASH] {
    let mut hash = Blake2b256::new();
    hash.update(name);
    hash.update(program);
    hash.finalize().into()
}

/// Of this type, owned by us, and writable by nobody else.
fn require_ours(file: &OwnedFd, kind: SFlag) -> Result<()> {
    let stat = fstat(file).context("stat it")?;
    let is = |condition: bool, what: &str| match condition {
        true => Ok(()),
        false => Err(Error::new(crate::report::Code::System, what.to_string())),
    };
    is(stat.st_mode & SFlag::S_IFMT.bits() == kind.bits(), "it is of another type")?;
    is(stat.st_uid == credentials::effective_uid(), "it is another user's")?;
    is(stat.st_mode & 0o022 == 0, "others may write it")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    fn profile(errno: u32) -> LinuxSeccomp {
        let rule = json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno});
        serde_json::from_value(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})).unwrap()
    }

    fn entry(root: &Path, profile: &LinuxSeccomp) -> PathBuf {
        root.join(DIRECTORY).join(name_of(profile, None).unwrap())
    }

    #[test]
    fn a_filter_is_kept_and_found_again_by_its_whole_profile() {
        let root = crate::linux::testing::Scratch::new();
        let made = filter(root.path(), &profile(5), None).unwrap();
        assert_eq!(made, seccomp::compile(&profile(5)).unwrap());
        assert_eq!(filter(root.path(), &profile(5), None).unwrap(), made);
        assert_ne!(filter(root.path(), &profile(6), None).unwrap(), made);
        let mode = fs::metadata(entry(root.path(), &profile(5))).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_profile_is_named_by_its_text_where_that_is_known() {
        let name = |text: Option<&str>| name_of(&profile(5), text.map(str::as_bytes)).unwrap();
        assert_eq!(name(Some("{}")), name(Some("{}")));
        assert_ne!(name(Some("{}")), name(Some("{ }")));
        assert_ne!(name(Some("{}")), name(None));
        // However a text came to be: what it is read as is what is written without one.
        let written = serde_json::to_string(&profile(5)).unwrap();
        assert_eq!(name(Some(&written)), name(None));
    }

    #[test]
    fn an_entry_that_is_not_as_we_wrote_it_is_replaced() {
        let spoil: [fn(&Path); 6] = [
            |path| fs::write(path, b"").unwrap(),
            |path| fs::write(path, fs::read(path).unwrap().split_last().unwrap().1).unwrap(),
            |path| {
                let mut bytes = fs::read(path).unwrap();
                // A `return ERRNO` that has become a `return ALLOW` would be an escape.
                bytes.iter_mut().skip(HASH).for_each(|byte| *byte ^= 1);
                fs::write(path, bytes).unwrap();
            },
            |path| fs::set_permissions(path, Permissions::from_mode(0o620)).unwrap(),
            |path| {
                let elsewhere = path.with_extension("elsewhere");
                fs::rename(path, &elsewhere).unwrap();
                symlink(elsewhere, path).unwrap();
            },
            |path| {
                fs::remove_file(path).unwrap();
                nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap();
            },
        ];
        for (case, spoil) in spoil.iter().enumerate() {
            let root = crate::linux::testing::Scratch::new();
            let made = filter(root.path(), &profile(5), None).unwrap();
            let path = entry(root.path(), &profile(5));
            let whole = fs::read(&path).unwrap();
            spoil(&path);
            assert_eq!(filter(root.path(), &profile(5), None).unwrap(), made, "case {case}");
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "case {case}");
            assert_eq!(fs::read(&path).unwrap(), whole, "case {case}");
        }
    }

    #[test]
    fn a_strangers_entry_is_replaced() {
        let root = crate::linux::testing::Scratch::new();
        filter(root.path(), &profile(5), None).unwrap();
        let path = entry(root.path(), &profile(5));
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        filter(root.path(), &profile(5), None).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(&path).unwrap()), 0);
    }

    #[test]
    fn one_profiles_entry_under_anothers_name_is_replaced() {
        let root = crate::linux::testing::Scratch::new();
        filter(root.path(), &profile(5), None).unwrap();
        filter(root.path(), &profile(6), None).unwrap();
        fs::copy(entry(root.path(), &profile(5)), entry(root.path(), &profile(6))).unwrap();
        assert_eq!(filter(root.path(), &profile(6), None).unwrap(), seccomp::compile(&profile(6)).unwrap());
    }

    #[test]
    fn a_directory_that_others_may_write_is_not_used() {
        let root = crate::linux::testing::Scratch::new();
        let directory = root.path().join(DIRECTORY);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        filter(root.path(), &profile(5), None).unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn without_a_root_directory_the_filter_is_made_all_the_same() {
        filter(Path::new("/nonexistent/root"), &profile(5), None).unwrap();
    }

    #[test]
    fn old_entries_make_room() {
        let root = crate::linux::testing::Scratch::new();
        filter(root.path(), &profile(5), None).unwrap();
        for number in 0..ENTRIES {
            fs::write(root.path().join(DIRECTORY).join(number.to_string()), "").unwrap();
        }
        filter(root.path(), &profile(6), None).unwrap();
        assert_eq!(fs::read_dir(root.path().join(DIRECTORY)).unwrap().count(), 1);
    }
}
