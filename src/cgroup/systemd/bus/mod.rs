//! A connection to a D-Bus daemon, or to systemd directly: calls and their answers, and signals that are kept.
//!
//! Synchronous, without threads, and every wait has a deadline: a bus that hangs is an error that says what was
//! asked of it. A descriptor of ours must not reach a container: it is close-on-exec, and whoever is about to
//! clone drops the connection first.

#[cfg(fuzzing)]
pub mod fuzzing;
mod message;
mod value;

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{ReceiveTimeout, SendTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

pub use self::message::{Body, Call, Signal};
use self::message::{FIXED, Length, Message};
pub use self::value::{Malformed, Type, Value};
use crate::report::{Code, Error};

/// Where to find a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

impl Address {
    /// The first socket in an address list (D-Bus Specification, "Server Addresses") that is one of a unix
    /// bus.
    pub fn parse(list: &str) -> Option<Self> {
        list.split(';').find_map(|address| {
            address.strip_prefix("unix:")?.split(',').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                let value = unescape(value)?;
                match key {
                    "path" => Some(Address::Path(PathBuf::from(String::from_utf8(value).ok()?))),
                    "abstract" => Some(Address::Abstract(value)),
                    _ => None,
                }
            })
        })
    }

    fn to_socket(&self) -> nix::Result<UnixAddr> {
        match self {
            Address::Path(path) => UnixAddr::new(path),
            Address::Abstract(name) => UnixAddr::new_abstract(name),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => write!(f, "{}", path.display()),
            Address::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
}

/// `%20` is a space.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut left = text.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [left.next()?, left.next()?];
        // A sign would be taken by from_str_radix.
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    Some(bytes)
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum Failure {
    /// Whom we called says no, by name.
    Refused { name: String, text: String },
    /// There is no understanding with the bus.
    Broken(Error),
}

impl Failure {
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Failure::Refused { name: found, .. } if found == name)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { name, text } => Error::new(Code::Cgroup, format!("{text} ({name})")),
            Failure::Broken(error) => error,
        }
    }
}

pub type Answer<T> = std::result::Result<T, Failure>;

/// An instant after which nobody waits any more.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Instant,
    whole: Duration,
}

impl Deadline {
    pub fn within(whole: Duration) -> Self {
        Self { end: Instant::now() + whole, whole }
    }

    /// None when it is over.
    fn left(&self) -> Option<TimeVal> {
        let left = self.end.saturating_duration_since(Instant::now());
        // A timeout of zero means none (`man 7 socket`, SO_RCVTIMEO).
        let microseconds = i64::try_from(left.as_micros()).unwrap_or(i64::MAX);
        (microseconds > 0).then(|| TimeVal::microseconds(microseconds))
    }
}

/// How many signals are kept while an answer is waited for, and how large they may be: anyone on the bus may send some.
const KEPT: usize = 1000;
const LARGEST_KEPT: usize = 4096;

/// A connection.
#[derive(Debug)]
pub struct Bus {
    socket: OwnedFd,
    address: String,
    serial: u32,
    received: Vec<u8>,
    signals: VecDeque<Signal>,
    answered_by: Option<String>,
}

