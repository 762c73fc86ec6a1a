//! Looking at system calls from outside, where the machine lets us.

use std::sync::OnceLock;

use super::Invocation;

/// Why strace cannot be used here, if so.
pub fn lacking() -> Option<&'static str> {
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = WORKS.get_or_init(|| {
        let probe = Invocation::new(["strace", "-f", "-o", "/dev/null", "true"]).output();
        probe.is_ok_and(|output| output.status() == 0)
    });
    (!works).then_some("strace is missing, or may not trace here")
}
