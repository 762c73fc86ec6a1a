//! Descriptors: bounded reads, whole writes, closing all but a few.
//! Nothing here may leave a descriptor open across an exec by accident.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::NixPath;
use nix::fcntl::{AT_FDCWD, FcntlArg, FdFlag, OFlag, fcntl, openat};
use nix::sys::stat::{Mode, SFlag, fstat, major, minor};
use nix::unistd::Uid;

use super::syscall::{done, over_interrupts};
use super::{Errno, Result};

/// The highest number that a descriptor can have, for `close_range(2)`.
const LAST: libc::c_uint = libc::c_uint::MAX;
/// Memory devices and the minor number of `/dev/null` among them (Documentation/admin-guide/devices.txt).
pub const NULL_DEVICE: (u32, u32) = (1, 3);

/// Opens what is there (no O_CREAT). By openat(2): musl's open makes a second call for O_CLOEXEC.
pub fn open<P: ?Sized + NixPath>(path: &P, flags: OFlag) -> Result<OwnedFd> {
    openat(AT_FDCWD, path, flags, Mode::empty())
}

/// Marks every descriptor >= `first` close-on-exec (`man 2 close_range`, CLOSE_RANGE_CLOEXEC, Linux 5.11).
pub fn mark_cloexec_from(first: RawFd) -> Result<()> {
    close_range(number(first)?, LAST, libc::CLOSE_RANGE_CLOEXEC)
}

/// Really closes every descriptor >= `first` but those in `keep` (`man 2 close_range`).
///
/// Whatever still owns one of them must never be used or dropped again: this is for the last moment before execve.
pub fn close_from(first: RawFd, keep: &[RawFd]) -> Result<()> {
    let mut start = number(first)?;
    loop {
        let next = keep.iter().filter_map(|&fd| number(fd).ok()).filter(|&fd| fd >= start).min();
        let Some(kept) = next else { return close_range(start, LAST, 0) };
        if kept > start {
            close_range(start, kept - 1, 0)?;
        }
        start = kept + 1;
    }
}

/// dup3 to exactly `number` (or only sets the flag where it is that already). What `number` was before is closed.
pub fn place(fd: BorrowedFd, number: RawFd, cloexec: bool) -> Result<()> {
    if fd.as_raw_fd() == number {
        return set_cloexec(number, cloexec);
    }
    let flags = if cloexec { libc::O_CLOEXEC } else { 0 };
    // SAFETY: plain numbers; the caller says what `number` is for.
    over_interrupts(|| Errno::result(unsafe { libc::dup3(fd.as_raw_fd(), number, flags) })).map(drop)
}

/// Sets or clears FD_CLOEXEC.
pub fn set_cloexec(fd: RawFd, on: bool) -> Result<()> {
    let flags = if on { FdFlag::FD_CLOEXEC } else { FdFlag::empty() };
    fcntl(borrow(fd)?, FcntlArg::F_SETFD(flags)).map(drop)
}

pub fn is_open(fd: RawFd) -> bool {
    borrow(fd).is_ok_and(|fd| fcntl(fd, FcntlArg::F_GETFD).is_ok())
}

