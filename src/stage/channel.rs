//! The one channel between parent and init: typed messages over a SOCK_SEQPACKET pair.
//!
//! One send is one message, and the end of the file means that the other side is gone: init exits
//! then (until the commit), and the parent reads why init failed or that it died. Descriptors go
//! along with the message that names them.
//!
//! Init reads and writes, and uses the calls of sockets for descriptors alone: a seccomp filter that is loaded by then
//! may allow no more.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::fail;
use crate::linux::{self, fd, socket};
use crate::report::error::Message;
use crate::report::{Code, Context, Error, Result};

/// The longest message: an error with long paths in it fits, an attack does not.
/// It is less than a fifo holds, so that init never waits to be read.
const LIMIT: usize = 60 * 1024;

/// What the parent tells init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToInit {
    /// Id maps are written, the cgroup is joined: go. The cgroup's directory, detached, goes along where it could not
    /// be opened before.
    Placed,
    /// The network namespace is made; it goes along.
    Network,
    /// The ids of the mount are mapped.
    IdsMapped,
    /// Limits are set, runtime hooks have run: go on.
    RuntimeHooksDone,
    /// The parent has the seccomp listener that it was told the number of.
    ListenerTaken,
    /// The container is on record: it may outlive its parent.
    Commit,
}

/// What init tells the parent.
#[derive(Debug)]
pub enum ToParent {
    /// The root filesystem stands, but for mounts that need nothing of the host; before the pivot.
    RootfsReady,
    /// The master of the container's terminal.
    Terminal(OwnedFd),
    /// The seccomp listener.
    SeccompListener(OwnedFd),
    /// The same, in init's table under this number: the parent takes it, and answers `ListenerTaken`.
    SeccompListenerAt(RawFd),
    /// Everything is made; nothing is left but to wait and to execve.
    Ready,
    /// In a user namespace: map the ids of this detached mount by that user namespace.
    MapIds { mount: OwnedFd, namespace: OwnedFd, recursive: bool },
    /// The bridge: this is init.
    Sibling(Pid, OwnedFd),
    /// It failed.
    Failed(Message),
}

/// A mount that was cloned for init.
#[derive(Debug)]
pub enum LentTree {
    /// For the step of this index.
    Source(usize, OwnedFd),
    /// The host's /dev/null.
    Null(OwnedFd),
    /// The root filesystem: the last.
    Rootfs(OwnedFd),
}

const PLACED: u8 = b'p';
const NETWORK: u8 = b'w';
const RUNTIME_HOOKS_DONE: u8 = b'h';
const COMMIT: u8 = b'c';
const ROOTFS_READY: u8 = b'r';
const TERMINAL: u8 = b't';
const SECCOMP_LISTENER: u8 = b's';
const SECCOMP_LISTENER_AT: u8 = b'n';
const LISTENER_TAKEN: u8 = b'l';
const READY: u8 = b'y';
const MAP_IDS: u8 = b'i';
const IDS_MAPPED: u8 = b'm';
const SIBLING: u8 = b'b';
const FAILED: u8 = b'f';
const LENT_SOURCE: u8 = b'S';
const LENT_NULL: u8 = b'N';
const LENT_ROOTFS: u8 = b'R';

const GONE: &str = "the runtime went away while the container was being made";

/// The parent's end.
pub struct ParentEnd(OwnedFd);

/// Init's end.
pub struct InitEnd(OwnedFd);

/// Both ends, close-on-exec.
pub fn pair() -> Result<(ParentEnd, InitEnd)> {
    let (parent, init) = socket::pair().context("make the channel to init")?;
    Ok((ParentEnd(parent), InitEnd(init)))
}

impl ParentEnd {
    /// Sends init a word, and descriptors with it.
    pub fn send(&self, word: ToInit, fds: &[BorrowedFd]) -> Result<()> {
        let byte = match word {
            ToInit::Placed => PLACED,
            ToInit::Network => NETWORK,
            ToInit::IdsMapped => IDS_MAPPED,
            ToInit::RuntimeHooksDone => RUNTIME_HOOKS_DONE,
            ToInit::ListenerTaken => LISTENER_TAKEN,
            ToInit::Commit => COMMIT,
        };
        socket::send(self.0.as_fd(), &[byte], fds).context("tell init to go on")
    }

