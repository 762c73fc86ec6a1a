//! The one table of mount options: what each word of `mounts[].options` means (config.md#linux-mount-options).
//! Validation, the plan and the `features` command read it here. A word that is not in it is data for the
//! filesystem.

use serde::Serialize;

use crate::linux::mount::{Atime, Attr, Attributes, Propagation, PropagationKind};

/// What an option asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// `defaults`: nothing.
    Nothing,
    /// A bind mount; with all mounts below if recursive.
    Bind {
        recursive: bool,
    },
    /// A change of what is mounted already.
    Remount,
    /// A flag of the mount.
    Set(Attr),
    /// The opposite of a flag of the mount.
    Clear(Attr),
    /// How access times are kept.
    Atime(Atime),
    /// `norelatime`, `nostrictatime`: takes back that one choice, and leaves the kernel's default.
    NoAtime(Atime),
    /// A flag of the filesystem that fsconfig knows by this name for every filesystem
    /// (Linux, fs/fs_context.c), and the name of its opposite.
    Superblock {
        name: &'static str,
        opposite: &'static str,
    },
    /// `iversion`: each filesystem has its own way, and most have no choice.
    InodeVersion(bool),
    /// `silent`, `loud`: whether the kernel logs. The mount API by descriptor has no such flag: it keeps its
    /// messages for the caller.
    Logging,
    Propagation(Propagation),
    /// A flag of the mount and of all below it.
    RecursiveSet(Attr),
    RecursiveClear(Attr),
    RecursiveAtime(Atime),
    /// Fill a new tmpfs with what it covers.
    CopyUp,
    /// What a symlink in one of a bind's two places means.
    Symlink(Symlink),
    /// Map the owners of files; all mounts below too if recursive.
    Idmap {
        recursive: bool,
    },
}

/// Options of crun for binds whose source or destination is a symlink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symlink {
    /// `copy-symlink`: a source that is a symlink is not mounted, but made anew at the destination.
    Copy,
    /// `src-nofollow`: the symlink itself is mounted, not what it names.
    Source,
    /// `dest-nofollow`: it is mounted on the symlink itself, which must be there.
    Target,
}

use Meaning::*;

const fn propagation(kind: PropagationKind, recursive: bool) -> Meaning {
    Propagation(self::Propagation { kind, recursive })
}

const fn superblock(name: &'static str, opposite: &'static str) -> Meaning {
    Superblock { name, opposite }
}

