//! Capability sets (`man 7 capabilities`), with the names of the `caps` crate. Names are without `CAP_`.

use std::str::FromStr;

use caps::{CapSet, CapsHashSet, Capability};

use super::syscall::{done, value};
use super::{Errno, Result};

/// linux/capability.h
const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Every capability name that this build knows, in kernel order.
pub fn names() -> Vec<String> {
    let mut known: Vec<Capability> = caps::all().into_iter().collect();
    known.sort_by_key(Capability::index);
    known.into_iter().map(|capability| capability.to_string().replacen("CAP_", "", 1)).collect()
}

fn find(name: &str) -> Option<Capability> {
    Capability::from_str(&format!("CAP_{name}")).ok()
}

/// Whether this kernel has it: it can be asked about in the bounding set.
pub fn is_known_to_kernel(name: &str) -> bool {
    find(name).is_some_and(|capability| in_bounding(u32::from(capability.index())).is_ok())
}

/// PR_CAPBSET_READ; EINVAL above the kernel's last capability.
fn in_bounding(number: u32) -> Result<bool> {
    // SAFETY: numbers.
    let answer = value(unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(number), 0, 0, 0) }.into())?;
    Ok(answer == 1)
}

/// Drops from the bounding set what is not in `keep`, and every capability that the kernel has and we have no
/// name for. EPERM without CAP_SETPCAP.
pub fn limit_bounding(keep: &[String]) -> Result<()> {
    let keep = mask(keep)?;
    for number in 0..u64::BITS {
        let held = match in_bounding(number) {
            Ok(held) => held,
            Err(Errno::EINVAL) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        if held && keep & (1 << number) == 0 {
            // SAFETY: numbers.
            done(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) }.into())?;
        }
    }
    Ok(())
}

/// The bits of named capabilities; EINVAL for a name that is none.
fn mask(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |all, name| Ok(all | find(name).ok_or(Errno::EINVAL)?.bitmask()))
}

/// linux/capability.h
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// One half of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// All three sets in one call, as no two of them can be set apart without the third in the way.
///
/// # Errors
/// EPERM: a set would gain what it may not (permitted can only lose).
pub fn set(effective: &[String], permitted: &[String], inheritable: &[String]) -> Result<()> {
    let (effective, permitted, inheritable) = (mask(effective)?, mask(permitted)?, mask(inheritable)?);
    let half = |shift: u32| Half {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    write(&[half(0), half(32)])
}

fn write(halves: &[Half; 2]) -> Result<()> {
    let header = Header { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    // SAFETY: with version 3 the kernel reads a header and two halves, which outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capset, &header, halves.as_ptr()) })
}

fn read() -> Result<[Half; 2]> {
    let mut header = Header { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: with version 3 the kernel writes two halves, and at most the version of the header.
    done(unsafe { libc::syscall(libc::SYS_capget, &mut header, halves.as_mut_ptr()) })?;
    Ok(halves)
}

/// The ambient set, cleared and then raised one by one; those that are not both permitted and inheritable are EPERM.
pub fn set_ambient(ambient: &[String]) -> Result<()> {
    // SAFETY: numbers.
    done(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }.into())?;
    ambient.iter().try_for_each(|name| raise_ambient(name))
}

/// Raises one capability in the ambient set.
pub fn raise_ambient(name: &str) -> Result<()> {
    let number = libc::c_ulong::from(find(name).ok_or(Errno::EINVAL)?.index());
    // SAFETY: numbers.
    done(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, number, 0, 0) }.into())
}

pub fn has_effective(name: &str) -> bool {
    let Some(capability) = find(name) else { return false };
    let held: CapsHashSet = caps::read(None, CapSet::Effective).unwrap_or_default();
    held.contains(&capability)
}

/// Copies permitted to effective, after setresuid cleared it (with keep_capabilities).
pub fn raise_permitted() -> Result<()> {
    let mut halves = read()?;
    for half in &mut halves {
        half.effective = half.permitted;
    }
    write(&halves)
}

#[cfg(test)]
mod tests {
    use super::super::testing::in_child;
    use super::*;

    fn names_of(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| name.to_string()).collect()
    }

    fn status(field: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        u64::from_str_radix(line[field.len() + 1..].trim(), 16).unwrap()
    }

    #[test]
    fn names_are_in_kernel_order_without_prefix() {
        let names = names();
        assert_eq!(names[0], "CHOWN");
        assert_eq!(names[21], "SYS_ADMIN");
        assert!(names.iter().all(|name| !name.starts_with("CAP_")));
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        assert!(is_known_to_kernel("KILL"));
        assert!(!is_known_to_kernel("CAP_KILL"));
        assert!(!is_known_to_kernel("NOPE"));
        assert_eq!(mask(&names_of(&["NOPE"])), Err(Errno::EINVAL));
    }

    #[test]
    fn sets_become_exactly_what_is_listed() {
        in_child(|| {
            limit_bounding(&names_of(&["CHOWN", "KILL", "SYS_ADMIN"])).unwrap();
            set(&names_of(&["CHOWN"]), &names_of(&["CHOWN", "KILL"]), &names_of(&["KILL"])).unwrap();
            set_ambient(&names_of(&["KILL"])).unwrap();
            assert_eq!(status("CapBnd:"), 1 | 1 << 5 | 1 << 21);
            assert_eq!(status("CapEff:"), 1);
            assert_eq!(status("CapPrm:"), 1 | 1 << 5);
            assert_eq!(status("CapInh:"), 1 << 5);
            assert_eq!(status("CapAmb:"), 1 << 5);
            assert_eq!(set(&[], &names_of(&["SYS_ADMIN"]), &[]), Err(Errno::EPERM));
            assert_eq!(set_ambient(&names_of(&["CHOWN"])), Err(Errno::EPERM));
            assert!(has_effective("CHOWN") && !has_effective("KILL"));
            raise_permitted().unwrap();
            assert_eq!(status("CapEff:"), 1 | 1 << 5);
        });
    }
}