    /// Hands init the mount that a step attaches.
    pub fn send_source(&self, index: usize, tree: BorrowedFd) -> Result<()> {
        self.lend(&[&[LENT_SOURCE][..], &index.to_le_bytes()].concat(), tree)
    }

    /// Hands init the host's /dev/null.
    pub fn send_null(&self, tree: BorrowedFd) -> Result<()> {
        self.lend(&[LENT_NULL], tree)
    }

    /// Hands init the root filesystem, and so the last of its mounts.
    pub fn send_rootfs(&self, tree: BorrowedFd) -> Result<()> {
        self.lend(&[LENT_ROOTFS], tree)
    }

    fn lend(&self, bytes: &[u8], tree: BorrowedFd) -> Result<()> {
        socket::send(self.0.as_fd(), bytes, &[tree]).context("hand a mount to init")
    }

    /// For fuzz targets: whoever is at the other end.
    #[cfg(fuzzing)]
    pub fn over(end: OwnedFd) -> Self {
        Self(end)
    }

    /// Waits until init has closed its end; what it said before is still to be received.
    pub fn await_hang_up(&self) -> Result<()> {
        socket::await_hang_up(self.0.as_fd()).context("wait for init")
    }

    /// The next message; `None` when init has closed its end, by exec or by death.
    pub fn receive(&self) -> Result<Option<ToParent>> {
        let received = match socket::receive(self.0.as_fd(), LIMIT) {
            // Init ended without reading a word of ours. That is told once, and before what init said last
            // (unix_release_sock in the kernel's net/unix/af_unix.c).
            Err(Errno::ECONNRESET) => socket::receive(self.0.as_fd(), LIMIT),
            received => received,
        };
        received.context("read from init")?.map(|(bytes, fds)| decode(&bytes, fds)).transpose()
    }
}

impl AsFd for ParentEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Claims that what was heard is this word; the end of the file means that the parent is gone.
fn require(word: ToInit, bytes: &[u8]) -> Result<()> {
    let heard = match bytes {
        [] => fail!(Code::Internal, "{GONE}"),
        [PLACED] => ToInit::Placed,
        [NETWORK] => ToInit::Network,
        [IDS_MAPPED] => ToInit::IdsMapped,
        [RUNTIME_HOOKS_DONE] => ToInit::RuntimeHooksDone,
        [LISTENER_TAKEN] => ToInit::ListenerTaken,
        [COMMIT] => ToInit::Commit,
        _ => fail!(Code::Internal, "unknown word from the parent"),
    };
    match heard == word {
        true => Ok(()),
        false => Err(Error::new(Code::Internal, format!("the parent said {heard:?} instead of {word:?}"))),
    }
}

impl InitEnd {
    /// Waits for exactly this word; the end of the file means that the parent is gone.
    pub fn expect(&self, word: ToInit) -> Result<()> {
        // One byte more than a word has. Not recvmsg: a filter may be in force by now that notifies of it.
        let mut bytes = [0; 2];
        let length = fd::read(self.0.as_fd(), &mut bytes).context("wait for the parent")?;
        require(word, &bytes[..length])
    }

    /// The same, and what goes along.
    pub fn expect_with(&self, word: ToInit) -> Result<Vec<OwnedFd>> {
        let received = socket::receive(self.0.as_fd(), LIMIT).context("wait for the parent")?;
        let (bytes, fds) = received.unwrap_or_default();
        require(word, &bytes).map(|()| fds)
    }

