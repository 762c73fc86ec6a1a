//! This process: prctl, sessions, personality, execve.

use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::NixPath;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::personality::{self, Persona};
use nix::sys::prctl;
use nix::sys::stat::SFlag;
use nix::unistd::AccessFlags;

use super::syscall::{done, value};
use super::{Errno, Result};

/// Bytes of a task's name without the terminating zero (linux/sched.h, TASK_COMM_LEN).
const NAME_BYTES: usize = 15;

/// PR_SET_DUMPABLE. Not dumpable: /proc/PID belongs to root and nobody without CAP_SYS_PTRACE may look in (security
/// rule R4). Every execve and every change of credentials sets it again.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    prctl::set_dumpable(dumpable)
}

/// PR_SET_NO_NEW_PRIVS; never to be undone.
pub fn set_no_new_privileges() -> Result<()> {
    prctl::set_no_new_privs()
}

/// PR_SET_PDEATHSIG; None clears. A change of credentials clears it too (`man 2 PR_SET_PDEATHSIG`).
pub fn set_parent_death_signal(signal: Option<nix::sys::signal::Signal>) -> Result<()> {
    prctl::set_pdeathsig(signal)
}

/// PR_SET_CHILD_SUBREAPER.
pub fn set_child_subreaper(on: bool) -> Result<()> {
    prctl::set_child_subreaper(on)
}

/// PR_SET_NAME, cut to 15 bytes; a zero byte is EINVAL.
pub fn set_name(name: &str) -> Result<()> {
    let bytes = &name.as_bytes()[..name.len().min(NAME_BYTES)];
    let name = CString::new(bytes).map_err(|_| Errno::EINVAL)?;
    prctl::set_name(&name)
}

/// setsid(2); EPERM where we lead a process group already.
pub fn new_session() -> Result<()> {
    nix::unistd::setsid().map(drop)
}

/// The raw system call: starts with "(unreachable)" where the cwd lies outside the root, which glibc's getcwd hides
/// behind ENOENT or works around.
pub fn raw_cwd() -> Result<PathBuf> {
    let mut buffer = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: the kernel writes at most `len` bytes to the buffer.
    let length = value(unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) })?;
    // The length counts the terminating zero.
    buffer.truncate(usize::try_from(length).unwrap_or(0).saturating_sub(1));
    Ok(PathBuf::from(OsString::from_vec(buffer)))
}

/// personality(2) domain and flags.
pub fn set_personality(persona: u64) -> Result<()> {
    let persona = u32::try_from(persona).map_err(|_| Errno::EINVAL)?;
    personality::set(Persona::from_bits_retain(persona.cast_signed())).map(drop)
}

/// execve; returns only on failure.
pub fn execute(path: &CStr, args: &[CString], env: &[CString]) -> Errno {
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end in null and point to strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    Errno::last()
}

/// execveat of the very file that `program` is; returns only on failure.
pub fn execute_file(program: BorrowedFd, args: &[CString], env: &[CString]) -> Errno {
    let (fd, args, env) = (program.as_raw_fd(), pointers(args), pointers(env));
    // SAFETY: both arrays end in null and point to strings that outlive the call, as does the empty path.
    unsafe {
        let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
        libc::syscall(libc::SYS_execveat, fd, path, args.as_ptr(), env.as_ptr(), flags);
    }
    Errno::last()
}

/// _exit: no destructor, no atexit.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: it never returns, so nothing can be left half done.
    unsafe { libc::_exit(status) }
}

/// May the effective user execute this regular file? EISDIR for a directory, EACCES for anything else that execve
/// would refuse.
pub fn is_executable(path: &Path) -> Result<()> {
    let mode_bits = mode_bits(path)?;
    match SFlag::from_bits_truncate(mode_bits) & SFlag::S_IFMT {
        SFlag::S_IFREG => {}
        SFlag::S_IFDIR => return Err(Errno::EISDIR),
        _ => return Err(Errno::EACCES),
    }
    match nix::unistd::faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS) {
        // A container's filter can forbid faccessat2; execve has the last word then.
        Err(Errno::EPERM | Errno::ENOSYS) if mode_bits & 0o111 != 0 => Ok(()),
        Err(Errno::EPERM | Errno::ENOSYS) => Err(Errno::EACCES),
        answered => answered,
    }
}

