//! Doors for the fuzz targets.

use std::collections::VecDeque;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::message::{self, Message};
use super::value::{Reader, Writer};
use super::{Address, Bus, Deadline, Value};

/// A bus that says `bytes` and hangs up, whatever it is asked. Authentication is behind it.
pub fn that_says(bytes: &[u8]) -> std::io::Result<Bus> {
    let (ours, mut theirs) = UnixStream::pair()?;
    theirs.write_all(bytes)?;
    Ok(Bus {
        socket: ours.into(),
        address: "of a fuzz target".into(),
        serial: 0,
        received: Vec::new(),
        signals: VecDeque::new(),
    })
}

/// One message alone: what is understood of it is written as it was read.
pub fn message(bytes: &[u8]) {
    if let Some(fixed) = bytes.first_chunk() {
        // An answer either way.
        let _ = message::length(fixed);
    }
    let body = match message::parse(bytes) {
        Ok(Message::Reply { body, .. } | Message::Error { body, .. } | Message::Signal { body, .. }) => body,
        Ok(Message::Other) | Err(_) => return,
    };
    for value in body.values().unwrap_or_default() {
        let bytes = written(&value);
        let Ok(again) = Reader::new(&bytes).value(&value.kind()) else {
            panic!("{value:?} was read and written, and cannot be read again")
        };
        assert_eq!(written(&again), bytes, "{value:?}");
    }
}

fn written(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.value(value);
    writer.0
}

/// What precedes the messages: the address from the environment, the lines of authentication.
pub fn greeting(bytes: &[u8]) -> std::io::Result<()> {
    Address::parse(&String::from_utf8_lossy(bytes));
    // Refused or not: it comes to an end.
    let _ = that_says(bytes)?.authenticate(Deadline::within(Duration::from_secs(10)));
    Ok(())
}