    /// The next of the mounts that were cloned for us.
    pub fn receive_tree(&self) -> Result<LentTree> {
        let Some((bytes, mut fds)) = socket::receive(self.0.as_fd(), LIMIT).context("wait for mounts")?
        else {
            fail!(Code::Internal, "{GONE}");
        };
        let tree = match fds.len() {
            1 => fds.pop(),
            _ => None,
        };
        match (bytes.as_slice(), tree) {
            ([LENT_NULL], Some(tree)) => Ok(LentTree::Null(tree)),
            ([LENT_ROOTFS], Some(tree)) => Ok(LentTree::Rootfs(tree)),
            ([LENT_SOURCE, index @ ..], Some(tree)) if index.len() == size_of::<usize>() => {
                let index = index.iter().rev().fold(0, |all, byte| (all << 8) | usize::from(*byte));
                Ok(LentTree::Source(index, tree))
            }
            _ => fail!(Code::Internal, "the parent sent something else than a mount"),
        }
    }

    /// Sends the parent a message without a descriptor of ours being given up.
    pub fn send(&self, tag: Tag) -> Result<()> {
        let byte = match tag {
            Tag::RootfsReady => ROOTFS_READY,
            Tag::Ready => READY,
        };
        self.write(&[byte]).context("report to the parent")
    }

    /// Hands the terminal's master over.
    pub fn send_terminal(&self, master: BorrowedFd) -> Result<()> {
        socket::send(self.0.as_fd(), &[TERMINAL], &[master]).context("hand the terminal to the parent")
    }

    /// Hands the seccomp listener over.
    pub fn send_listener(&self, listener: BorrowedFd) -> Result<()> {
        socket::send(self.0.as_fd(), &[SECCOMP_LISTENER], &[listener])
            .context("hand the seccomp listener to the parent")
    }

    /// Has the parent take the seccomp listener out of our table: where sendmsg itself would wait for the agent.
    pub fn offer_listener(&self, listener: BorrowedFd) -> Result<()> {
        let number = listener.as_raw_fd().to_ne_bytes();
        self.write(&[&[SECCOMP_LISTENER_AT][..], &number].concat())
            .context("offer the seccomp listener to the parent")?;
        self.expect(ToInit::ListenerTaken)
    }

    /// Asks the parent to map the ids of a detached mount; it answers `IdsMapped`.
    pub fn send_map_ids(&self, mount: BorrowedFd, namespace: BorrowedFd, recursive: bool) -> Result<()> {
        let bytes = [MAP_IDS, u8::from(recursive)];
        socket::send(self.0.as_fd(), &bytes, &[mount, namespace]).context("ask the parent to map ids")
    }

    /// The bridge announces init, by the pid that it and the parent know it by.
    pub fn send_sibling(&self, pid: Pid, pidfd: BorrowedFd) -> Result<()> {
        let mut bytes = vec![SIBLING];
        bytes.extend(pid.as_raw().to_ne_bytes());
        socket::send(self.0.as_fd(), &bytes, &[pidfd]).context("announce init to the parent")
    }

    /// Says why init failed. Nobody is left to tell if this fails too.
    pub fn send_failure(&self, message: &Message) -> Result<()> {
        self.write(&encode_failure(message)).context("report the failure")
    }