/// Sorted by name.
const TABLE: &[(&str, Meaning)] = &[
    ("async", superblock("async", "sync")),
    ("atime", Atime(self::Atime::Relatime)),
    ("bind", Bind { recursive: false }),
    ("copy-symlink", Symlink(self::Symlink::Copy)),
    ("defaults", Nothing),
    ("dest-nofollow", Symlink(self::Symlink::Target)),
    ("dev", Clear(Attr::NODEV)),
    ("diratime", Clear(Attr::NODIRATIME)),
    ("dirsync", superblock("dirsync", "")),
    ("exec", Clear(Attr::NOEXEC)),
    ("idmap", Idmap { recursive: false }),
    ("iversion", InodeVersion(true)),
    ("lazytime", superblock("lazytime", "nolazytime")),
    ("loud", Logging),
    ("mand", superblock("mand", "nomand")),
    ("noatime", Atime(self::Atime::Noatime)),
    ("nodev", Set(Attr::NODEV)),
    ("nodiratime", Set(Attr::NODIRATIME)),
    ("noexec", Set(Attr::NOEXEC)),
    ("noiversion", InodeVersion(false)),
    ("nolazytime", superblock("nolazytime", "lazytime")),
    ("nomand", superblock("nomand", "mand")),
    ("norelatime", NoAtime(self::Atime::Relatime)),
    ("nostrictatime", NoAtime(self::Atime::Strictatime)),
    ("nosuid", Set(Attr::NOSUID)),
    ("nosymfollow", Set(Attr::NOSYMFOLLOW)),
    ("private", propagation(PropagationKind::Private, false)),
    ("ratime", RecursiveAtime(self::Atime::Relatime)),
    ("rbind", Bind { recursive: true }),
    ("rdev", RecursiveClear(Attr::NODEV)),
    ("rdiratime", RecursiveClear(Attr::NODIRATIME)),
    ("relatime", Atime(self::Atime::Relatime)),
    ("remount", Remount),
    ("rexec", RecursiveClear(Attr::NOEXEC)),
    ("ridmap", Idmap { recursive: true }),
    ("rnoatime", RecursiveAtime(self::Atime::Noatime)),
    ("rnodev", RecursiveSet(Attr::NODEV)),
    ("rnodiratime", RecursiveSet(Attr::NODIRATIME)),
    ("rnoexec", RecursiveSet(Attr::NOEXEC)),
    // Relatime is the absence of the other two, so there is nothing else that its opposite could be.
    ("rnorelatime", RecursiveAtime(self::Atime::Relatime)),
    ("rnostrictatime", RecursiveAtime(self::Atime::Relatime)),
    ("rnosuid", RecursiveSet(Attr::NOSUID)),
    ("rnosymfollow", RecursiveSet(Attr::NOSYMFOLLOW)),
    ("ro", Set(Attr::RDONLY)),
    ("rprivate", propagation(PropagationKind::Private, true)),
    ("rrelatime", RecursiveAtime(self::Atime::Relatime)),
    ("rro", RecursiveSet(Attr::RDONLY)),
    ("rrw", RecursiveClear(Attr::RDONLY)),
    ("rshared", propagation(PropagationKind::Shared, true)),
    ("rslave", propagation(PropagationKind::Slave, true)),
    ("rstrictatime", RecursiveAtime(self::Atime::Strictatime)),
    ("rsuid", RecursiveClear(Attr::NOSUID)),
    ("rsymfollow", RecursiveClear(Attr::NOSYMFOLLOW)),
    ("runbindable", propagation(PropagationKind::Unbindable, true)),
    ("rw", Clear(Attr::RDONLY)),
    ("shared", propagation(PropagationKind::Shared, false)),
    ("silent", Logging),
    ("slave", propagation(PropagationKind::Slave, false)),
    ("src-nofollow", Symlink(self::Symlink::Source)),
    ("strictatime", Atime(self::Atime::Strictatime)),
    ("suid", Clear(Attr::NOSUID)),
    ("symfollow", Clear(Attr::NOSYMFOLLOW)),
    ("sync", superblock("sync", "async")),
    ("tmpcopyup", CopyUp),
    ("unbindable", propagation(PropagationKind::Unbindable, false)),
];

/// What `option` means; None for filesystem data.
pub fn meaning(option: &str) -> Option<Meaning> {
    let index = TABLE.binary_search_by(|(name, _)| (*name).cmp(option)).ok()?;
    Some(TABLE[index].1)
}

/// The names for `features`, sorted. idmap and ridmap have a key of their own there (mountExtensions).
pub fn names() -> Vec<&'static str> {
    let listed = TABLE.iter().filter(|(_, meaning)| !matches!(meaning, Idmap { .. }));
    listed.map(|(name, _)| *name).collect()
}

/// The propagation that a config's word means: one of `[r]private`, `[r]shared`, `[r]slave`, `[r]unbindable`.
pub fn propagation_of(word: &str) -> Option<self::Propagation> {
    match meaning(word) {
        Some(Propagation(propagation)) => Some(propagation),
        _ => None,
    }
}

/// What fsconfig is given: a flag (`ro`) or a pair (`size=64k`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FsOption {
    pub key: String,
    pub value: Option<String>,
}

impl FsOption {
    pub fn flag(key: &str) -> Self {
        Self { key: key.to_string(), value: None }
    }
}

/// The options of one mount, sorted by what they are for. Of opposites, the last one named stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// A bind mount, recursive or not.
    pub bind: Option<bool>,
    pub remount: bool,
    /// Whether any flag is named besides bind, rbind and remount.
    pub names_flags: bool,
    pub set: Attr,
    pub clear: Attr,
    pub atime: Option<Atime>,
    pub recursive: Attributes,
    /// Flags of the filesystem by their fsconfig names, in order; `ro` is not among them.
    pub superblock: Vec<&'static str>,
    pub inode_version: bool,
    pub propagation: Vec<self::Propagation>,
    pub copy_up: bool,
    pub copy_symlink: bool,
    pub source_nofollow: bool,
    pub target_nofollow: bool,
    /// An id-mapped mount, recursive or not.
    pub idmap: Option<bool>,
    /// Everything that is not in the table.
    pub data: Vec<FsOption>,
}

