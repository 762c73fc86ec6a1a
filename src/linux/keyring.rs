//! Session keyrings (`man 2 keyctl`).

use std::ffi::CString;

use super::syscall::{done, value};
use super::{Errno, Result};

/// linux/keyctl.h
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
const KEYCTL_SETPERM: libc::c_long = 5;
const KEYCTL_DESCRIBE: libc::c_long = 6;
/// KEY_USR_SEARCH and KEY_OTH_SEARCH (linux/key.h, `man 3 keyctl_setperm`).
const SEARCH_BY_USER: u32 = 0x0008_0000;
const SEARCH_BY_OTHERS: u32 = 0x0000_0008;

/// Joins the session keyring of that name, made if there is none, and lets it be searched, as runc does: by its user,
/// or in a user namespace by the others, which its users are to it.
///
/// # Errors
/// ENOSYS without keyrings; EDQUOT where the user has too many keys.
pub fn join_session(name: &str, user_namespace: bool) -> Result<()> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads the name, which outlives the call.
    let key = value(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })?;
    let search = if user_namespace { SEARCH_BY_OTHERS } else { SEARCH_BY_USER };
    let permissions = permissions(key)? | search;
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

    /// KEY_SPEC_SESSION_KEYRING (linux/keyctl.h)
    const SESSION: libc::c_long = -3;

    #[test]
    fn a_new_session_keyring_can_be_searched_by_its_user_or_by_others() {
        for (user_namespace, bits) in [(false, SEARCH_BY_USER), (true, SEARCH_BY_OTHERS)] {
            in_child(|| {
                join_session(&format!("_ses.trug-test-{user_namespace}"), user_namespace).unwrap();
                let all = SEARCH_BY_USER | SEARCH_BY_OTHERS;
                assert_eq!(permissions(SESSION).unwrap() & all, bits, "user namespace: {user_namespace}");
            });
        }
    }

    #[test]
    fn the_keyring_is_another_one_than_before() {
        in_child(|| {
            join_session("_ses.trug-test-a", false).unwrap();
            let name = || {
                let mut buffer = [0u8; 256];
                // SAFETY: the kernel writes at most `len` bytes to the buffer.
                let length = unsafe {
                    libc::syscall(
                        libc::SYS_keyctl,
                        KEYCTL_DESCRIBE,
                        SESSION,
                        buffer.as_mut_ptr(),
                        buffer.len(),
                    )
                };
                String::from_utf8_lossy(&buffer[..length as usize]).into_owned()
            };
            assert!(name().contains("_ses.trug-test-a"), "{}", name());
            join_session("_ses.trug-test-b", false).unwrap();
            assert!(name().contains("_ses.trug-test-b"), "{}", name());
            assert_eq!(join_session("a\0b", false), Err(Errno::EINVAL));
        });
    }
}