    /// One message. Where the parent is gone there is a SIGPIPE, which ends us as the end of the file would.
    fn write(&self, bytes: &[u8]) -> linux::Result<()> {
        fd::write_all(self.0.as_fd(), bytes)
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Messages of init that are a word alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    RootfsReady,
    Ready,
}

/// A failure on the wire, cut to fit if its texts are enormous.
pub fn encode_failure(message: &Message) -> Vec<u8> {
    let encoded = |message: &Message| {
        let json = serde_json::to_vec(message).unwrap_or_default();
        [&[FAILED], json.as_slice()].concat()
    };
    let whole = encoded(message);
    if whole.len() <= LIMIT {
        return whole;
    }
    // The beginning says what was being done; the end says what the kernel answered.
    let letters: Vec<char> = message.text.chars().collect();
    let head: String = letters.iter().take(2000).collect();
    let tail: String = letters.iter().skip(letters.len().saturating_sub(500)).collect();
    let short = Message { text: format!("{head} … {tail}"), hint: None, pointer: None, ..message.clone() };
    encoded(&short)
}

/// The failure in bytes that `encode_failure` made, if they are that.
pub fn decode_failure(bytes: &[u8]) -> Option<Message> {
    match bytes.split_first() {
        Some((&FAILED, json)) => serde_json::from_slice(json).ok(),
        _ => None,
    }
}

fn decode(bytes: &[u8], mut fds: Vec<OwnedFd>) -> Result<ToParent> {
    if let ([MAP_IDS, recursive], 2) = (bytes, fds.len()) {
        let (namespace, mount) = (fds.pop(), fds.pop());
        if let (Some(mount), Some(namespace)) = (mount, namespace) {
            return Ok(ToParent::MapIds { mount, namespace, recursive: *recursive != 0 });
        }
    }
    let fd = match fds.len() {
        0 | 1 => fds.pop(),
        n => fail!(Code::Internal, "init sent {n} descriptors at once"),
    };
    match (bytes, fd) {
        ([ROOTFS_READY], None) => Ok(ToParent::RootfsReady),
        ([READY], None) => Ok(ToParent::Ready),
        ([TERMINAL], Some(fd)) => Ok(ToParent::Terminal(fd)),
        ([SECCOMP_LISTENER], Some(fd)) => Ok(ToParent::SeccompListener(fd)),
        ([SIBLING, pid @ ..], Some(fd)) => match <[u8; 4]>::try_from(pid) {
            Ok(pid) => Ok(ToParent::Sibling(Pid::from_raw(i32::from_ne_bytes(pid)), fd)),
            Err(_) => fail!(Code::Internal, "the bridge announced nobody"),
        },
        ([SECCOMP_LISTENER_AT, number @ ..], None) => match <[u8; 4]>::try_from(number) {
            Ok(number) => Ok(ToParent::SeccompListenerAt(RawFd::from_ne_bytes(number))),
            Err(_) => fail!(Code::Internal, "init offered no listener"),
        },
        (bytes, None) => match decode_failure(bytes) {
            Some(message) => Ok(ToParent::Failed(message)),
            None => Err(Error::new(Code::Internal, "init sent a message that makes no sense")),
        },
        _ => Err(Error::new(Code::Internal, "init sent a descriptor where none belongs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message { code: Code::System, text: text.into(), pointer: None, hint: None, errno: Some(2) }
    }

    #[test]
    fn a_failure_crosses_the_channel_whole() {
        let (parent, init) = pair().unwrap();
        init.send_failure(&message("mount \"x\"")).unwrap();
        match parent.receive().unwrap() {
            Some(ToParent::Failed(received)) => assert_eq!(received, message("mount \"x\"")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_init_said_last_is_heard_though_it_left_words_of_ours_unread() {
        let (parent, init) = pair().unwrap();
        parent.send(ToInit::Network, &[]).unwrap();
        init.send_failure(&message("no such file")).unwrap();
        drop(init);
        match parent.receive().unwrap() {
            Some(ToParent::Failed(received)) => assert_eq!(received, message("no such file")),
            other => panic!("{other:?}"),
        }
        assert!(parent.receive().unwrap().is_none());
    }

    #[test]
    fn an_enormous_failure_keeps_its_beginning_and_its_end() {
        let text = format!("open {} no such file", "\u{1}".repeat(300_000));
        let bytes = encode_failure(&message(&text));
        assert!(bytes.len() <= LIMIT);
        let text = decode_failure(&bytes).unwrap().text;
        assert!(text.starts_with("open ") && text.ends_with(" no such file"));
    }

    #[test]
    fn init_hears_a_wrong_word_and_the_end_of_the_file_as_errors() {
        let (parent, init) = pair().unwrap();
        parent.send(ToInit::Commit, &[]).unwrap();
        assert!(init.expect(ToInit::Placed).unwrap_err().to_string().contains("Commit instead of Placed"));
        drop(parent);
        assert!(init.expect(ToInit::Commit).unwrap_err().to_string().contains("went away"));
    }

    #[test]
    fn garbage_from_init_is_an_error_not_a_panic() {
        for bytes in [&b""[..], b"f", b"f{", b"rr", b"t", b"s", b"n12", b"\xff\xff"] {
            assert!(decode(bytes, Vec::new()).is_err(), "{bytes:?}");
        }
    }
}
