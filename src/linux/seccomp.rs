//! seccomp(2): installing a compiled filter.

use std::os::fd::OwnedFd;

use super::syscall::{descriptor, value};
use super::{Errno, Result};

/// linux/seccomp.h
const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
/// The call returns a descriptor that answers notifications.
pub const FLAG_NEW_LISTENER: u64 = 1 << 3;

/// Installs `program`, an array of struct sock_filter as libseccomp's export writes it, with
/// SECCOMP_FILTER_FLAG_* `flags`; the listener if FLAG_NEW_LISTENER is among them.
///
/// # Errors
/// EINVAL where the program is no valid filter or a flag is unknown; EACCES without both no_new_privs and
/// CAP_SYS_ADMIN.
pub fn install(program: &[u8], flags: u64) -> Result<Option<OwnedFd>> {
    // The kernel takes 32 bits and would not see the others.
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let size = size_of::<libc::sock_filter>();
    if program.is_empty() || !program.len().is_multiple_of(size) {
        return Err(Errno::EINVAL);
    }
    let mut filters: Vec<libc::sock_filter> = program
        .chunks_exact(size)
        .map(|bytes| libc::sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(filters.len()).map_err(|_| Errno::EINVAL)?,
        filter: filters.as_mut_ptr(),
    };
    // SAFETY: the kernel reads `len` instructions from `filter`, which outlives the call.
    let returned = unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) };
    if u64::from(flags) & FLAG_NEW_LISTENER == 0 {
        // With SECCOMP_FILTER_FLAG_TSYNC, a positive number is a thread that could not be brought along.
        return if value(returned)? == 0 { Ok(None) } else { Err(Errno::ESRCH) };
    }
    // SAFETY: with this flag the call returns a new descriptor, close-on-exec.
    unsafe { descriptor(returned) }.map(Some)
}

/// Whether the kernel knows all these SECCOMP_FILTER_FLAG_* together. Installs nothing.
pub fn knows_flags(flags: u64) -> bool {
    let Ok(flags) = u32::try_from(flags) else { return false };
    let no_program = std::ptr::null::<libc::sock_fprog>();
    // SAFETY: flags are looked at before the program (EINVAL), and then there is none to read (EFAULT).
    let returned = unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, no_program) };
    value(returned) == Err(Errno::EFAULT)
}

#[cfg(test)]
mod tests {
    use super::super::process::set_no_new_privileges;
    use super::super::testing::in_child;
    use super::*;

    /// `return SECCOMP_RET_ERRNO | EXDEV if nr == getppid else ALLOW`, in native byte order.
    fn deny_getppid() -> Vec<u8> {
        let instructions: [(u16, u8, u8, u32); 4] = [
            (0x20, 0, 0, 0),
            (0x15, 0, 1, libc::SYS_getppid as u32),
            (0x06, 0, 0, 0x0005_0000 | libc::EXDEV as u32),
            (0x06, 0, 0, 0x7fff_0000),
        ];
        let bytes = |(code, jt, jf, k): (u16, u8, u8, u32)| {
            [&code.to_ne_bytes()[..], &[jt, jf], &k.to_ne_bytes()].concat()
        };
        instructions.into_iter().flat_map(bytes).collect()
    }

    #[test]
    fn an_installed_filter_answers_as_it_says() {
        in_child(|| {
            set_no_new_privileges().unwrap();
            assert!(install(&deny_getppid(), 0).unwrap().is_none());
            // SAFETY: no arguments.
            let returned = unsafe { libc::syscall(libc::SYS_getppid) };
            assert_eq!(value(returned), Err(Errno::EXDEV));
        });
    }

    #[test]
    fn a_listener_is_returned_where_it_is_asked_for() {
        in_child(|| {
            set_no_new_privileges().unwrap();
            assert!(install(&deny_getppid(), FLAG_NEW_LISTENER).unwrap().is_some());
        });
    }

    #[test]
    fn a_flag_is_known_or_not_and_nothing_is_installed_by_asking() {
        in_child(|| {
            assert!(knows_flags(0) && knows_flags(FLAG_NEW_LISTENER));
            assert!(!knows_flags(1 << 31));
        });
    }

    #[test]
    fn without_no_new_privs_and_privilege_it_is_eacces() {
        in_child(|| {
            super::super::capability::set(&[], &[], &[]).unwrap();
            assert_eq!(install(&deny_getppid(), 0).map(drop), Err(Errno::EACCES));
        });
    }

    #[test]
    fn an_unknown_flag_and_a_program_without_an_end_are_einval() {
        in_child(|| {
            set_no_new_privileges().unwrap();
            for flag in [1 << 31, 1 << 40] {
                assert_eq!(install(&deny_getppid(), flag).map(drop), Err(Errno::EINVAL));
                assert!(!knows_flags(flag));
            }
            assert_eq!(install(&deny_getppid()[..8], 0).map(drop), Err(Errno::EINVAL));
            let long = deny_getppid().repeat(16_385);
            assert_eq!(install(&long, 0).map(drop), Err(Errno::EINVAL), "more than a length can say");
        });
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for bytes in [&b""[..], b"1234567", b"123456789"] {
            assert_eq!(install(bytes, 0).map(drop), Err(Errno::EINVAL));
        }
    }
}