/// The system call that a C library's stat makes or does not: musl's makes one that is older, which a container's
/// filter need not allow, since runc makes this one.
fn mode_bits(path: &Path) -> Result<libc::mode_t> {
    // SAFETY: `struct stat` is plain numbers, for which zeros are valid.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    done(path.with_nix_path(|path| {
        // SAFETY: a C string and a buffer of the kernel's layout, which both outlive the call.
        unsafe { libc::syscall(libc::SYS_newfstatat, libc::AT_FDCWD, path.as_ptr(), &raw mut stat, 0) }
    })?)?;
    Ok(stat.st_mode)
}

/// The strings' addresses and a null, as execve wants them; valid while `strings` is.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::{Scratch, in_child};
    use super::*;

    #[test]
    fn a_cwd_outside_the_root_says_so() {
        let scratch = Scratch::new();
        in_child(|| {
            nix::unistd::chdir("/usr").unwrap();
            assert_eq!(raw_cwd().unwrap(), Path::new("/usr"));
            nix::unistd::chroot(scratch.path()).unwrap();
            assert!(raw_cwd().unwrap().starts_with("(unreachable)"));
        });
    }

    #[test]
    fn a_removed_cwd_is_enoent() {
        in_child(|| {
            let scratch = Scratch::new();
            nix::unistd::chdir(scratch.path()).unwrap();
            drop(scratch);
            assert_eq!(raw_cwd(), Err(Errno::ENOENT));
        });
    }

    #[test]
    fn prctl_settings_are_what_the_kernel_reads_back() {
        in_child(|| {
            set_dumpable(false).unwrap();
            assert_eq!(prctl::get_dumpable(), Ok(false));
            set_no_new_privileges().unwrap();
            assert_eq!(prctl::get_no_new_privs(), Ok(true));
            set_parent_death_signal(Some(nix::sys::signal::SIGKILL)).unwrap();
            assert_eq!(prctl::get_pdeathsig(), Ok(Some(nix::sys::signal::SIGKILL)));
            set_parent_death_signal(None).unwrap();
            assert_eq!(prctl::get_pdeathsig(), Ok(None));
            set_child_subreaper(true).unwrap();
            assert_eq!(prctl::get_child_subreaper(), Ok(true));
            set_name("a name of more than fifteen bytes").unwrap();
            assert_eq!(prctl::get_name().unwrap().to_str(), Ok("a name of more "));
            assert_eq!(set_name("a\0b"), Err(Errno::EINVAL));
            set_personality(0x0040000).unwrap();
            // SAFETY: 0xffffffff only asks.
            assert_eq!(unsafe { libc::personality(0xffff_ffff) }, 0x0040000);
        });
    }

    #[test]
    fn a_session_is_new_once() {
        in_child(|| {
            new_session().unwrap();
            assert_eq!(nix::unistd::getsid(None), Ok(nix::unistd::getpid()));
            assert_eq!(new_session(), Err(Errno::EPERM));
        });
    }

    #[test]
    fn execute_passes_arguments_and_environment_and_names_its_failure() {
        in_child(|| {
            assert_eq!(execute(c"/nonexistent", &[], &[]), Errno::ENOENT);
            assert_eq!(execute(c"/", &[], &[]), Errno::EACCES);
            let args = [c"sh", c"-c", c"test \"$0 $WORD\" = 'one two' || exit 1", c"one"].map(CString::from);
            let errno = execute(c"/bin/sh", &args, &[c"WORD=two".into()]);
            panic!("execve: {errno}");
        });
    }

    #[test]
    fn only_a_regular_file_with_an_x_bit_is_executable() {
        let scratch = Scratch::new();
        let file = scratch.join("file");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let link = scratch.join("link");
        std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
        for (path, answer) in [
            (Path::new("/bin/sh"), Ok(())),
            (&link, Ok(())),
            (&file, Err(Errno::EACCES)),
            (scratch.path(), Err(Errno::EISDIR)),
            (Path::new("/dev/null"), Err(Errno::EACCES)),
            (&scratch.join("missing"), Err(Errno::ENOENT)),
            (&file.join("below"), Err(Errno::ENOTDIR)),
        ] {
            assert_eq!(is_executable(path), answer, "{}", path.display());
        }
    }
}
