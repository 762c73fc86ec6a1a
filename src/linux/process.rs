//! This process: prctl, sessions, personality, execve.

use std::ffi::CString;
use std::path::PathBuf;

use super::Result;

pub fn set_dumpable(dumpable: bool) -> Result<()> {
    todo!()
}
pub fn set_no_new_privileges() -> Result<()> {
    todo!()
}
/// PR_SET_PDEATHSIG; None clears.
pub fn set_parent_death_signal(signal: Option<nix::sys::signal::Signal>) -> Result<()> {
    todo!()
}
pub fn set_child_subreaper(on: bool) -> Result<()> {
    todo!()
}
/// PR_SET_NAME, at most 15 bytes.
pub fn set_name(name: &str) -> Result<()> {
    todo!()
}
pub fn new_session() -> Result<()> {
    todo!()
}
/// The raw system call: starts with "(unreachable)" where the cwd lies outside the root.
pub fn raw_cwd() -> Result<PathBuf> {
    todo!()
}
pub fn change_directory(path: &std::path::Path) -> Result<()> {
    todo!()
}
/// personality(2) domain and flags.
pub fn set_personality(persona: u64) -> Result<()> {
    todo!()
}
/// execve; returns only on failure.
pub fn execute(path: &std::ffi::CStr, args: &[CString], env: &[CString]) -> nix::errno::Errno {
    todo!()
}
/// _exit: no destructor, no atexit.
pub fn exit_now(status: i32) -> ! {
    todo!()
}
/// faccessat(AT_EACCESS, X_OK) and a regular file.
pub fn is_executable(path: &std::path::Path) -> Result<()> {
    todo!()
}