/// Sorts the options of one mount.
pub fn parse<S: AsRef<str>>(options: &[S]) -> MountOptions {
    let mut parsed = MountOptions::default();
    for option in options {
        match meaning(option.as_ref()) {
            Some(meaning) => parsed.add(meaning),
            None => parsed.data.extend(data(option.as_ref())),
        }
    }
    parsed
}

impl MountOptions {
    /// Flags for a mount and all below it become flags of the mount: a new one has nothing below.
    pub fn flatten(&mut self) {
        let recursive = std::mem::take(&mut self.recursive);
        self.set = self.set.difference(recursive.clear).union(recursive.set);
        self.clear = self.clear.difference(recursive.set).union(recursive.clear);
        self.atime = recursive.atime.or(self.atime);
    }

    fn add(&mut self, meaning: Meaning) {
        self.names_flags |= is_flag(meaning);
        match meaning {
            Nothing | Logging => {}
            Bind { recursive } => self.bind = Some(recursive || self.bind == Some(true)),
            Remount => self.remount = true,
            Set(flag) => {
                self.set.insert(flag);
                self.clear.remove(flag);
            }
            Clear(flag) => {
                self.set.remove(flag);
                self.clear.insert(flag);
            }
            Atime(atime) => self.atime = Some(atime),
            NoAtime(atime) => self.atime = self.atime.filter(|chosen| *chosen != atime),
            Superblock { name, opposite } => {
                self.superblock.retain(|other| *other != name && *other != opposite);
                self.superblock.push(name);
            }
            InodeVersion(wanted) => self.inode_version = wanted,
            Propagation(propagation) => self.propagation.push(propagation),
            RecursiveSet(flag) => {
                self.recursive.set.insert(flag);
                self.recursive.clear.remove(flag);
            }
            RecursiveClear(flag) => {
                self.recursive.set.remove(flag);
                self.recursive.clear.insert(flag);
            }
            RecursiveAtime(atime) => self.recursive.atime = Some(atime),
            CopyUp => self.copy_up = true,
            Symlink(self::Symlink::Copy) => self.copy_symlink = true,
            Symlink(self::Symlink::Source) => self.source_nofollow = true,
            Symlink(self::Symlink::Target) => self.target_nofollow = true,
            Idmap { recursive } => self.idmap = Some(recursive),
        }
    }
}

/// True for what `mount(2)` takes as one of its flags, bind, rbind and remount apart.
fn is_flag(meaning: Meaning) -> bool {
    match meaning {
        Set(_) | Clear(_) | Atime(_) | NoAtime(_) | Superblock { .. } | InodeVersion(_) | Logging => true,
        Nothing | Bind { .. } | Remount | Propagation(_) | CopyUp | Symlink(_) | Idmap { .. } => false,
        RecursiveSet(_) | RecursiveClear(_) | RecursiveAtime(_) => false,
    }
}

/// Filesystem data: one word may hold several options, as in fstab (`mode=755,size=64k`). A comma in double
/// quotes (SELinux contexts) or after a backslash (overlay's directories) separates nothing.
fn data(word: &str) -> Vec<FsOption> {
    let (mut options, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, letter) in word.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                options.extend(datum(&word[start..index]));
                start = index + 1;
            }
            _ => {}
        }
    }
    options.extend(datum(&word[start..]));
    options
}

fn datum(text: &str) -> Option<FsOption> {
    if text.is_empty() {
        return None;
    }
    Some(match text.split_once('=') {
        Some((key, value)) => FsOption { key: key.to_string(), value: Some(unquoted(value).to_string()) },
        None => FsOption::flag(text),
    })
}

/// The quotes round a value are the syntax of the option string, and fsconfig has none.
fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests;