/// Writes all, over EINTR and short writes.
pub fn write_all(fd: BorrowedFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match over_interrupts(|| nix::unistd::write(fd, bytes))? {
            0 => return Err(Errno::EIO),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

/// One read, over EINTR.
pub fn read(fd: BorrowedFd, buffer: &mut [u8]) -> Result<usize> {
    over_interrupts(|| nix::unistd::read(fd, buffer))
}

/// Reads a regular file of which fstat says that it has `size` bytes, from its beginning, in one read unless it grows
/// meanwhile; EFBIG if there are more than `limit` bytes.
pub fn read_regular(fd: BorrowedFd, size: i64, limit: usize) -> Result<Vec<u8>> {
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    if size > limit {
        return Err(Errno::EFBIG);
    }
    let mut content = vec![0; size + 1];
    let count = read(fd, &mut content)?;
    if count <= size {
        content.truncate(count);
        return Ok(content);
    }
    content.extend(read_to_end(fd, limit - size)?);
    if content.len() > limit { Err(Errno::EFBIG) } else { Ok(content) }
}

/// Reads to the end; EFBIG if there are more than `limit` bytes.
pub fn read_to_end(fd: BorrowedFd, limit: usize) -> Result<Vec<u8>> {
    let mut chunk = [0; 4096];
    let mut content = Vec::new();
    loop {
        match read(fd, &mut chunk)? {
            0 => return Ok(content),
            count => content.extend_from_slice(&chunk[..count]),
        }
        if content.len() > limit {
            return Err(Errno::EFBIG);
        }
    }
}

/// Gives stdin, stdout and stderr to `uid`, so that a program that is not root can re-open them (runc's fixStdioPermissions).
///
/// The group stays. Left alone are /dev/null and what is the user's already; an owner that this user namespace does not
/// map (EPERM, EINVAL) or a read-only filesystem (EROFS) is no error.
pub fn own_stdio(uid: u32) -> Result<()> {
    for number in libc::STDIN_FILENO..=libc::STDERR_FILENO {
        let stream = borrow(number)?;
        let stat = fstat(stream)?;
        if stat.st_uid == uid || is_null(&stat) {
            continue;
        }
        match nix::unistd::fchown(stream, Some(Uid::from_raw(uid)), None) {
            Ok(()) | Err(Errno::EPERM | Errno::EINVAL | Errno::EROFS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Standard input, output or error, which may be closed. Not std's, which comes with a buffer.
pub fn stream(number: RawFd) -> Result<BorrowedFd<'static>> {
    borrow(number)
}

/// Which of stdin, stdout and stderr are a null device.
pub fn null_streams() -> Result<Vec<RawFd>> {
    let mut streams = Vec::new();
    for number in libc::STDIN_FILENO..=libc::STDERR_FILENO {
        if is_null(&fstat(borrow(number)?)?) {
            streams.push(number);
        }
    }
    Ok(streams)
}

/// Takes over an inherited descriptor by number. The caller must be the only one to do so, and it must be open.
#[cfg(test)]
pub fn adopt(fd: RawFd) -> std::os::fd::OwnedFd {
    // SAFETY: an inherited descriptor has no owner in this process until this call.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) }
}

/// Whether this is the null device.
pub fn is_null(stat: &nix::sys::stat::FileStat) -> bool {
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let (wanted_major, wanted_minor) = NULL_DEVICE;
    let wanted = (u64::from(wanted_major), u64::from(wanted_minor));
    kind == SFlag::S_IFCHR && (major(stat.st_rdev), minor(stat.st_rdev)) == wanted
}

fn borrow<'fd>(fd: RawFd) -> Result<BorrowedFd<'fd>> {
    number(fd)?;
    // SAFETY: not negative, and each use is one system call, which answers EBADF if it is closed.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

fn number(fd: RawFd) -> Result<libc::c_uint> {
    libc::c_uint::try_from(fd).map_err(|_| Errno::EBADF)
}

fn close_range(first: libc::c_uint, last: libc::c_uint, flags: libc::c_uint) -> Result<()> {
    // SAFETY: three numbers. That no owner of a closed descriptor goes on is the promise of `close_from`'s caller.
    done(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, IntoRawFd};

    use super::super::testing::in_child;
    use super::*;
    use std::os::fd::OwnedFd;

    use nix::fcntl::OFlag;
    use nix::sys::stat::Mode;

    fn null() -> OwnedFd {
        nix::fcntl::open("/dev/null", OFlag::O_RDWR, Mode::empty()).unwrap()
    }
    fn flags(fd: RawFd) -> FdFlag {
        FdFlag::from_bits_truncate(fcntl(borrow(fd).unwrap(), FcntlArg::F_GETFD).unwrap())
    }

    #[test]
    fn close_from_closes_all_but_the_kept_ones_in_any_order() {
        in_child(|| {
            for number in [70, 71, 72, 80, 90] {
                place(null().as_fd(), number, false).unwrap();
            }
            close_from(70, &[80, 71, 80, 3, 500, -1]).unwrap();
            let open: Vec<RawFd> = (70..600).filter(|&fd| is_open(fd)).collect();
            assert_eq!(open, [71, 80]);
            assert!(is_open(0) && is_open(1) && is_open(2));
        });
    }

    #[test]
    fn mark_cloexec_from_marks_what_lies_above_and_nothing_below() {
        in_child(|| {
            place(null().as_fd(), 70, false).unwrap();
            place(null().as_fd(), 71, false).unwrap();
            mark_cloexec_from(71).unwrap();
            assert_eq!(flags(70), FdFlag::empty());
            assert_eq!(flags(71), FdFlag::FD_CLOEXEC);
        });
    }

    #[test]
    fn place_on_its_own_number_only_changes_the_flag() {
        in_child(|| {
            let fd = null().into_raw_fd();
            place(borrow(fd).unwrap(), fd, true).unwrap();
            assert_eq!(flags(fd), FdFlag::FD_CLOEXEC);
            place(borrow(fd).unwrap(), fd, false).unwrap();
            assert_eq!(flags(fd), FdFlag::empty());
        });
    }

    #[test]
    fn numbers_that_cannot_be_descriptors_are_ebadf() {
        assert_eq!(set_cloexec(-1, true), Err(Errno::EBADF));
        assert_eq!(mark_cloexec_from(-1), Err(Errno::EBADF));
        assert!(!is_open(-1));
        assert!(!is_open(1_000_000));
    }

    #[test]
    fn read_to_end_takes_exactly_the_limit_and_refuses_one_byte_more() {
        let content = super::super::memfd::with_content("limit", &[7; 5000]).unwrap();
        assert_eq!(read_to_end(content.as_fd(), 5000).unwrap(), [7; 5000]);
        let content = super::super::memfd::with_content("limit", &[7; 5000]).unwrap();
        assert_eq!(read_to_end(content.as_fd(), 4999), Err(Errno::EFBIG));
    }

    #[test]
    fn write_all_goes_on_after_a_short_write() {
        in_child(|| {
            let (reader, writer) = nix::unistd::pipe().unwrap();
            // SAFETY: the child of a fork of this child only reads and exits.
            match unsafe { nix::unistd::fork() }.unwrap() {
                nix::unistd::ForkResult::Child => {
                    drop(writer);
                    let length = read_to_end(reader.as_fd(), 1 << 20).map(|bytes| bytes.len());
                    super::super::process::exit_now(i32::from(length != Ok(300_000)));
                }
                nix::unistd::ForkResult::Parent { child } => {
                    drop(reader);
                    write_all(writer.as_fd(), &vec![1; 300_000]).unwrap();
                    drop(writer);
                    let status = nix::sys::wait::waitpid(child, None).unwrap();
                    assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
                }
            }
        });
    }

    #[test]
    fn standard_streams_go_to_the_user_but_dev_null_does_not() {
        in_child(|| {
            let owner = fstat(null()).unwrap().st_uid;
            let (reader, writer) = nix::unistd::pipe().unwrap();
            place(null().as_fd(), 0, false).unwrap();
            place(writer.as_fd(), 1, false).unwrap();
            place(null().as_fd(), 2, false).unwrap();
            own_stdio(4321).unwrap();
            assert_eq!(fstat(&reader).unwrap().st_uid, 4321);
            assert_eq!(fstat(null()).unwrap().st_uid, owner);
        });
    }
}
