//! Unix sockets: pairs of messages and descriptors, and connecting to a caller's socket.
//! No received descriptor is ever lost or inherited by accident, and no write raises SIGPIPE.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, setsockopt, socket,
    socketpair, sockopt::SendTimeout,
};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;

use super::syscall::over_interrupts;
use super::{Errno, Result};

/// Longest path of a socket address, without the terminating zero (`man 7 unix`, sun_path).
const PATH_BYTES: usize = 107;
/// How long who listens on a caller's socket may take to accept us, or to make room for a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// SCM_MAX_FD (net/scm.h): more descriptors cannot be in one message.
const MAX_FDS: usize = 253;

/// A SOCK_SEQPACKET pair, close-on-exec: one send is one message, end of file means that the other side is gone.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// One message with descriptors. EPIPE: the other side is gone (no SIGPIPE). EMSGSIZE: larger than the send buffer.
/// EINVAL: empty, which the other side would take for the end.
pub fn send(socket: BorrowedFd, bytes: &[u8], fds: &[BorrowedFd]) -> Result<()> {
    if bytes.is_empty() {
        return Err(Errno::EINVAL);
    }
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[][..] } else { &rights[..] };
    let parts = [IoSlice::new(bytes)];
    let sent =
        over_interrupts(|| sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None))?;
    // A message goes whole or not at all; a stream socket (the console's) may take a part.
    if sent == bytes.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
}

/// Waits until the other side is gone. What it says before does not wake us, and stays to be received: who wakes a
/// processor waits for that longer than for its own words.
pub fn await_hang_up(socket: BorrowedFd) -> Result<()> {
    // A hang-up is told to whoever asks for nothing (`man 2 poll`).
    let mut fds = [PollFd::new(socket, PollFlags::empty())];
    over_interrupts(|| poll(&mut fds, PollTimeout::NONE)).map(drop)
}

/// One message; None at end of file. A message longer than `limit` is EMSGSIZE and stays unread. Received descriptors
/// are close-on-exec; if there was no room in our table for all of them, they are closed and the answer is EMFILE.
pub fn receive(socket: BorrowedFd, limit: usize) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let length = next_length(socket)?;
    if length > limit {
        return Err(Errno::EMSGSIZE);
    }
    let mut bytes = vec![0; length.max(1)];
    let (count, flags, fds) = receive_message(socket, &mut bytes)?;
    if flags.contains(MsgFlags::MSG_CTRUNC) {
        return Err(Errno::EMFILE);
    }
    if flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    bytes.truncate(count);
    if bytes.is_empty() { Ok(None) } else { Ok(Some((bytes, fds))) }
}

/// Connects a SOCK_STREAM to a path of any length (from inside the directory where it is over 107 bytes, by a change of
/// the working directory and back). ENAMETOOLONG: even the last component alone is too long. EAGAIN: nobody has accepted
/// the connection for half a minute; so it is for what is sent later.
pub fn connect(path: &Path) -> Result<OwnedFd> {
    connect_within(path, PATIENCE)
}

fn connect_within(path: &Path, patience: Duration) -> Result<OwnedFd> {
    let stream = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // `man 7 socket`: of connect(2) too.
    let patience = TimeVal::new(patience.as_secs() as i64, patience.subsec_micros().into());
    setsockopt(&stream, SendTimeout, &patience)?;
    if path.as_os_str().len() <= PATH_BYTES {
        connect_to(&stream, path)?;
        return Ok(stream);
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EINVAL) };
    let directory =
        |path: &Path| open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let parent = directory(parent)?;
    let back = directory(Path::new("."))?;
    nix::unistd::fchdir(&parent)?;
    let outcome = connect_to(&stream, Path::new(name));
    nix::unistd::fchdir(&back)?;
    outcome.map(|()| stream)
}

fn connect_to(stream: &OwnedFd, path: &Path) -> Result<()> {
    let address = UnixAddr::new(path)?;
    over_interrupts(|| nix::sys::socket::connect(stream.as_raw_fd(), &address))
}

/// The whole length of the next message, which stays; 0 at end of file.
fn next_length(socket: BorrowedFd) -> Result<usize> {
    let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
    over_interrupts(|| nix::sys::socket::recv(socket.as_raw_fd(), &mut [], peek))
}

/// recvmsg itself, since nix gives up on a truncated control message and leaks the descriptors in it.
fn receive_message(socket: BorrowedFd, bytes: &mut [u8]) -> Result<(usize, MsgFlags, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; MAX_FDS]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: msghdr is plain data, for which zeros are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control.capacity() as _;
    let count = over_interrupts(|| {
        // SAFETY: the message points to buffers of the lengths given, which outlive the call.
        Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) })
    })?;
    // SAFETY: recvmsg has just filled in `message` and its control buffer, once.
    let fds = unsafe { take_descriptors(&message) };
    Ok((count as usize, MsgFlags::from_bits_truncate(message.msg_flags), fds))
}

