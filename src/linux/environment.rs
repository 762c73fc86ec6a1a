//! The environment of this process as the kernel gave it: also what is no `NAME=value`, which std leaves out.

use std::ffi::{CStr, CString};

unsafe extern "C" {
    /// `man 7 environ`.
    static environ: *const *const libc::c_char;
}

/// Every entry, unchanged and in order.
pub(super) fn entries() -> Vec<CString> {
    let mut entries = Vec::new();
    // SAFETY: this process has one thread, so nobody changes the array meanwhile; it is null or ends in null, and its
    // entries are C strings.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            entries.push(CStr::from_ptr(*entry).to_owned());
            entry = entry.add(1);
        }
    }
    entries
}

/// Overwrites every entry by zeros: what is left to see in /proc/PID/environ, and in the memory of this process, is
/// nothing of its caller's. std::env has no variables afterwards.
pub fn erase() {
    // SAFETY: as above; the strings are this process's own memory, from the kernel or the heap, and each is written to
    // its own length alone. An entry that is empty then is passed over by std and by libc.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let length = CStr::from_ptr(*entry).to_bytes().len();
            std::ptr::write_bytes((*entry).cast_mut(), 0, length);
            entry = entry.add(1);
        }
    }
}

/// Removes a variable. Only before there can be a second thread.
pub(super) fn remove(name: &str) {
    // SAFETY: this process has one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) }
}
