//! Resource limits by their POSIX names.

#[cfg(test)]
use nix::sys::resource::getrlimit;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::Pid;

use super::syscall::done;
use super::{Errno, Result};

/// Every limit of Linux (`man 2 getrlimit`).
const LIMITS: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::RLIMIT_AS),
    ("RLIMIT_CORE", Resource::RLIMIT_CORE),
    ("RLIMIT_CPU", Resource::RLIMIT_CPU),
    ("RLIMIT_DATA", Resource::RLIMIT_DATA),
    ("RLIMIT_FSIZE", Resource::RLIMIT_FSIZE),
    ("RLIMIT_LOCKS", Resource::RLIMIT_LOCKS),
    ("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK),
    ("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE),
    ("RLIMIT_NICE", Resource::RLIMIT_NICE),
    ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE),
    ("RLIMIT_NPROC", Resource::RLIMIT_NPROC),
    ("RLIMIT_RSS", Resource::RLIMIT_RSS),
    ("RLIMIT_RTPRIO", Resource::RLIMIT_RTPRIO),
    ("RLIMIT_RTTIME", Resource::RLIMIT_RTTIME),
    ("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING),
    ("RLIMIT_STACK", Resource::RLIMIT_STACK),
];

fn resource(name: &str) -> Option<Resource> {
    LIMITS.iter().find(|(known, _)| *known == name).map(|(_, resource)| *resource)
}

/// `RLIMIT_NOFILE` -> the number of prlimit(2); None if there is no such limit.
pub fn number(name: &str) -> Option<u32> {
    resource(name).map(|resource| resource as u32)
}

/// setrlimit(2) on this process. EINVAL: no such limit, or soft above hard. EPERM: the hard limit
/// would rise, and CAP_SYS_RESOURCE is missing.
pub fn set(name: &str, soft: u64, hard: u64) -> Result<()> {
    setrlimit(resource(name).ok_or(Errno::EINVAL)?, soft, hard)
}

/// prlimit(2) on another process. EPERM as for `set`: it is the caller's right that counts.
pub fn set_of(pid: Pid, name: &str, soft: u64, hard: u64) -> Result<()> {
    let resource = number(name).ok_or(Errno::EINVAL)?;
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let (pid, old) = (pid.as_raw(), std::ptr::null_mut::<libc::rlimit>());
    // SAFETY: the kernel reads one structure, which outlives the call, and writes none.
    done(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, &raw const limit, old) })
}

/// (soft, hard)
#[cfg(test)]
pub fn get(name: &str) -> Result<(u64, u64)> {
    getrlimit(resource(name).ok_or(Errno::EINVAL)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_known_by_its_full_name_alone() {
        // asm-generic/resource.h
        assert_eq!(number("RLIMIT_NOFILE"), Some(7));
        assert_eq!(number("RLIMIT_RTTIME"), Some(15));
        for name in ["NOFILE", "RLIMIT_nofile", "RLIMIT_", ""] {
            assert_eq!(number(name), None, "{name:?}");
        }
    }

    #[test]
    fn what_is_set_is_what_is_got() {
        let (soft, hard) = get("RLIMIT_CORE").unwrap();
        set("RLIMIT_CORE", 0, hard).unwrap();
        assert_eq!(get("RLIMIT_CORE").unwrap(), (0, hard));
        set("RLIMIT_CORE", soft, hard).unwrap();
        assert_eq!(set("RLIMIT_CORE", 2, 1), Err(Errno::EINVAL));
    }
}