impl Bus {
    /// Connects and proves who we are: by the socket's credentials, so that it works in a user namespace too.
    pub fn connect(address: &Address, deadline: Deadline) -> Answer<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let opened = socket(AddressFamily::Unix, SockType::Stream, flags, None);
        let socket = opened.map_err(|errno| broken(errno, "make a socket"))?;
        let mut bus = Self::on(socket, address.to_string());
        bus.open(address, deadline)?;
        bus.authenticate(deadline)?;
        Ok(bus)
    }

    fn on(socket: OwnedFd, address: String) -> Self {
        let (received, signals) = (Vec::new(), VecDeque::new());
        Self { socket, address, serial: 0, received, signals, answered_by: None }
    }

    /// A full queue of connections makes connect wait, as long as a send may (`man 2 connect`, EAGAIN).
    fn open(&mut self, address: &Address, deadline: Deadline) -> Answer<()> {
        let doing = format!("connect to bus {}", self.address);
        let address = address.to_socket().map_err(|errno| broken(errno, &doing))?;
        loop {
            self.limit_send(deadline, &doing)?;
            match connect(self.socket.as_raw_fd(), &address) {
                Ok(()) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(overdue(deadline, &doing)),
                Err(errno) => return Err(broken(errno, &doing)),
            }
        }
    }

    /// The whole conversation at once, as sd-bus does it (D-Bus Specification, "Authentication Protocol"): no
    /// identity is claimed, the other side takes it from the socket.
    fn authenticate(&mut self, deadline: Deadline) -> Answer<()> {
        const DOING: &str = "authenticate";
        self.write(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", deadline, DOING)?;
        loop {
            let line = self.read_line(deadline, DOING)?;
            match line.split(' ').next() {
                Some("DATA") => {}
                Some("OK") => return Ok(()),
                _ => return Err(self.nonsense(&format!("authentication was answered with {line:?}"))),
            }
        }
    }

    /// Calls a method and waits for its answer.
    pub fn call(&mut self, call: &Call, deadline: Deadline) -> Answer<Body> {
        let doing = format!("call {}.{}", call.interface, call.member);
        self.serial += 1;
        let serial = self.serial;
        self.write(&call.to_bytes(serial), deadline, &doing)?;
        loop {
            match self.read_message(deadline, &doing)? {
                Message::Reply { to, sender, body } if to == serial => {
                    self.answered_by = sender;
                    return Ok(body);
                }
                Message::Error { to, name, body } if to == serial => {
                    let values = body.values().unwrap_or_default();
                    let text =
                        values.first().and_then(Value::as_text).unwrap_or("no reason given").to_owned();
                    return Err(Failure::Refused { name, text });
                }
                Message::Signal(signal) => self.keep(signal),
                Message::Reply { .. } | Message::Error { .. } | Message::Other => {}
            }
        }
    }

    /// Who gave the last answer, by the name that the bus has for each of its connections.
    pub fn answered_by(&self) -> Option<&str> {
        self.answered_by.as_deref()
    }

    /// The next signal: those that came while an answer was waited for are first.
    pub fn next_signal(&mut self, deadline: Deadline, doing: &str) -> Answer<Signal> {
        if deadline.left().is_none() {
            return Err(overdue(deadline, doing));
        }
        if let Some(signal) = self.signals.pop_front() {
            return Ok(signal);
        }
        loop {
            if let Message::Signal(signal) = self.read_message(deadline, doing)? {
                return Ok(signal);
            }
        }
    }

    fn keep(&mut self, signal: Signal) {
        if signal.body.length() > LARGEST_KEPT {
            return;
        }
        if self.signals.len() == KEPT {
            self.signals.pop_front();
        }
        self.signals.push_back(signal);
    }

    fn read_message(&mut self, deadline: Deadline, doing: &str) -> Answer<Message> {
        let length = loop {
            let mut fixed = [0; FIXED];
            self.fill(FIXED, deadline, doing)?;
            fixed.copy_from_slice(&self.received[..FIXED]);
            match message::length(&fixed).map_err(|Malformed| self.malformed())? {
                Length::Of(length) => break length,
                Length::Foreign(length) => self.pass_over(length, deadline, doing)?,
            }
        };
        self.fill(length, deadline, doing)?;
        let bytes: Vec<u8> = self.received.drain(..length).collect();
        message::parse(&bytes).map_err(|Malformed| self.malformed())
    }

    /// Without ever having all of it.
    fn pass_over(&mut self, mut count: usize, deadline: Deadline, doing: &str) -> Answer<()> {
        while count > 0 {
            self.fill(1, deadline, doing)?;
            let passed = count.min(self.received.len());
            self.received.drain(..passed);
            count -= passed;
        }
        Ok(())
    }

    fn malformed(&self) -> Failure {
        self.nonsense("a message is malformed")
    }

    fn read_line(&mut self, deadline: Deadline, doing: &str) -> Answer<String> {
        const LONGEST: usize = 16 << 10;
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let have = self.received.len();
            if have > LONGEST {
                return Err(self.nonsense("a line never ends"));
            }
            self.fill(have + 1, deadline, doing)?;
        }
    }

    /// Reads until there are so many bytes.
    fn fill(&mut self, count: usize, deadline: Deadline, doing: &str) -> Answer<()> {
        let mut chunk = [0; 4096];
        while self.received.len() < count {
            let left = deadline.left().ok_or_else(|| overdue(deadline, doing))?;
            setsockopt(&self.socket, ReceiveTimeout, &left).map_err(|errno| broken(errno, doing))?;
            match recv(self.socket.as_raw_fd(), &mut chunk, MsgFlags::empty()) {
                Ok(0) => return Err(self.nonsense(&format!("hung up on: {doing}"))),
                Ok(read) => self.received.extend_from_slice(&chunk[..read]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(overdue(deadline, doing)),
                Err(errno) => return Err(broken(errno, doing)),
            }
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8], deadline: Deadline, doing: &str) -> Answer<()> {
        while !bytes.is_empty() {
            self.limit_send(deadline, doing)?;
            match send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(overdue(deadline, doing)),
                Err(errno) => return Err(broken(errno, doing)),
            }
        }
        Ok(())
    }

    fn limit_send(&self, deadline: Deadline, doing: &str) -> Answer<()> {
        let left = deadline.left().ok_or_else(|| overdue(deadline, doing))?;
        setsockopt(&self.socket, SendTimeout, &left).map_err(|errno| broken(errno, doing))
    }

    fn nonsense(&self, text: &str) -> Failure {
        Failure::Broken(Error::new(Code::Cgroup, format!("bus {}: {text}", self.address)))
    }
}

