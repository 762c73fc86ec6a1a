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

/// Removes a variable. Only before there can be a second thread.
pub(super) fn remove(name: &str) {
    // SAFETY: this process has one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) }
}
