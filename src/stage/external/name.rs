//! A checkpoint: which mounts of a running container are the host's, and their names.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::Pid;

use super::{External, Source, externals, key_below};
use crate::fail;
use crate::linux::mountinfo::{Mount, Mountinfo, mount_id};
use crate::linux::path::Root;
use crate::linux::procfs::Proc;
use crate::plan::Plan;
use crate::report::{Code, Context as _, Result, log};

/// mountinfo of a container with very many mounts.
const MOUNTINFO_LIMIT: usize = 64 << 20;
/// CRIU keeps `mnt[PLACE]:NAME` in buffers of PATH_MAX here and there.
const LONGEST_PLACE: usize = 3072;

/// A mount of the host's in the container, by its place there and its name.
#[derive(Debug, PartialEq, Eq)]
pub struct FoundMount {
    pub place: String,
    pub key: String,
}

/// Device and inode.
type Identity = (u64, u64);

/// One mount that the container sees, and what it shows.
struct Seen<'a> {
    mount: &'a Mount,
    shows: Option<Identity>,
    key: Option<String>,
}

/// One place of the host, as it is today.
struct Known {
    external: External,
    place: Option<OwnedFd>,
    shows: Option<Identity>,
    claimed: bool,
}

/// Finds the host's mounts in the mount namespace of `init`. `cgroup_of` is the container's directory in a hierarchy.
///
/// # Errors
/// A mount point that could be taken for another one's.
pub fn name_mounts<'a>(
    plan: &Plan,
    cgroup_of: impl Fn(&str) -> Option<&'a Path>,
    proc: &Proc,
    init: Pid,
) -> Result<Vec<FoundMount>> {
    let text = proc.read_pid(init, "mountinfo", MOUNTINFO_LIMIT).context("read init's mounts")?;
    let mountinfo = Mountinfo::parse(&text);
    let root = Root::new(proc.open_root(init).context("open init's root directory")?);
    let mut known: Vec<Known> =
        externals(plan).into_iter().map(|external| known(external, &cgroup_of)).collect();
    let mut seen = look(&mountinfo, &root, &known);
    by_what_they_show(&mut seen, &mut known);
    by_target(&mut seen, &mut known, &root);
    with_their_parents(&mut seen, &known, &mountinfo);
    for lost in known.iter().filter(|known| !known.claimed) {
        log::debug(format!("the mount at {:?} is not found in the container", lost.external.target));
    }
    seen.into_iter()
        .filter_map(|seen| Some((seen.mount, seen.key?)))
        .map(|(mount, key)| Ok(FoundMount { place: place_of(mount)?, key }))
        .collect()
}

fn known<'a>(external: External, cgroup_of: &impl Fn(&str) -> Option<&'a Path>) -> Known {
    let path = match &external.source {
        Source::Step { path, .. } => Some(path.clone()),
        Source::Cgroup { hierarchy, own, .. } => {
            cgroup_of(hierarchy).map(Path::to_path_buf).or_else(|| own.clone())
        }
        Source::Null => Some(PathBuf::from("/dev/null")),
    };
    // A source that is gone by now is looked for by its target.
    let place = path.and_then(|path| open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok());
    let shows = place.as_ref().and_then(|place| identity(place.as_fd()));
    Known { external, place, shows, claimed: false }
}

/// Every mount but the root, with what can be seen of it: nothing where another one covers it.
fn look<'a>(mountinfo: &'a Mountinfo, root: &Root, known: &[Known]) -> Vec<Seen<'a>> {
    let mut unsafe_to_touch: Vec<u64> = Vec::new();
    let mut seen = Vec::new();
    for mount in mountinfo.iter().filter(|mount| mount.mount_point != Path::new("/")) {
        // A file server in the container may never answer.
        let foreign_server = mount.filesystem.starts_with("fuse") && !is_on_known_device(mount, known);
        if foreign_server || unsafe_to_touch.contains(&mount.parent) {
            unsafe_to_touch.push(mount.id);
            continue;
        }
        let handle = root.resolve_plain(&mount.mount_point).ok();
        let is_on_top = |handle: &OwnedFd| mount_id(handle.as_fd()) == Ok(mount.id);
        let shows = handle.filter(is_on_top).and_then(|handle| identity(handle.as_fd()));
        seen.push(Seen { mount, shows, key: None });
    }
    seen
}

fn is_on_known_device(mount: &Mount, known: &[Known]) -> bool {
    let (major, minor) = mount.device;
    let device = nix::sys::stat::makedev(major.into(), minor.into());
    known.iter().any(|known| known.shows.is_some_and(|(shown, _)| shown == device))
}

