//! Session keyrings (`man 2 keyctl`).

use std::ffi::CString;

use super::syscall::{done, value};
use super::{Errno, Result};

/// linux/keyctl.h
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
const KEYCTL_SETPERM: libc::c_long = 5;
const KEYCTL_DESCRIBE: libc::c_long = 6;
/// Permission to search, for the user and for who possesses the key (`man 3 keyctl_setperm`).
const SEARCH_BY_USER: u32 = 0x0008_0000;
const SEARCH_BY_POSSESSOR: u32 = 0x0800_0000;

/// Joins a new session keyring of that name and makes it searchable: by its user, or in a user namespace by
/// its possessor and for nobody else's uid.
///
/// # Errors
/// ENOSYS without keyrings; EDQUOT where the user has too many keys.
pub fn join_session(name: &str, user_namespace: bool) -> Result<()> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads the name, which outlives the call.
    let key = value(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })?;
    let permissions = match user_namespace {
        true => (permissions(key)? & 0xff00_0000) | SEARCH_BY_POSSESSOR,
        false => permissions(key)? | SEARCH_BY_USER,
    };
    // SAFETY: two numbers.
    done(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, key, permissions) })
}

/// The permission mask, field 4 of `type;uid;gid;perm;description`.
fn permissions(key: libc::c_long) -> Result<u32> {
    let mut buffer = [0u8; 4096];
    // SAFETY: the kernel writes at most `len` bytes to the buffer.
    let length = value(unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_DESCRIBE, key, buffer.as_mut_ptr(), buffer.len())
    })?;
    let length = usize::try_from(length).unwrap_or(0).min(buffer.len());
    let text = String::from_utf8_lossy(&buffer[..length]);
    let field = text.split(';').nth(3).ok_or(Errno::EINVAL)?;
    u32::from_str_radix(field, 16).map_err(|_| Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn a_new_session_keyring_can_be_searched_by_its_user() {
        in_child(|| {
            join_session("_ses.trug-test", false).unwrap();
            // KEY_SPEC_SESSION_KEYRING
            assert_eq!(permissions(-3).unwrap() & SEARCH_BY_USER, SEARCH_BY_USER);
        });
    }
}
