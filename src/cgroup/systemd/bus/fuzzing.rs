//! Doors for the fuzz targets.

use std::time::Duration;

use super::message::{self, Message};
use super::value::{Reader, Writer};
use super::{Address, Bus, Deadline, Signal, Value};

/// One message alone: what is understood of it is written as it was read.
pub fn message(bytes: &[u8]) {
    if let Some(fixed) = bytes.first_chunk() {
        // An answer either way.
        let _ = message::length(fixed);
    }
    let body = match message::parse(bytes) {
        Ok(
            Message::Reply { body, .. } | Message::Error { body, .. } | Message::Signal(Signal { body, .. }),
        ) => body,
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
    let (mut bus, _other_side) = Bus::that_says(bytes)?;
    let _ = bus.authenticate(Deadline::within(Duration::from_secs(10)));
    Ok(())
}