fn identity(fd: BorrowedFd) -> Option<Identity> {
    fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// A mount is what it shows, wherever it is. Where one place is in the container twice, target and flags tell.
fn by_what_they_show(seen: &mut [Seen], known: &mut [Known]) {
    for this in seen {
        let Some(shows) = this.shows else { continue };
        let mount = this.mount;
        let alike = |known: &&mut Known| {
            let external = &known.external;
            (external.target == mount.mount_point, external.read_only == mount.read_only)
        };
        let candidates = known.iter_mut().filter(|known| {
            known.shows == Some(shows) && (!known.claimed || known.external.source == Source::Null)
        });
        if let Some(best) = candidates.max_by_key(alike) {
            best.claimed = true;
            this.key = Some(best.external.key.clone());
        }
    }
}

/// A source that the host has replaced since: its mount is what is at its target, if that is a part of some
/// filesystem, with the flags that the config wants, and nothing else.
fn by_target(seen: &mut [Seen], known: &mut [Known], root: &Root) {
    for known in known.iter_mut().filter(|known| !known.claimed) {
        let Ok(handle) = root.resolve(&known.external.target) else { continue };
        let Ok(id) = mount_id(handle.as_fd()) else { continue };
        let there = seen.iter_mut().find(|seen| {
            seen.mount.id == id
                && seen.key.is_none()
                && seen.shows.is_some()
                && seen.shows == identity(handle.as_fd())
                && seen.mount.root != Path::new("/")
                && seen.mount.read_only == known.external.read_only
        });
        if let Some(there) = there {
            known.claimed = true;
            there.key = Some(known.external.key.clone());
        }
    }
}

/// What was mounted below the source of a recursive bind has come with it.
fn with_their_parents(seen: &mut [Seen], known: &[Known], mountinfo: &Mountinfo) {
    for index in 0..seen.len() {
        let (earlier, rest) = seen.split_at_mut(index);
        let Some(this) = rest.first_mut().filter(|this| this.key.is_none()) else { continue };
        let nearest = earlier.iter().rev().find_map(|parent| {
            let known = known.iter().find(|known| Some(&known.external.key) == parent.key.as_ref())?;
            mountinfo.is_below(this.mount.id, parent.mount.id).then_some((parent.mount, known))
        });
        let Some((parent, known)) = nearest else { continue };
        let Source::Step { recursive: true, .. } = known.external.source else { continue };
        let Ok(below) = this.mount.mount_point.strip_prefix(&parent.mount_point) else { continue };
        let host = known.place.as_ref().and_then(|place| place.try_clone().ok()).map(Root::new);
        let shown = host.and_then(|host| host.resolve_plain(below).ok());
        if shown.and_then(|shown| identity(shown.as_fd())).is_some_and(|shown| this.shows == Some(shown)) {
            this.key = Some(key_below(&known.external, below));
        }
    }
}

/// The place as it is put into `mnt[PLACE]:NAME`, which has no way to quote.
fn place_of(mount: &Mount) -> Result<String> {
    let place = &mount.mount_point;
    let Some(text) = place.to_str() else {
        fail!(Code::Unsupported, "the mount point {place:?} is not text, and criu cannot be told of it");
    };
    if text.contains("]:") || text.len() > LONGEST_PLACE {
        fail!(
            Code::InvalidConfig,
            "the mount point {:?} could be taken for another one's: it is too long, or has \"]:\" in it",
            text.chars().take(200).collect::<String>()
        );
    }
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(line: &str) -> Mountinfo {
        Mountinfo::parse(line.as_bytes())
    }

    fn external(key: &str, target: &str, read_only: bool) -> External {
        let source = Source::Step { index: 0, path: "/s".into(), recursive: true };
        External { key: key.into(), target: target.into(), read_only, source }
    }

    fn source(key: &str, target: &str, read_only: bool, shows: Identity) -> Known {
        Known { external: external(key, target, read_only), place: None, shows: Some(shows), claimed: false }
    }

    #[test]
    fn a_mount_gets_the_name_of_what_it_shows_not_of_where_it_is() {
        let text = "2 1 8:1 /secret /data ro - ext4 x rw\n3 1 8:1 /data /secret rw - ext4 x rw\n";
        let mountinfo = mount(text);
        let mounts: Vec<&Mount> = mountinfo.iter().collect();
        let mut seen = vec![
            Seen { mount: mounts[0], shows: Some((1, 10)), key: None },
            Seen { mount: mounts[1], shows: Some((1, 20)), key: None },
        ];
        // The image's symlinks have led each to where the config wanted the other.
        let mut known = vec![source("rw", "/data", false, (1, 20)), source("ro", "/secret", true, (1, 10))];
        by_what_they_show(&mut seen, &mut known);
        assert_eq!(seen[0].key.as_deref(), Some("ro"));
        assert_eq!(seen[1].key.as_deref(), Some("rw"));
    }

    #[test]
    fn one_place_that_is_there_twice_is_told_apart_by_target_then_by_flags() {
        let text = "2 1 8:1 /s /b rw - ext4 x rw\n3 1 8:1 /s /moved ro - ext4 x rw\n";
        let mountinfo = mount(text);
        let mut seen: Vec<Seen> =
            mountinfo.iter().map(|mount| Seen { mount, shows: Some((1, 1)), key: None }).collect();
        let mut known = vec![source("a", "/a", true, (1, 1)), source("b", "/b", false, (1, 1))];
        by_what_they_show(&mut seen, &mut known);
        assert_eq!((seen[0].key.as_deref(), seen[1].key.as_deref()), (Some("b"), Some("a")));
    }

    #[test]
    fn a_place_that_could_be_taken_for_another_is_refused() {
        for (point, good) in [("/a]:/etc", false), ("/a", true), ("/[a]", true), ("/a:]b", true)] {
            let mountinfo = mount(&format!("2 1 8:1 / {point} rw - ext4 x rw\n"));
            let mount = mountinfo.iter().next().unwrap();
            assert_eq!(place_of(mount).is_ok(), good, "{point}");
        }
        let long = format!("2 1 8:1 / /{} rw - ext4 x rw\n", "a".repeat(LONGEST_PLACE));
        assert!(place_of(mount(&long).iter().next().unwrap()).is_err());
    }
}
