//! Network interfaces by netlink (`man 7 rtnetlink`): looked up, moved to another network namespace, given addresses.
//!
//! A socket belongs for ever to the namespace that it was opened in, so one of each side is all that a move takes.
//! Every number on the wire is in the machine's own byte order.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, sendto, socket,
};

use super::namespace::{self, Kind};
use super::{Errno, Result};

/// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
/// linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// linux/if_link.h
const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
/// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_PERMANENT: u32 = 0x80;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;
/// RT_SCOPE_UNIVERSE: valid everywhere.
const SCOPE_UNIVERSE: u8 = 0;

/// Bytes of the longest datagram that the kernel answers with (linux/netlink.h, NLMSG_GOODSIZE, and what it grows to).
const ANSWER_BYTES: usize = 1 << 16;
/// The address of the kernel (`man 7 netlink`, nl_pid).
const KERNEL: u32 = 0;
const HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub up: bool,
}

/// One address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    family: u8,
    prefix: u8,
    scope: u8,
    flags: u32,
    /// IFA_LOCAL, IFA_ADDRESS and IFA_BROADCAST as they are.
    values: Vec<(u16, Vec<u8>)>,
}

impl Address {
    /// Set by somebody to stay, and meaningful anywhere: what a move keeps (config-linux.md#network-devices).
    pub fn is_kept_by_a_move(&self) -> bool {
        self.flags & IFA_F_PERMANENT != 0 && self.scope == SCOPE_UNIVERSE
    }
}

/// A NETLINK_ROUTE socket.
pub struct Route {
    socket: OwnedFd,
    sequence: Cell<u32>,
}

impl Route {
    /// In the network namespace of the caller.
    pub fn open() -> Result<Self> {
        let (flags, protocol) = (SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { socket, sequence: Cell::new(0) })
    }

    /// In another one. The caller goes there and comes back to `own`, which must be its own.
    pub fn open_in(namespace: BorrowedFd, own: BorrowedFd) -> Result<Self> {
        namespace::join(namespace, Kind::Network)?;
        let opened = Self::open();
        namespace::join(own, Kind::Network)?;
        opened
    }

    pub fn links(&self) -> Result<Vec<Link>> {
        let answers = self.ask(RTM_GETLINK, NLM_F_DUMP, &link_header(0, 0, 0))?;
        Ok(answers.iter().filter(|(kind, _)| *kind == RTM_NEWLINK).filter_map(|(_, it)| link(it)).collect())
    }

    /// ENODEV: there is none of this name.
    pub fn link(&self, name: &str) -> Result<Link> {
        self.links()?.into_iter().find(|link| link.name == name).ok_or(Errno::ENODEV)
    }

    pub fn set_up(&self, index: u32, up: bool) -> Result<()> {
        let flag = libc::IFF_UP as u32;
        self.ask(RTM_NEWLINK, 0, &link_header(index, if up { flag } else { 0 }, flag)).map(drop)
    }

    /// Moves and names at once, so that no name is in the way at either side. EEXIST: the name is taken there.
    pub fn move_link(&self, index: u32, name: &str, namespace: BorrowedFd) -> Result<()> {
        let mut body = link_header(index, 0, 0);
        attribute(&mut body, IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat());
        attribute(&mut body, IFLA_NET_NS_FD, &(namespace.as_raw_fd() as u32).to_ne_bytes());
        self.ask(RTM_NEWLINK, 0, &body).map(drop)
    }

    pub fn addresses(&self, index: u32) -> Result<Vec<Address>> {
        let answers = self.ask(RTM_GETADDR, NLM_F_DUMP, &[0; ADDRESS_HEADER])?;
        let own = |it: &&(u16, Vec<u8>)| it.0 == RTM_NEWADDR && number(&it.1, 4) == Some(index);
        Ok(answers.iter().filter(own).filter_map(|(_, body)| address(body)).collect())
    }

