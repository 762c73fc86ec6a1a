//! Properties on random trees full of symlinks. Two oracles that know nothing of our code: the crate pathrs, and the
//! kernel's own path lookup in a chroot.

use std::collections::HashMap;
use std::os::fd::AsRawFd;

use super::*;

const FORESTS: u64 = 60;
const PATHS: usize = 40;

/// xorshift64*: the same numbers for the same seed, which a failure prints.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
    /// A path of up to seven components, now and then absolute, doubled or with a slash at its end.
    fn path(&mut self) -> String {
        let count = 1 + self.below(7);
        let names = ["a", "b", "c", "d", "e", "HOST", "..", "..", "."];
        let mut path: Vec<&str> = (0..count).map(|_| self.pick(&names)).collect();
        if self.below(3) == 0 {
            path.insert(0, "");
        }
        if self.below(8) == 0 {
            path.push("");
        }
        path.join(self.pick(&["/", "/", "/", "//"]))
    }
}

/// Directories, files and symlinks in a row; each at a path that may go through those before it.
fn plant(place: &Place, random: &mut Random) {
    for _ in 0..25 {
        let (path, kind) = (random.path(), random.below(5));
        let Ok(entry) = steady(|| place.root.parent(Path::new(&path))) else { continue };
        let at = |name: &OsStr| format!("/proc/self/fd/{}/{}", entry.parent.as_raw_fd(), name.display());
        let made = match kind {
            0 | 1 => fs::create_dir(at(&entry.name)),
            2 => fs::File::create_new(at(&entry.name)).map(drop),
            _ => symlink(random.path(), at(&entry.name)),
        };
        // Often there is something of that name already.
        drop(made);
    }
}

fn inode(fd: impl AsFd) -> (u64, u64) {
    let stat = fstat(fd).unwrap();
    (stat.st_dev, stat.st_ino)
}

/// Where a handle is in the host's tree.
fn location(handle: &OwnedFd) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", handle.as_raw_fd())).unwrap()
}

fn errno(error: &pathrs::error::Error) -> Option<Errno> {
    match error.kind() {
        pathrs::error::ErrorKind::OsError(number) => number.map(Errno::from_raw),
        _ => None,
    }
}

/// Long winding paths meet every rename of the machine, whoever makes it, and those of the race tests in particular.
fn steady<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    (0..1000)
        .map(|_| call())
        .find(|outcome| outcome.as_ref().err() != Some(&Errno::EAGAIN))
        .unwrap_or(Err(Errno::EAGAIN))
}

fn ask(oracle: impl Fn() -> std::result::Result<pathrs::Handle, pathrs::error::Error>) -> Result<(u64, u64)> {
    steady(|| oracle().map(inode).map_err(|error| errno(&error).unwrap_or(Errno::UnknownErrno)))
}

#[test]
fn lookups_answer_as_pathrs_does() {
    for seed in 1..=FORESTS {
        let (place, mut random) = (Place::new(), Random(seed));
        plant(&place, &mut random);
        let oracle = pathrs::Root::open(place.path("")).unwrap();
        for path in (0..PATHS).map(|_| random.path()).collect::<Vec<_>>() {
            let path = Path::new(&path);
            let (followed, not) =
                (steady(|| place.root.resolve(path)), steady(|| place.root.resolve_nofollow(path)));
            for handle in [&followed, &not].into_iter().flatten() {
                assert!(location(handle).starts_with(place.path("")), "seed {seed}, {path:?}");
            }
            assert_eq!(followed.map(inode), ask(|| oracle.resolve(path)), "seed {seed}, {path:?}");
            assert_eq!(
                not.map(inode),
                ask(|| oracle.resolve_nofollow(path)),
                "seed {seed}, {path:?}, not followed"
            );
        }
    }
}

#[test]
fn lookups_answer_as_the_kernel_does_in_a_chroot() {
    for seed in 1..=FORESTS {
        let (place, mut random) = (Place::new(), Random(seed));
        plant(&place, &mut random);
        let paths: Vec<String> = (0..PATHS).map(|_| random.path()).collect();
        let ours: Vec<_> =
            paths.iter().map(|path| steady(|| place.root.resolve(Path::new(path))).map(inode)).collect();
        let top = place.path("");
        in_child(|| {
            nix::unistd::chroot(&top).unwrap();
            nix::unistd::chdir("/").unwrap();
            for (path, ours) in paths.iter().zip(&ours) {
                let kernel = open(path.as_str(), OFlag::O_PATH, Mode::empty()).map(inode);
                assert_eq!(*ours, kernel, "seed {seed}, {path:?}");
            }
        });
    }
}

#[test]
fn what_is_made_is_inside_and_is_what_the_path_names_from_then_on() {
    let mut outcomes: HashMap<&str, u32> = HashMap::new();
    for seed in 1..=FORESTS {
        let (place, mut random) = (Place::new(), Random(seed));
        plant(&place, &mut random);
        for _ in 0..PATHS / 4 {
            let (path, leaf) = (random.path(), [Leaf::Directory, Leaf::File][random.below(2)]);
            let path = Path::new(&path);
            let existed = steady(|| place.root.resolve(path)).is_ok();
            let made = steady(|| place.root.make(path, leaf, 0o755));
            *outcomes
                .entry(if made.is_err() {
                    "refused"
                } else if existed {
                    "found"
                } else {
                    "made"
                })
                .or_default() += 1;
            match made {
                Ok(made) => {
                    assert!(location(&made).starts_with(place.path("")), "seed {seed}, {path:?}");
                    // A slash at the end is for directories; a file is made without it.
                    let plain = PathBuf::from_iter(path.components());
                    let found = steady(|| place.root.resolve(&plain)).unwrap();
                    assert_eq!(inode(&made), inode(&found), "seed {seed}, {path:?}");
                }
                Err(errno) => {
                    let known = [Errno::ENOTDIR, Errno::ELOOP, Errno::EISDIR];
                    assert!(known.contains(&errno), "seed {seed}, {path:?}: {errno}");
                }
            }
        }
        place.assert_host_is_untouched();
    }
    assert!(["made", "found", "refused"].iter().all(|outcome| outcomes[outcome] > 50), "{outcomes:?}");
}
