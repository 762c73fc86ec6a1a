//! What may be mounted in /proc: the kernel's own view of the container, which the runtime writes labels and limits
//! through, must not be replaced by what a config or an image brings (CVE-2019-16884).

use std::path::Path;

/// Files that lxcfs emulates (runc's list).
const ALLOWED: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// Why nothing may be mounted at this clean container path, in runc's words; None for /proc itself and all
/// that is not in it. Whoever resolves symlinks must ask again with the answer.
pub fn refusal_inside(target: &Path) -> Option<String> {
    let below = target.strip_prefix("/proc").ok()?;
    if below.as_os_str().is_empty() || ALLOWED.iter().any(|allowed| target == Path::new(allowed)) {
        return None;
    }
    Some(format!("{target:?} cannot be mounted because it is inside /proc"))
}

/// For /proc itself, where it is neither a new procfs nor a bind of one.
pub fn refusal_of_other_type(target: &Path) -> String {
    format!("{target:?} cannot be mounted because it is not of type proc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lxcfs_emulates_may_be_mounted_in_proc() {
        for allowed in ALLOWED.iter().chain(&["/proc", "/", "/process", "/sys", "/a/proc/self"]) {
            assert_eq!(refusal_inside(Path::new(allowed)), None);
        }
        for refused in
            ["/proc/self", "/proc/self/attr", "/proc/1", "/proc/sys", "/proc/stat/x", "/proc/sys/kernel"]
        {
            let text = refusal_inside(Path::new(refused)).unwrap();
            assert!(text.ends_with("cannot be mounted because it is inside /proc"), "{text}");
        }
    }
}