    /// EEXIST: it has it already.
    pub fn add_address(&self, index: u32, address: &Address) -> Result<()> {
        let mut body = vec![address.family, address.prefix, 0, address.scope];
        body.extend(index.to_ne_bytes());
        for (kind, value) in &address.values {
            attribute(&mut body, *kind, value);
        }
        let flags = address.flags & (IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
        attribute(&mut body, IFA_FLAGS, &flags.to_ne_bytes());
        self.ask(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body).map(drop)
    }

    /// One request and all that answers it.
    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> Result<Vec<(u16, Vec<u8>)>> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let length = u32::try_from(HEADER + body.len()).map_err(|_| Errno::EMSGSIZE)?;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        message.extend(sequence.to_ne_bytes());
        message.extend(0u32.to_ne_bytes());
        message.extend(body);
        sendto(self.socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        self.answers(sequence)
    }

    fn answers(&self, sequence: u32) -> Result<Vec<(u16, Vec<u8>)>> {
        let mut answers = Vec::new();
        let mut buffer = vec![0; ANSWER_BYTES];
        loop {
            let received = recvfrom::<NetlinkAddr>(self.socket.as_fd().as_raw_fd(), &mut buffer);
            let (length, sender) = match received {
                Err(Errno::EINTR) => continue,
                received => received?,
            };
            // In a namespace of its own, a container with CAP_NET_ADMIN can send to our socket as well.
            if sender.is_none_or(|sender| sender.pid() != KERNEL) {
                continue;
            }
            let mut rest = &buffer[..length];
            while let Some((message, next)) = split(rest) {
                rest = next;
                if number(message, 8) != Some(sequence) {
                    continue;
                }
                let body = &message[HEADER..];
                match half(message, 4).unwrap_or(0) {
                    NLMSG_DONE => return Ok(answers),
                    NLMSG_ERROR => match number(body, 0).map_or(libc::EBADMSG, |code| -(code as i32)) {
                        0 => return Ok(answers),
                        code => return Err(Errno::from_raw(code)),
                    },
                    kind => answers.push((kind, body.to_vec())),
                }
            }
        }
    }
}

/// The first message of a datagram, whole, and the rest.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = number(bytes, 0)? as usize;
    if length < HEADER || length > bytes.len() {
        return None;
    }
    Some((&bytes[..length], bytes.get(align(length)..).unwrap_or_default()))
}

/// `struct ifinfomsg`.
fn link_header(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    for number in [index, flags, change] {
        header.extend(number.to_ne_bytes());
    }
    header
}

fn link(body: &[u8]) -> Option<Link> {
    let name = attributes(body.get(LINK_HEADER..)?).into_iter().find(|(kind, _)| *kind == IFLA_IFNAME)?.1;
    let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
    let up = number(body, 8)? & libc::IFF_UP as u32 != 0;
    Some(Link { index: number(body, 4)?, name, up })
}

fn address(body: &[u8]) -> Option<Address> {
    let [family, prefix, flags, scope] = *body.first_chunk()?;
    let all = attributes(body.get(ADDRESS_HEADER..)?);
    let long_flags = all.iter().find(|(kind, _)| *kind == IFA_FLAGS).and_then(|(_, value)| number(value, 0));
    let kept = [IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST];
    let values = all.into_iter().filter(|(kind, _)| kept.contains(kind));
    let values = values.map(|(kind, value)| (kind, value.to_vec())).collect();
    Some(Address { family, prefix, scope, flags: long_flags.unwrap_or(flags.into()), values })
}

/// `struct rtattr`, padded.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // No value of ours is longer than a name.
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(align(body.len()), 0);
}

fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let (Some(length), Some(kind)) = (half(bytes, 0), half(bytes, 2)) {
        let length = usize::from(length);
        let Some(value) = bytes.get(4..length) else { break };
        found.push((kind, value));
        bytes = bytes.get(align(length)..).unwrap_or_default();
    }
    found
}

fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::namespace::unshare;
    use super::super::testing::in_child;
    use super::*;

    /// linux/if_link.h
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_INFO_KIND: u16 = 1;

    /// A pair of interfaces; false where this kernel has none.
    fn make_veth(route: &Route, name: &str) -> bool {
        let mut info = Vec::new();
        attribute(&mut info, IFLA_INFO_KIND, b"veth");
        let mut body = link_header(0, 0, 0);
        attribute(&mut body, IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat());
        attribute(&mut body, IFLA_LINKINFO, &info);
        route.ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body).is_ok()
    }

    fn v4(bytes: [u8; 4], prefix: u8, scope: u8) -> Address {
        let values = vec![(IFA_LOCAL, bytes.to_vec()), (IFA_ADDRESS, bytes.to_vec())];
        Address { family: libc::AF_INET as u8, prefix, scope, flags: IFA_F_PERMANENT, values }
    }

    fn locals(addresses: &[Address]) -> Vec<Vec<u8>> {
        addresses
            .iter()
            .filter(|it| it.family == libc::AF_INET as u8)
            .map(|it| it.values[0].1.clone())
            .collect()
    }

    #[test]
    fn the_loopback_interface_is_found_and_brought_up() {
        in_child(|| {
            unshare(Kind::Network).unwrap();
            let route = Route::open().unwrap();
            let lo = route.link("lo").unwrap();
            assert!(!lo.up);
            route.set_up(lo.index, true).unwrap();
            assert!(route.link("lo").unwrap().up);
            let addresses = route.addresses(lo.index).unwrap();
            assert!(addresses.iter().any(|it| it.values.iter().any(|(_, value)| value == &[127, 0, 0, 1])));
            assert!(addresses.iter().all(|it| !it.is_kept_by_a_move()), "of host scope: {addresses:?}");
            assert_eq!(route.link("nope").err(), Some(Errno::ENODEV));
        });
    }

    #[test]
    fn a_link_moves_under_a_new_name_and_takes_addresses() {
        in_child(|| {
            unshare(Kind::Network).unwrap();
            let (here, route) = (File::open("/proc/self/ns/net").unwrap(), Route::open().unwrap());
            unshare(Kind::Network).unwrap();
            let there = File::open("/proc/self/ns/net").unwrap();
            namespace::join(here.as_fd(), Kind::Network).unwrap();
            if !make_veth(&route, "one") {
                return;
            }
            let link = route.link("one").unwrap();
            let (kept, local) = (v4([10, 1, 2, 3], 24, SCOPE_UNIVERSE), v4([10, 9, 9, 9], 24, 254));
            route.add_address(link.index, &kept).unwrap();
            route.add_address(link.index, &local).unwrap();
            assert_eq!(route.add_address(link.index, &kept), Err(Errno::EEXIST));
            let addresses = route.addresses(link.index).unwrap();
            let addresses: Vec<Address> = addresses.into_iter().filter(Address::is_kept_by_a_move).collect();
            assert_eq!(locals(&addresses), [vec![10, 1, 2, 3]]);

            route.move_link(link.index, "two", there.as_fd()).unwrap();
            assert_eq!(route.link("one").err(), Some(Errno::ENODEV));
            let other = Route::open_in(there.as_fd(), here.as_fd()).unwrap();
            let moved = other.link("two").unwrap();
            for address in &addresses {
                other.add_address(moved.index, address).unwrap();
            }
            assert_eq!(locals(&other.addresses(moved.index).unwrap()), [vec![10, 1, 2, 3]]);
        });
    }

    #[test]
    fn what_another_process_sends_is_no_answer_of_the_kernels() {
        in_child(|| {
            unshare(Kind::Network).unwrap();
            let (route, stranger) = (Route::open().unwrap(), Route::open().unwrap());
            let address: NetlinkAddr = nix::sys::socket::getsockname(route.socket.as_raw_fd()).unwrap();
            // "Done": to the first question, which is still to come.
            let mut forged = Vec::new();
            for number in [20, u32::from(NLMSG_ERROR), 1, 0, 0] {
                forged.extend(number.to_ne_bytes());
            }
            sendto(stranger.socket.as_raw_fd(), &forged, &address, MsgFlags::empty()).unwrap();
            let links = route.links().unwrap();
            assert!(links.iter().any(|link| link.name == "lo"), "{links:?}");
        });
    }

    #[test]
    fn a_message_cut_short_is_no_message() {
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[255, 0, 0, 0]), None);
        assert_eq!(split(&[0; 16]), None);
        assert!(attributes(&[9, 0, 1, 0, 7]).is_empty());
        assert!(attributes(&[0, 0, 1, 0]).is_empty());
        assert_eq!(link(&[0; 15]), None);
        assert_eq!(address(&[0; 7]), None);
    }
}
