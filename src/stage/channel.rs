//! The one channel between parent and init: typed messages over a SOCK_SEQPACKET pair.
//!
//! One send is one message, and the end of the file means that the other side is gone: init exits
//! then (until the commit), and the parent reads why init failed or that it died. Descriptors go
//! along with the message that names them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::unistd::Pid;

use crate::fail;
use crate::linux::socket;
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
    /// The ids of the mount are mapped.
    IdsMapped,
    /// Limits are set, runtime hooks have run: go on.
    RuntimeHooksDone,
    /// The container is on record: it may outlive its parent.
    Commit,
}

/// What init tells the parent.
#[derive(Debug)]
pub enum ToParent {
    /// The root filesystem stands, before the pivot.
    RootfsReady,
    /// The master of the container's terminal.
    Terminal(OwnedFd),
    /// The seccomp listener.
    SeccompListener(OwnedFd),
    /// Everything is made; nothing is left but to wait and to execve.
    Ready,
    /// In a user namespace: map the ids of this detached mount by that user namespace.
    MapIds { mount: OwnedFd, namespace: OwnedFd, recursive: bool },
    /// The bridge: this is init.
    Sibling(Pid, OwnedFd),
    /// It failed.
    Failed(Message),
}

const PLACED: u8 = b'p';
const RUNTIME_HOOKS_DONE: u8 = b'h';
const COMMIT: u8 = b'c';
const ROOTFS_READY: u8 = b'r';
const TERMINAL: u8 = b't';
const SECCOMP_LISTENER: u8 = b's';
const READY: u8 = b'y';
const MAP_IDS: u8 = b'i';
const IDS_MAPPED: u8 = b'm';
const SIBLING: u8 = b'b';
const FAILED: u8 = b'f';

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
            ToInit::IdsMapped => IDS_MAPPED,
            ToInit::RuntimeHooksDone => RUNTIME_HOOKS_DONE,
            ToInit::Commit => COMMIT,
        };
        socket::send(self.0.as_fd(), &[byte], fds).context("tell init to go on")
    }

    /// For fuzz targets: whoever is at the other end.
    #[cfg(fuzzing)]
    pub fn over(end: OwnedFd) -> Self {
        Self(end)
    }

    /// The next message; `None` when init has closed its end, by exec or by death.
    pub fn receive(&self) -> Result<Option<ToParent>> {
        let received = socket::receive(self.0.as_fd(), LIMIT).context("read from init")?;
        received.map(|(bytes, fds)| decode(&bytes, fds)).transpose()
    }
}

impl AsFd for ParentEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl InitEnd {
    /// Waits for exactly this word; the end of the file means that the parent is gone.
    pub fn expect(&self, word: ToInit) -> Result<()> {
        self.expect_with(word).map(drop)
    }

    /// The same, and what goes along.
    pub fn expect_with(&self, word: ToInit) -> Result<Vec<OwnedFd>> {
        let received = socket::receive(self.0.as_fd(), LIMIT).context("wait for the parent")?;
        let Some((bytes, fds)) = received else {
            fail!(Code::Internal, "the runtime went away while the container was being made");
        };
        let heard = match bytes.as_slice() {
            [PLACED] => ToInit::Placed,
            [IDS_MAPPED] => ToInit::IdsMapped,
            [RUNTIME_HOOKS_DONE] => ToInit::RuntimeHooksDone,
            [COMMIT] => ToInit::Commit,
            _ => fail!(Code::Internal, "unknown word of {} bytes from the parent", bytes.len()),
        };
        match heard == word {
            true => Ok(fds),
            false => {
                Err(Error::new(Code::Internal, format!("the parent said {heard:?} instead of {word:?}")))
            }
        }
    }

    /// Sends the parent a message without a descriptor of ours being given up.
    pub fn send(&self, tag: Tag) -> Result<()> {
        let byte = match tag {
            Tag::RootfsReady => ROOTFS_READY,
            Tag::Ready => READY,
        };
        socket::send(self.0.as_fd(), &[byte], &[]).context("report to the parent")
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
        socket::send(self.0.as_fd(), &encode_failure(message), &[]).context("report the failure")
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
        for bytes in [&b""[..], b"f", b"f{", b"rr", b"t", b"s", b"\xff\xff"] {
            assert!(decode(bytes, Vec::new()).is_err(), "{bytes:?}");
        }
    }
}