/// Takes ownership of every descriptor in the control buffer, also of a cut one.
///
/// # Safety
/// `message` was filled in by recvmsg, its control buffer is alive, and this is called once for it.
unsafe fn take_descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR stay within the control buffer of a message from recvmsg, CMSG_DATA is
    // followed by cmsg_len's worth of descriptor numbers (not necessarily aligned), and each was made for us.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(current) = header.as_ref() {
            if current.cmsg_level == libc::SOL_SOCKET && current.cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(current);
                let length: usize = current.cmsg_len as _; // usize or u32, by the C library
                let length = length.saturating_sub(data.addr() - header.addr());
                let numbers = data.cast::<RawFd>();
                for index in 0..length / size_of::<RawFd>() {
                    fds.push(OwnedFd::from_raw_fd(numbers.add(index).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    fds
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::stat::fstat;

    use super::super::fd::is_open;
    use super::super::testing::{Scratch, in_child};
    use super::*;

    fn null() -> OwnedFd {
        open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
    }

    #[test]
    fn messages_keep_their_borders_and_descriptors_their_order() {
        let (here, there) = pair().unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        send(here.as_fd(), b"first", &[]).unwrap();
        send(here.as_fd(), b"second", &[reader.as_fd(), null().as_fd(), writer.as_fd()]).unwrap();
        drop(here);
        let (bytes, fds) = receive(there.as_fd(), 100).unwrap().unwrap();
        assert_eq!((bytes.as_slice(), fds.len()), (&b"first"[..], 0));
        let (bytes, fds) = receive(there.as_fd(), 100).unwrap().unwrap();
        assert_eq!(bytes, b"second");
        let inode = |fd: &OwnedFd| fstat(fd).unwrap().st_ino;
        assert_eq!(fds.iter().map(inode).collect::<Vec<_>>(), [&reader, &null(), &writer].map(inode));
        for fd in &fds {
            let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
            assert_eq!(flags, libc::FD_CLOEXEC);
        }
        assert!(receive(there.as_fd(), 100).unwrap().is_none(), "end of file");
    }

    #[test]
    fn as_many_descriptors_as_the_kernel_takes_arrive() {
        let (here, there) = pair().unwrap();
        let null = null();
        send(here.as_fd(), b"x", &[null.as_fd(); MAX_FDS]).unwrap();
        assert_eq!(receive(there.as_fd(), 1).unwrap().unwrap().1.len(), MAX_FDS);
        assert_eq!(send(here.as_fd(), b"x", &[null.as_fd(); MAX_FDS + 1]), Err(Errno::EINVAL));
    }

    #[test]
    fn a_message_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
        let (here, there) = pair().unwrap();
        send(here.as_fd(), &[7; 100], &[]).unwrap();
        assert_eq!(receive(there.as_fd(), 99).map(drop), Err(Errno::EMSGSIZE));
        assert_eq!(receive(there.as_fd(), 100).unwrap().unwrap().0, [7; 100]);
        assert_eq!(send(here.as_fd(), b"", &[]), Err(Errno::EINVAL));
    }

    #[test]
    fn a_dead_peer_is_epipe_and_no_signal() {
        in_child(|| {
            // SAFETY: the default disposition, which Rust's start-up changed.
            unsafe {
                nix::sys::signal::signal(nix::sys::signal::SIGPIPE, nix::sys::signal::SigHandler::SigDfl)
            }
            .unwrap();
            let (here, there) = pair().unwrap();
            drop(there);
            assert_eq!(send(here.as_fd(), b"x", &[]), Err(Errno::EPIPE));
        });
    }

    #[test]
    fn descriptors_that_do_not_fit_are_closed_not_leaked() {
        in_child(|| {
            let (here, there) = pair().unwrap();
            let null = null();
            send(here.as_fd(), b"x", &[null.as_fd(); 10]).unwrap();
            // Room for three, but not for ten.
            setrlimit(Resource::RLIMIT_NOFILE, 1024, 1024).unwrap();
            let mut filling: Vec<OwnedFd> = std::iter::from_fn(|| null.try_clone().ok()).collect();
            filling.truncate(filling.len() - 3);
            let open_before = (0..1024).filter(|&fd| is_open(fd)).count();
            assert_eq!(receive(there.as_fd(), 1).map(drop), Err(Errno::EMFILE));
            assert_eq!((0..1024).filter(|&fd| is_open(fd)).count(), open_before);
        });
    }

    #[test]
    fn who_listens_and_never_accepts_is_not_waited_for_for_ever() {
        use nix::sys::socket::{Backlog, bind, listen};
        let scratch = Scratch::new();
        let path = scratch.join("socket");
        let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&listener, Backlog::new(1).unwrap()).unwrap();
        // The queue holds one or two; the next would wait.
        let connections = (0..4).map(|_| connect_within(&path, Duration::from_millis(100)));
        let connections: Vec<_> = connections.collect();
        assert!(connections[0].is_ok());
        assert!(connections.iter().any(|it| it.as_ref().is_err_and(|errno| *errno == Errno::EAGAIN)));
    }

    #[test]
    fn sockets_at_paths_of_any_length_are_connected() {
        let scratch = Scratch::new();
        let deep = scratch.join(&"d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        in_child(|| {
            for (directory, name) in [(scratch.path(), "short"), (&deep, "long")] {
                std::env::set_current_dir(directory).unwrap();
                let _listener = std::os::unix::net::UnixListener::bind(name).unwrap();
                std::env::set_current_dir("/usr").unwrap();
                connect(&directory.join(name)).unwrap();
                assert_eq!(std::env::current_dir().unwrap(), Path::new("/usr"));
            }
            assert_eq!(connect(&deep.join("missing")).map(drop), Err(Errno::ENOENT));
            assert_eq!(connect(&deep.join("n".repeat(108))).map(drop), Err(Errno::ENAMETOOLONG));
            assert_eq!(connect(&scratch.join("nothing")).map(drop), Err(Errno::ENOENT));
        });
    }
}
