//! The mounts of a namespace as /proc/PID/mountinfo lists them (`man 5 proc_pid_mountinfo`).
//! A line that makes no sense is passed over: one odd mount must not hide all the others.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::syscall::done;
use super::{Errno, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub id: u64,
    pub parent: u64,
    /// Major and minor number of the filesystem's device.
    pub device: (u32, u32),
    /// The directory of the filesystem that is the root of this mount.
    pub root: PathBuf,
    /// Relative to the reader's root directory.
    pub mount_point: PathBuf,
    /// Of the mount itself.
    pub read_only: bool,
    pub filesystem: String,
    /// Options of the filesystem, not of the mount: `rw`, `memory`, `name=systemd`.
    pub super_options: Vec<String>,
}

/// All of them, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mountinfo(Vec<Mount>);

impl Mountinfo {
    pub fn parse(text: &[u8]) -> Self {
        Self(text.split(|&byte| byte == b'\n').filter_map(parse_line).collect())
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Mount> {
        self.0.iter()
    }

    pub fn get(&self, id: u64) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.id == id)
    }

    /// Is the mount `id` the mount `top`, or attached somewhere below it?
    pub fn is_below(&self, id: u64, top: u64) -> bool {
        let parents: HashMap<u64, u64> = self.0.iter().map(|mount| (mount.id, mount.parent)).collect();
        let mut ancestors = std::iter::successors(Some(id), |id| parents.get(id).copied());
        // The root's parent is itself or unlisted; no chain is longer than the list.
        ancestors.by_ref().take(self.0.len() + 1).any(|id| id == top)
    }
}

/// The id of the mount that a descriptor lies on, as mountinfo numbers it (`man 2 statx`, STATX_MNT_ID, Linux 5.8).
pub fn mount_id(fd: BorrowedFd) -> Result<u64> {
    let stat = statx(fd)?;
    if stat.stx_mask & libc::STATX_MNT_ID == 0 { Err(Errno::ENOSYS) } else { Ok(stat.stx_mnt_id) }
}

/// Is this the root of a mount (STATX_ATTR_MOUNT_ROOT, Linux 5.8)?
pub fn is_mount_root(fd: BorrowedFd) -> Result<bool> {
    let (stat, bit) = (statx(fd)?, libc::STATX_ATTR_MOUNT_ROOT as u64);
    if stat.stx_attributes_mask & bit == 0 { Err(Errno::ENOSYS) } else { Ok(stat.stx_attributes & bit != 0) }
}

fn statx(fd: BorrowedFd) -> Result<libc::statx> {
    // SAFETY: `struct statx` is plain numbers, for which zeros are valid.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    let (itself, flags, mask) = (c"".as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_MNT_ID);
    // The call itself and not libc's function: the standard library refers to that weakly, and in a static program
    // whose crates are linked as one, the weak reference may be the one that is left, and lead nowhere.
    // SAFETY: an empty C string and a buffer of the right type, which both outlive the call.
    done(unsafe { libc::syscall(libc::SYS_statx, fd.as_raw_fd(), itself, flags, mask, &raw mut stat) })?;
    Ok(stat)
}

/// `36 35 98:0 /root /mount\040point rw,noatime master:1 - ext4 /dev/sda rw,errors=continue`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let (major, minor) = str::from_utf8(fields.next()?).ok()?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let root = path(fields.next()?);
    let mount_point = path(fields.next()?);
    let read_only = fields.next()?.split(|&byte| byte == b',').any(|option| option == b"ro");
    // Any number of optional fields, ended by a dash.
    fields.by_ref().find(|field| field == b"-")?;
    let filesystem = text(fields.next()?);
    let _source = fields.next()?;
    let super_options = text(fields.next()?).split(',').map(str::to_owned).collect();
    Some(Mount { id, parent, device, root, mount_point, read_only, filesystem, super_options })
}

fn number(field: &[u8]) -> Option<u64> {
    str::from_utf8(field).ok()?.parse().ok()
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(field)))
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// The kernel writes space, tab, newline, backslash and `#` as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, tail) = octal(rest).map_or((first, tail), |byte| (byte, &rest[4..]));
        plain.push(byte);
        rest = tail;
    }
    plain
}

fn octal(escaped: &[u8]) -> Option<u8> {
    let [b'\\', digits @ ..] = escaped.get(..4)? else { return None };
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::path::Path;

    use super::*;

    const SAMPLE: &[u8] = b"\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
22 21 0:5 / /proc rw - proc proc rw
23 21 0:30 /with\\040space /mnt/a\\011b\\134c ro,nosuid master:3 propagate_from:2 unbindable - tmpfs none rw,size=4k
garbage
24 23 0:31 / /mnt/deep
25 23 0:32 / /mnt/deep rw - cgroup cgroup rw,name=systemd
";

    #[test]
    fn fields_are_found_around_any_number_of_optional_ones() {
        let mounts = Mountinfo::parse(SAMPLE);
        let ids: Vec<u64> = mounts.iter().map(|mount| mount.id).collect();
        assert_eq!(ids, [21, 22, 23, 25], "lines without sense are passed over");
        let odd = mounts.get(23).unwrap();
        assert_eq!(odd.root, Path::new("/with space"));
        assert_eq!(odd.mount_point, Path::new("/mnt/a\tb\\c"));
        assert_eq!(mounts.get(25).unwrap().super_options, ["rw", "name=systemd"]);
        assert_eq!(odd.device, (0, 30));
        assert!(odd.read_only && !mounts.get(21).unwrap().read_only);
    }

    #[test]
    fn a_mount_is_below_itself_and_its_ancestors_only() {
        let mounts = Mountinfo::parse(SAMPLE);
        for (id, top, below) in
            [(25, 23, true), (25, 21, true), (25, 25, true), (25, 22, false), (21, 25, false)]
        {
            assert_eq!(mounts.is_below(id, top), below, "{id} below {top}");
        }
        let circle = Mountinfo::parse(b"1 2 0:1 / / rw - a a rw\n2 1 0:1 / / rw - a a rw\n");
        assert!(!circle.is_below(1, 3));
    }

    #[test]
    fn only_whole_octal_escapes_are_undone() {
        for (escaped, plain) in
            [("a\\040b", "a b"), ("\\", "\\"), ("\\04", "\\04"), ("\\09x", "\\09x"), ("\\777", "\\777")]
        {
            assert_eq!(text(escaped.as_bytes()), plain);
        }
    }

    #[test]
    fn the_id_of_a_descriptor_is_found_in_the_list() {
        let mounts = Mountinfo::parse(&std::fs::read("/proc/self/mountinfo").unwrap());
        let proc = std::fs::File::open("/proc").unwrap();
        let mount = mounts.get(mount_id(proc.as_fd()).unwrap()).unwrap();
        assert_eq!((mount.filesystem.as_str(), mount.mount_point.as_path()), ("proc", Path::new("/proc")));
    }
}
