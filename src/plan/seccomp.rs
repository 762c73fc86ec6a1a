//! linux.seccomp -> the program that the kernel runs on every system call.

use oci_spec::runtime::{LinuxSeccomp, Spec};

/// The profile, if there is one.
pub fn of(spec: &Spec) -> Option<&LinuxSeccomp> {
    spec.linux().as_ref()?.seccomp().as_ref()
}
