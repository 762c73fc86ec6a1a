//! Unix sockets: pairs of messages and descriptors, and connecting to a caller's socket.

use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recvmsg,
    sendmsg, socket, socketpair,
};
use nix::sys::stat::Mode;

use super::syscall::over_interrupts;
use super::{Errno, Result};

/// The most descriptors that one message may bring.
const MOST_FDS: usize = 8;
/// The longest path in a struct sockaddr_un, less its terminating zero (`man 7 unix`).
const LONGEST_PATH: usize = 107;

/// A SOCK_SEQPACKET pair, close-on-exec: one send is one message, end of file means that the other side is gone.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// One message with descriptors; EPIPE, and no signal, where the other side is gone.
pub fn send(socket: BorrowedFd, bytes: &[u8], fds: &[BorrowedFd]) -> Result<()> {
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let control: Vec<ControlMessage> = match numbers.is_empty() {
        true => Vec::new(),
        false => vec![ControlMessage::ScmRights(&numbers)],
    };
    let sent = over_interrupts(|| {
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], &control, MsgFlags::MSG_NOSIGNAL, None)
    })?;
    match sent == bytes.len() {
        true => Ok(()),
        false => Err(Errno::EMSGSIZE),
    }
}

/// One message and its descriptors, close-on-exec; None at end of file. EMSGSIZE where the message is longer than
/// `limit` or brings more descriptors than there is room for.
pub fn receive(socket: BorrowedFd, limit: usize) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut buffer = vec![0u8; limit];
    let mut control = nix::cmsg_space!([RawFd; MOST_FDS]);
    let (length, flags, fds) = {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let message = over_interrupts(|| {
            recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)
                .map(|message| (message.bytes, message.flags, descriptors(&message)))
        })?;
        (message.0, message.1, message.2?)
    };
    if flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    if length == 0 && fds.is_empty() {
        return Ok(None);
    }
    buffer.truncate(length);
    Ok(Some((buffer, fds)))
}

fn descriptors<S>(message: &nix::sys::socket::RecvMsg<S>) -> Result<Vec<OwnedFd>> {
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel made these descriptors for us with this message; nobody else owns them.
            fds.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    Ok(fds)
}

/// Connects a SOCK_STREAM to a path of any length.
pub fn connect(path: &Path) -> Result<OwnedFd> {
    let client = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    if path.as_os_str().len() <= LONGEST_PATH {
        let address = UnixAddr::new(path)?;
        over_interrupts(|| nix::sys::socket::connect(client.as_raw_fd(), &address))?;
        return Ok(client);
    }
    // The kernel takes no descriptor for the directory, but a short name for it: the caller's own /proc, in the
    // caller's own namespaces, before anything of a container exists.
    let (directory, name) = (path.parent().ok_or(Errno::EINVAL)?, path.file_name().ok_or(Errno::EINVAL)?);
    let directory = open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut short = OsString::from(format!("/proc/self/fd/{}/", directory.as_raw_fd()));
    short.push(name);
    let address = UnixAddr::new(&PathBuf::from(short))?;
    over_interrupts(|| nix::sys::socket::connect(client.as_raw_fd(), &address))?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixListener;

    use super::super::testing::Scratch;
    use super::*;

    #[test]
    fn messages_keep_their_borders_and_bring_descriptors() {
        let (a, b) = pair().unwrap();
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        send(a.as_fd(), b"one", &[]).unwrap();
        send(a.as_fd(), b"two", &[reader.as_fd(), a.as_fd()]).unwrap();
        drop(a);
        let (bytes, fds) = receive(b.as_fd(), 100).unwrap().unwrap();
        assert_eq!((bytes.as_slice(), fds.len()), (&b"one"[..], 0));
        let (bytes, fds) = receive(b.as_fd(), 100).unwrap().unwrap();
        assert_eq!((bytes.as_slice(), fds.len()), (&b"two"[..], 2));
        drop(fds);
        assert!(receive(b.as_fd(), 100).unwrap().is_none());
        assert_eq!(send(b.as_fd(), b"x", &[]), Err(Errno::EPIPE));
    }

    #[test]
    fn a_message_too_long_is_an_error_not_a_piece() {
        let (a, b) = pair().unwrap();
        send(a.as_fd(), b"12345", &[]).unwrap();
        assert_eq!(receive(b.as_fd(), 4).map(drop), Err(Errno::EMSGSIZE));
    }

    #[test]
    fn a_socket_is_reached_however_long_its_path_is() {
        let scratch = Scratch::new();
        let deep = scratch.join(&"d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("s");
        // Bound by a short path, since bind has the same limit.
        let here = open(&deep, OFlag::O_PATH, Mode::empty()).unwrap();
        let _listener = UnixListener::bind(format!("/proc/self/fd/{}/s", here.as_raw_fd())).unwrap();
        connect(&path).unwrap();
        assert_eq!(connect(&deep.join("t")).map(drop), Err(Errno::ENOENT));
    }
}
