//! Capability sets (`man 7 capabilities`), with the names of the `caps` crate. Names are without `CAP_`.
//! Sets change by one capset(2) for all three, so that no moment has a set that nobody asked for.

use caps::Capability;

use super::syscall::{done, value};
use super::{Errno, Result};

/// _LINUX_CAPABILITY_VERSION_3 (linux/capability.h): two words a set.
const VERSION_3: u32 = 0x2008_0522;
/// Bits in both words of a set.
const BITS: libc::c_ulong = 64;

/// `struct __user_cap_header_struct` (linux/capability.h).
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct` (linux/capability.h): one word of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

#[derive(Clone, Copy)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// Every capability name that this build knows, in kernel order.
pub fn names() -> Vec<String> {
    let mut all: Vec<Capability> = caps::all().into_iter().collect();
    all.sort_by_key(Capability::index);
    all.iter().map(|capability| capability.to_string().trim_start_matches("CAP_").to_owned()).collect()
}

/// Does this build know the name, and this kernel the capability?
#[cfg(test)]
pub fn is_known_to_kernel(name: &str) -> bool {
    find(name).is_ok_and(|capability| in_bounding(capability.index().into()).is_ok())
}

/// Drops from the bounding set what is not in `keep`, also what this build has no name for.
/// EPERM: without SETPCAP; there is nothing to drop without an error.
pub fn limit_bounding(keep: &[String]) -> Result<()> {
    let keep = mask(keep)?;
    for number in (0..BITS).filter(|number| keep & (1 << number) == 0) {
        match prctl(libc::PR_CAPBSET_DROP, number) {
            // Beyond the last one that this kernel has.
            Err(Errno::EINVAL) => return Ok(()),
            // It may be gone already; and without SETPCAP the last one is not told of before.
            Err(Errno::EPERM) => match in_bounding(number) {
                Ok(false) => {}
                Ok(true) => return Err(Errno::EPERM),
                Err(Errno::EINVAL) => return Ok(()),
                Err(errno) => return Err(errno),
            },
            dropped => drop(dropped?),
        }
    }
    Ok(())
}

/// capset of effective, permitted and inheritable in one call. EINVAL: an unknown name. EPERM: not in permitted before.
/// What permitted or inheritable loses, ambient loses too.
pub fn set(effective: &[String], permitted: &[String], inheritable: &[String]) -> Result<()> {
    write(Sets { effective: mask(effective)?, permitted: mask(permitted)?, inheritable: mask(inheritable)? })
}

/// Clears the ambient set and raises the listed ones. EPERM: one is not both permitted and inheritable.
pub fn set_ambient(ambient: &[String]) -> Result<()> {
    let ambient = ambient.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
    ambient_call(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    ambient
        .iter()
        .try_for_each(|capability| ambient_call(libc::PR_CAP_AMBIENT_RAISE, capability.index().into()))
}

pub fn has_effective(name: &str) -> bool {
    find(name).is_ok_and(|capability| read().is_ok_and(|sets| sets.effective & capability.bitmask() != 0))
}

/// Names of the permitted set of this process.
pub fn permitted() -> Result<Vec<String>> {
    let held = read()?.permitted;
    Ok(names().into_iter().filter(|name| find(name).is_ok_and(|found| held & found.bitmask() != 0)).collect())
}

/// Copies permitted to effective, after setresuid cleared it (with keep_capabilities).
pub fn raise_permitted() -> Result<()> {
    let sets = read()?;
    write(Sets { effective: sets.permitted, ..sets })
}

fn find(name: &str) -> Result<Capability> {
    format!("CAP_{name}").parse().map_err(|_| Errno::EINVAL)
}

fn mask(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |mask, name| Ok(mask | find(name)?.bitmask()))
}

/// EINVAL: this kernel has no such capability.
fn in_bounding(number: libc::c_ulong) -> Result<bool> {
    prctl(libc::PR_CAPBSET_READ, number).map(|answer| answer == 1)
}

fn prctl(option: libc::c_int, number: libc::c_ulong) -> Result<libc::c_int> {
    // SAFETY: these options take numbers only.
    Errno::result(unsafe { libc::prctl(option, number, 0, 0, 0) })
}

fn ambient_call(operation: libc::c_int, number: libc::c_ulong) -> Result<()> {
    // SAFETY: PR_CAP_AMBIENT takes numbers only.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, operation as libc::c_ulong, number, 0, 0) })
        .map(drop)
}

fn read() -> Result<Sets> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut words = [Words::default(); 2];
    // SAFETY: a header of version 3 and two words, which is what that version writes.
    value(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) })?;
    let join = |word: fn(&Words) -> u32| u64::from(word(&words[0])) | u64::from(word(&words[1])) << 32;
    Ok(Sets {
        effective: join(|words| words.effective),
        permitted: join(|words| words.permitted),
        inheritable: join(|words| words.inheritable),
    })
}

fn write(sets: Sets) -> Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let words = [0, 32].map(|shift| Words {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    });
    // SAFETY: a header of version 3 and two words, which is what that version reads.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) })
}

#[cfg(test)]
mod tests {
    use caps::CapSet;

    use super::super::credentials::{keep_capabilities, set_ids};
    use super::super::testing::in_child;
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }
    fn now(set: CapSet) -> Vec<String> {
        let set = caps::read(None, set).unwrap();
        names().into_iter().filter(|name| set.contains(&find(name).unwrap())).collect()
    }

    #[test]
    fn names_are_in_kernel_order_without_prefix() {
        let names = names();
        assert_eq!(
            (names[0].as_str(), names[21].as_str(), names[40].as_str()),
            ("CHOWN", "SYS_ADMIN", "CHECKPOINT_RESTORE")
        );
        assert!(names.iter().all(|name| is_known_to_kernel(name)));
        for name in ["", "CAP_CHOWN", "chown", "NONSENSE"] {
            assert!(!is_known_to_kernel(name), "{name}");
        }
    }

    #[test]
    fn the_three_sets_are_exactly_as_asked() {
        in_child(|| {
            assert!(has_effective("SYS_ADMIN"));
            set(&list(&["KILL"]), &list(&["KILL", "CHECKPOINT_RESTORE"]), &list(&["KILL"])).unwrap();
            assert_eq!(now(CapSet::Effective), ["KILL"]);
            assert_eq!(now(CapSet::Permitted), ["KILL", "CHECKPOINT_RESTORE"]);
            assert_eq!(now(CapSet::Inheritable), ["KILL"]);
            assert!(has_effective("KILL") && !has_effective("SYS_ADMIN"));
            raise_permitted().unwrap();
            assert_eq!(now(CapSet::Effective), ["KILL", "CHECKPOINT_RESTORE"]);
            assert_eq!(now(CapSet::Inheritable), ["KILL"]);
            let more = list(&["KILL", "CHOWN"]);
            assert_eq!(set(&[], &more, &[]), Err(Errno::EPERM));
            assert_eq!(set(&list(&["NONSENSE"]), &[], &[]), Err(Errno::EINVAL));
            set(&[], &[], &[]).unwrap();
            assert_eq!(now(CapSet::Permitted), [""; 0]);
        });
    }

    #[test]
    fn bounding_keeps_what_is_listed_and_nothing_else() {
        in_child(|| {
            let keep = list(&["CHOWN", "BPF"]);
            limit_bounding(&keep).unwrap();
            assert_eq!(now(CapSet::Bounding), keep);
            limit_bounding(&[]).unwrap();
            assert_eq!(now(CapSet::Bounding), [""; 0]);
            set(&[], &[], &[]).unwrap();
            limit_bounding(&keep).expect("nothing to drop needs no privilege");
        });
    }

    #[test]
    fn dropping_without_privilege_is_eperm() {
        in_child(|| {
            set(&[], &[], &[]).unwrap();
            assert_eq!(limit_bounding(&[]), Err(Errno::EPERM));
        });
    }

    #[test]
    fn ambient_is_replaced_whole() {
        in_child(|| {
            let all = list(&["KILL", "CHOWN"]);
            set(&all, &all, &all).unwrap();
            set_ambient(&all).unwrap();
            assert_eq!(now(CapSet::Ambient), ["CHOWN", "KILL"]);
            set_ambient(&list(&["KILL"])).unwrap();
            assert_eq!(now(CapSet::Ambient), ["KILL"]);
            assert_eq!(set_ambient(&list(&["SYS_ADMIN"])), Err(Errno::EPERM));
            assert_eq!(set_ambient(&list(&["NONSENSE"])), Err(Errno::EINVAL));
        });
    }

    #[test]
    fn permitted_survives_a_change_of_user_and_can_be_raised_again() {
        in_child(|| {
            keep_capabilities(true).unwrap();
            set_ids(1000, 1000).unwrap();
            assert!(!has_effective("CHOWN"));
            raise_permitted().unwrap();
            assert!(has_effective("CHOWN"));
        });
    }
}
