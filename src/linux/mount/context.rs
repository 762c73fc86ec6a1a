//! A filesystem being configured (`man 2 fsopen, fsconfig, fsmount, fspick`).

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::super::syscall::{descriptor, done};
use super::super::{Errno, Result};
use super::Attributes;

/// FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC, FSPICK_CLOEXEC, FSPICK_EMPTY_PATH (linux/mount.h).
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSPICK_CLOEXEC: libc::c_uint = 1;
const FSPICK_EMPTY_PATH: libc::c_uint = 8;

/// Bytes of the longest message that is read from a context's log; the kernel formats them into far less.
const MESSAGE_BYTES: usize = 4096;
/// The kernel keeps 8 messages (`struct fc_log`); more than this many reads cannot be the log.
const MESSAGES: usize = 64;

/// `enum fsconfig_command` (linux/mount.h).
#[derive(Clone, Copy)]
#[repr(u32)]
enum Command {
    SetFlag = 0,
    SetString = 1,
    Create = 6,
    Reconfigure = 7,
}

/// A filesystem being configured: `open`, then options by `set`, then `mount`; or `pick`, `set`, `reconfigure`.
pub struct FsContext(OwnedFd);

impl FsContext {
    /// `man 2 fsopen`. ENODEV: this kernel has no such filesystem.
    pub fn open(kind: &str) -> Result<Self> {
        let kind = string(kind)?;
        // SAFETY: a C string that outlives the call; a new descriptor comes back.
        let context = unsafe { descriptor(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC)) };
        context.map(Self)
    }

    /// Reconfigure an existing mount's superblock: `fspick` of the mount that fd is the root of.
    pub fn pick(mount: BorrowedFd) -> Result<Self> {
        let (mount, flags) = (mount.as_raw_fd(), FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
        // SAFETY: an empty C string; a new descriptor comes back.
        let context = unsafe { descriptor(libc::syscall(libc::SYS_fspick, mount, c"".as_ptr(), flags)) };
        context.map(Self)
    }

    /// A flag (`ro`) or a pair (`size=64k`); the source goes by key "source". EINVAL: see `messages`.
    pub fn set(&self, key: &str, value: Option<&str>) -> Result<()> {
        let key = string(key)?;
        match value {
            None => self.config(Command::SetFlag, Some(&key), None),
            Some(value) => self.config(Command::SetString, Some(&key), Some(&string(value)?)),
        }
    }

    /// Creates the superblock and a detached mount of it with `attributes` (there is nothing to clear yet).
    pub fn mount(&self, attributes: Attributes) -> Result<OwnedFd> {
        self.config(Command::Create, None, None)?;
        let flags = attributes.set_bits() as libc::c_uint;
        // SAFETY: numbers in, a new descriptor out.
        unsafe { descriptor(libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), FSMOUNT_CLOEXEC, flags)) }
    }

    /// FSCONFIG_CMD_RECONFIGURE.
    pub fn reconfigure(&self) -> Result<()> {
        self.config(Command::Reconfigure, None, None)
    }

    /// What the kernel wrote into the context's log (`e tmpfs: Unknown parameter 'x'`), for error texts. Each message
    /// is given once. Reading never waits: an empty log is ENODATA.
    pub fn messages(&self) -> Vec<String> {
        let mut buffer = [0; MESSAGE_BYTES];
        let message = || {
            let length =
                super::super::fd::read(self.0.as_fd(), &mut buffer).ok().filter(|&length| length > 0)?;
            Some(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned())
        };
        std::iter::from_fn(message).take(MESSAGES).collect()
    }

    fn config(&self, command: Command, key: Option<&CStr>, value: Option<&CStr>) -> Result<()> {
        let (context, command) = (self.0.as_raw_fd(), command as libc::c_uint);
        let (key, value) = (pointer(key), pointer(value));
        // SAFETY: null or C strings that outlive the call; which of them a command reads is fsconfig's own rule.
        done(unsafe { libc::syscall(libc::SYS_fsconfig, context, command, key, value, 0) })
    }
}

fn string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Errno::EINVAL)
}

fn pointer(text: Option<&CStr>) -> *const libc::c_char {
    text.map_or(std::ptr::null(), CStr::as_ptr)
}
