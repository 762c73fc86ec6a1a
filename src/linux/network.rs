//! Network interfaces of the caller's network namespace.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::syscall::done;
use super::{Errno, Result};

/// Brings `lo` up (`man 7 netdevice`, SIOCSIFFLAGS). The kernel gives it its addresses.
pub fn loopback_up() -> Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        // A kernel without IPv4.
        .or_else(|_| socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None))?;
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let set_flags = libc::SIOCSIFFLAGS as libc::Ioctl;
    // SAFETY: the kernel reads one ifreq, which outlives the call.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), set_flags, &request) }.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::namespace::{Kind, unshare};
    use super::super::testing::in_child;
    use super::*;

    #[test]
    fn loopback_of_a_new_namespace_comes_up() {
        in_child(|| {
            unshare(Kind::Network).unwrap();
            loopback_up().unwrap();
            // In the new namespace, /proc/self/net is ours; lo has its local route only while it is up.
            let routes = fs::read_to_string("/proc/self/net/fib_trie").unwrap();
            assert!(routes.contains("127.0.0.1"), "{routes}");
        });
    }
}
