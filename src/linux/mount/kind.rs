//! The name of the filesystem that a mount shows, for error texts.

use std::os::fd::BorrowedFd;

use nix::sys::statfs::fstatfs;

/// linux/magic.h and the filesystems' own headers.
const NAMES: [(i64, &str); 17] = [
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x0102_1994, "tmpfs"),
    (0x1cd1, "devpts"),
    (0x1980_0202, "mqueue"),
    (0x27_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x794c_7630, "overlay"),
    (0x6573_5546, "fuse"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0x0102_1997, "9p"),
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x2fc1_2fc1, "zfs"),
    (0x6a65_6a63, "virtiofs"),
];

/// A name where the number is well known, else the number.
pub fn kind_of(mount: BorrowedFd) -> String {
    let Ok(stat) = fstatfs(mount) else { return "of unknown type".to_owned() };
    // The field is signed on some systems and unsigned on others.
    let number = i64::from(stat.filesystem_type().0 as u32);
    match NAMES.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => format!("{name:?}"),
        None => format!("{number:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_known_filesystem_has_a_name() {
        assert_eq!(kind_of(File::open("/proc").unwrap().as_fd()), "\"proc\"");
        assert_eq!(kind_of(File::open("/sys").unwrap().as_fd()), "\"sysfs\"");
    }
}