fn broken(errno: Errno, doing: &str) -> Failure {
    Failure::Broken(Error::from(errno).context(doing).code(Code::Cgroup))
}

fn overdue(deadline: Deadline, doing: &str) -> Failure {
    let text = format!("{doing}: no answer from systemd's bus within {} s", deadline.whole.as_secs());
    let hint = "systemd or the bus is stuck or overloaded: see systemctl list-jobs and journalctl -u dbus";
    Failure::Broken(Error::new(Code::Cgroup, text).hint(hint))
}

#[cfg(any(test, fuzzing))]
impl Bus {
    /// A bus that says `bytes` and no more, whatever it is asked; its other side, to be held. Authentication is behind it.
    pub fn that_says(bytes: &[u8]) -> std::io::Result<(Self, std::os::unix::net::UnixStream)> {
        use std::io::Write;
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
        theirs.write_all(bytes)?;
        theirs.shutdown(std::net::Shutdown::Write)?;
        Ok((Self::on(ours.into(), "of a test".into()), theirs))
    }
}

#[cfg(test)]
pub use message::testing;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::thread::{JoinHandle, spawn};

    use super::message::testing::{error, reply, signal};
    use super::*;

    const HELLO: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

    /// A bus of one's own, that plays a part.
    fn bus(play: impl FnOnce(&mut UnixStream) + Send + 'static) -> (Address, JoinHandle<()>, tempdir::Place) {
        let place = tempdir::Place::new();
        let path = place.0.join("bus");
        let listener = UnixListener::bind(&path).unwrap();
        let player = spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = vec![0; HELLO.len()];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(heard, HELLO);
            play(&mut stream);
        });
        (Address::Path(path), player, place)
    }

    mod tempdir {
        pub struct Place(pub std::path::PathBuf);
        impl Place {
            pub fn new() -> Self {
                use std::sync::atomic::{AtomicU32, Ordering};
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let path = std::env::temp_dir().join(format!("trug-bus-{}-{count}", std::process::id()));
                std::fs::create_dir(&path).unwrap();
                Self(path)
            }
        }
        impl Drop for Place {
            fn drop(&mut self) {
                let _ = std::fs::remove_dir_all(&self.0);
            }
        }
    }

    fn soon() -> Deadline {
        Deadline::within(Duration::from_secs(10))
    }

    fn ask() -> Call {
        Call { destination: "a.b", path: "/".into(), interface: "a.b", member: "Ask", body: vec![] }
    }

    fn hear_call(stream: &mut UnixStream) {
        let mut heard = vec![0; ask().to_bytes(1).len()];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, ask().to_bytes(1));
    }

    #[test]
    fn a_call_gets_its_own_answer_and_signals_are_kept() {
        let (address, player, _place) = bus(|stream| {
            stream.write_all(b"DATA\r\nOK 123\r\n").unwrap();
            hear_call(stream);
            let first = signal(":1.1", "First", &[]);
            let second = signal(":1.1", "Second", &[]);
            let answer = [first, reply(99, &[]), reply(1, &[Value::U32(5)]), second];
            // In small pieces: a read need not end where a message does.
            answer.concat().chunks(7).for_each(|piece| stream.write_all(piece).unwrap());
        });
        let mut bus = Bus::connect(&address, soon()).unwrap();
        assert_eq!(bus.call(&ask(), soon()).unwrap().values().unwrap(), [Value::U32(5)]);
        assert_eq!(bus.next_signal(soon(), "wait").unwrap().member, "First");
        assert_eq!(bus.next_signal(soon(), "wait").unwrap().member, "Second");
        player.join().unwrap();
    }

    #[test]
    fn what_anyone_may_send_neither_breaks_a_call_nor_fills_memory() {
        let (address, player, _place) = bus(|stream| {
            stream.write_all(b"OK 123\r\n").unwrap();
            hear_call(stream);
            // Another byte order, more than systemd ever sends, and signals without end.
            stream.write_all(b"B\x04\0\x01\0\0\0\x05\0\0\0\x01\0\0\0\x08").unwrap();
            stream.write_all(&[0; 13]).unwrap();
            let large = 5_u32 << 20;
            stream.write_all(b"l\x04\0\x01").unwrap();
            stream.write_all(&[large.to_le_bytes(), 9_u32.to_le_bytes(), [0; 4]].concat()).unwrap();
            stream.write_all(&vec![0; large as usize]).unwrap();
            let bulky = signal(":1.66", "Bulky", &[Value::text("x".repeat(LARGEST_KEPT))]);
            stream.write_all(&bulky).unwrap();
            for _ in 0..KEPT {
                stream.write_all(&signal(":1.66", "Noise", &[])).unwrap();
            }
            stream.write_all(&signal(":1.1", "Last", &[])).unwrap();
            stream.write_all(&reply(1, &[])).unwrap();
        });
        let mut bus = Bus::connect(&address, soon()).unwrap();
        bus.call(&ask(), soon()).unwrap();
        assert_eq!(bus.signals.len(), KEPT);
        assert!(bus.signals.iter().all(|signal| signal.member != "Bulky"));
        assert_eq!(bus.signals.back().map(|signal| signal.member.as_str()), Some("Last"));
        let over = Deadline::within(Duration::ZERO);
        assert!(bus.next_signal(over, "wait").is_err(), "queued signals hide that time is up");
        player.join().unwrap();
    }

    #[test]
    fn a_refusal_has_its_name() {
        let (address, player, _place) = bus(|stream| {
            stream.write_all(b"OK 123\r\n").unwrap();
            hear_call(stream);
            stream.write_all(&error(1, "a.Bad", "not so")).unwrap();
        });
        let failure = Bus::connect(&address, soon()).unwrap().call(&ask(), soon()).unwrap_err();
        assert!(failure.is("a.Bad"));
        assert_eq!(Error::from(failure).to_string(), "not so (a.Bad)");
        player.join().unwrap();
    }

    #[test]
    fn a_bus_that_hangs_or_hangs_up_or_talks_nonsense_is_an_error_that_says_so() {
        let plays: [(&'static [u8], &str); 4] = [
            (b"OK 1\r\n", "call a.b.Ask: no answer from systemd's bus within 0 s"),
            (b"REJECTED EXTERNAL\r\n", "authentication was answered with \"REJECTED EXTERNAL\""),
            (b"OK 1\r\nxxxxxxxxxxxxxxxxxxx", "a message is malformed"),
            (b"", "hung up on: authenticate"),
        ];
        for (bytes, expected) in plays {
            let (wait, waited) = std::sync::mpsc::channel::<()>();
            let (address, player, _place) = bus(move |stream| {
                stream.write_all(bytes).unwrap();
                if bytes.starts_with(b"OK") {
                    let _ = waited.recv();
                }
            });
            let short = Deadline::within(Duration::from_millis(200));
            let failure = match Bus::connect(&address, soon()) {
                Ok(mut bus) => bus.call(&ask(), short).unwrap_err(),
                Err(failure) => failure,
            };
            drop(wait);
            let text = Error::from(failure).to_string();
            assert!(text.contains(expected), "{text}");
            player.join().unwrap();
        }
    }

    #[test]
    fn an_address_is_the_first_unix_one() {
        let table = [
            ("unix:path=/run/bus", Some(Address::Path("/run/bus".into()))),
            ("unix:path=/run/a%20b,guid=12", Some(Address::Path("/run/a b".into()))),
            ("tcp:host=x;unix:abstract=/tmp/x,guid=1", Some(Address::Abstract(b"/tmp/x".to_vec()))),
            ("unix:path=/a%2", None),
            ("unix:path=/a%+2", None),
            ("tcp:host=x", None),
            ("", None),
        ];
        for (list, expected) in table {
            assert_eq!(Address::parse(list), expected, "{list}");
        }
    }
}
