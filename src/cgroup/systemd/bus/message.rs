//! D-Bus messages (D-Bus Specification, "Message Format").

use super::value::{Malformed, Reader, Type, Value, Writer, signature, types};

/// The part of a message whose length is known beforehand.
pub const FIXED: usize = 16;
/// Far above anything that systemd answers, far below what the specification allows.
const LARGEST: usize = 4 << 20;
/// The largest message that the specification allows.
const LARGEST_OF_ANYONE: usize = 128 << 20;

const LITTLE_ENDIAN: u8 = b'l';
const BIG_ENDIAN: u8 = b'B';
const VERSION: u8 = 1;

const CALL: u8 = 1;
const REPLY: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// Codes of the fields of a header.
mod field {
    pub const PATH: u8 = 1;
    pub const INTERFACE: u8 = 2;
    pub const MEMBER: u8 = 3;
    pub const ERROR_NAME: u8 = 4;
    pub const REPLY_SERIAL: u8 = 5;
    pub const DESTINATION: u8 = 6;
    pub const SENDER: u8 = 7;
    pub const SIGNATURE: u8 = 8;
}

/// A call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub destination: &'static str,
    pub path: String,
    pub interface: &'static str,
    pub member: &'static str,
    pub body: Vec<Value>,
}

impl Call {
    pub fn to_bytes(&self, serial: u32) -> Vec<u8> {
        let mut body = Writer::default();
        self.body.iter().for_each(|value| body.value(value));

        let mut fields = vec![
            header_field(field::PATH, Value::Path(self.path.clone())),
            header_field(field::INTERFACE, Value::text(self.interface)),
            header_field(field::MEMBER, Value::text(self.member)),
            header_field(field::DESTINATION, Value::text(self.destination)),
        ];
        if !self.body.is_empty() {
            fields.push(header_field(field::SIGNATURE, Value::Signature(signature(&self.body))));
        }
        let mut message = Writer(vec![LITTLE_ENDIAN, CALL, 0, VERSION]);
        message.value(&Value::U32(body.0.len() as u32));
        message.value(&Value::U32(serial));
        message.value(&Value::Array(field_type(), fields));
        message.align(8);
        message.0.append(&mut body.0);
        message.0
    }
}

fn header_field(code: u8, value: Value) -> Value {
    Value::Struct(vec![Value::Byte(code), Value::Variant(Box::new(value))])
}

fn field_type() -> Type {
    Type::Struct(vec![Type::Basic(b'y'), Type::Variant])
}

/// What comes in, as far as we care.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Reply { to: u32, sender: Option<String>, body: Body },
    Error { to: u32, name: String, body: Body },
    Signal(Signal),
    Other,
}

/// That something has happened, if the one who says so can be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// As the bus says it; where there is no bus in between, as the other side says it, if at all.
    pub sender: Option<String>,
    pub interface: String,
    pub member: String,
    pub body: Body,
}

/// The values of a message, not looked at before they are wanted: what others send may have any type.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    signature: String,
    bytes: Vec<u8>,
}

impl Body {
    /// Bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    pub fn values(&self) -> Result<Vec<Value>, Malformed> {
        let mut reader = Reader::new(&self.bytes);
        types(&self.signature)?.iter().map(|kind| reader.value(kind)).collect()
    }
}

/// How long a message is in all, by its fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Of(usize),
    /// One that systemd would not send, but that anyone on the bus may: to be passed over unread.
    Foreign(usize),
}

/// By the fixed part of a message.
pub fn length(fixed: &[u8; FIXED]) -> Result<Length, Malformed> {
    let number = |at: usize| {
        let bytes = [fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]];
        match fixed[0] {
            LITTLE_ENDIAN => Ok(u32::from_le_bytes(bytes) as usize),
            BIG_ENDIAN => Ok(u32::from_be_bytes(bytes) as usize),
            _ => Err(Malformed),
        }
    };
    let length = (FIXED + number(12)?).next_multiple_of(8) + number(4)?;
    match fixed[3] == VERSION && length <= LARGEST_OF_ANYONE {
        false => Err(Malformed),
        true if fixed[0] != LITTLE_ENDIAN || length > LARGEST => Ok(Length::Foreign(length)),
        true => Ok(Length::Of(length)),
    }
}

/// A whole message.
pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let kind = *bytes.get(1).ok_or(Malformed)?;
    let fields = header_fields(bytes)?;
    let text = |code: u8| {
        fields
            .iter()
            .find_map(|(known, value)| (*known == code).then(|| value.as_text().map(str::to_owned)).flatten())
    };
    let reply_to = fields.iter().find_map(|(code, value)| match value {
        Value::U32(serial) if *code == field::REPLY_SERIAL => Some(*serial),
        _ => None,
    });
    let body_length = Reader::new(bytes.get(4..8).ok_or(Malformed)?).value(&Type::Basic(b'u'))?;
    let Value::U32(body_length) = body_length else { return Err(Malformed) };
    let start = bytes.len().checked_sub(body_length as usize).ok_or(Malformed)?;
    let body = Body { signature: text(field::SIGNATURE).unwrap_or_default(), bytes: bytes[start..].to_vec() };
    Ok(match kind {
        REPLY => Message::Reply { to: reply_to.ok_or(Malformed)?, sender: text(field::SENDER), body },
        ERROR => Message::Error {
            to: reply_to.ok_or(Malformed)?,
            name: text(field::ERROR_NAME).ok_or(Malformed)?,
            body,
        },
        SIGNAL => Message::Signal(Signal {
            sender: text(field::SENDER),
            interface: text(field::INTERFACE).ok_or(Malformed)?,
            member: text(field::MEMBER).ok_or(Malformed)?,
            body,
        }),
        _ => Message::Other,
    })
}

fn header_fields(bytes: &[u8]) -> Result<Vec<(u8, Value)>, Malformed> {
    let mut reader = Reader::new(bytes);
    let fixed = Type::Struct(vec![
        Type::Basic(b'y'),
        Type::Basic(b'y'),
        Type::Basic(b'y'),
        Type::Basic(b'y'),
        Type::Basic(b'u'),
        Type::Basic(b'u'),
        Type::array(field_type()),
    ]);
    let Value::Struct(parts) = reader.value(&fixed)? else { return Err(Malformed) };
    let Some(Value::Array(_, fields)) = parts.into_iter().last() else { return Err(Malformed) };
    fields
        .into_iter()
        .map(|field| match field {
            Value::Struct(parts) => match &parts[..] {
                [Value::Byte(code), Value::Variant(value)] => Ok((*code, (**value).clone())),
                _ => Err(Malformed),
            },
            _ => Err(Malformed),
        })
        .collect()
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// What a bus sends.
    pub fn bytes(kind: u8, fields: &[(u8, Value)], body: &[Value]) -> Vec<u8> {
        let mut written = Writer::default();
        body.iter().for_each(|value| written.value(value));
        let mut fields: Vec<Value> =
            fields.iter().map(|(code, value)| header_field(*code, value.clone())).collect();
        fields.push(header_field(field::SIGNATURE, Value::Signature(signature(body))));
        let mut message = Writer(vec![LITTLE_ENDIAN, kind, 0, VERSION]);
        message.value(&Value::U32(written.0.len() as u32));
        message.value(&Value::U32(1));
        message.value(&Value::Array(field_type(), fields));
        message.align(8);
        message.0.extend(written.0);
        message.0
    }

    pub fn reply(to: u32, body: &[Value]) -> Vec<u8> {
        bytes(REPLY, &[(field::REPLY_SERIAL, Value::U32(to))], body)
    }

    pub fn error(to: u32, name: &str, text: &str) -> Vec<u8> {
        let fields = [(field::REPLY_SERIAL, Value::U32(to)), (field::ERROR_NAME, Value::text(name))];
        bytes(ERROR, &fields, &[Value::text(text)])
    }

    pub fn signal(sender: &str, member: &str, body: &[Value]) -> Vec<u8> {
        let fields = [
            (field::PATH, Value::Path("/".into())),
            (field::INTERFACE, Value::text("org.freedesktop.systemd1.Manager")),
            (field::MEMBER, Value::text(member)),
            (field::SENDER, Value::text(sender)),
        ];
        bytes(SIGNAL, &fields, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_laid_out_as_the_specification_says() {
        let call = Call {
            destination: "a.b",
            path: "/p".into(),
            interface: "c.d",
            member: "M",
            body: vec![Value::text("x")],
        };
        let expected: &[u8] = b"l\x01\0\x01\x06\0\0\0\x09\0\0\0\x47\0\0\0\
            \x01\x01o\0\x02\0\0\0/p\0\0\0\0\0\0\
            \x02\x01s\0\x03\0\0\0c.d\0\0\0\0\0\
            \x03\x01s\0\x01\0\0\0M\0\0\0\0\0\0\0\
            \x06\x01s\0\x03\0\0\0a.b\0\0\0\0\0\
            \x08\x01g\0\x01s\0\0\
            \x01\0\0\0x\0";
        assert_eq!(call.to_bytes(9), expected);
    }

    #[test]
    fn replies_errors_and_signals_are_told_apart() {
        let body = [Value::U32(4), Value::text("done")];
        let reply = testing::reply(7, &body);
        assert_eq!(length(reply[..FIXED].try_into().unwrap()), Ok(Length::Of(reply.len())));
        let Ok(Message::Reply { to: 7, body: found, .. }) = parse(&reply) else { panic!("no reply") };
        assert_eq!(found.values().unwrap(), body);
        let Ok(Message::Error { to: 8, name, .. }) = parse(&testing::error(8, "a.Bad", "no")) else {
            panic!("no error")
        };
        assert_eq!(name, "a.Bad");
        let Ok(Message::Signal(signal)) = parse(&testing::signal(":1.5", "Gone", &body)) else {
            panic!("no signal")
        };
        assert_eq!((signal.sender.as_deref(), signal.member.as_str()), (Some(":1.5"), "Gone"));
    }

    #[test]
    fn a_message_that_is_too_long_or_in_another_order_is_passed_over() {
        let table: [(&[u8; FIXED], _); 6] = [
            (b"l\x02\0\x01\0\0\0\0\x01\0\0\0\x08\0\0\0", Ok(Length::Of(24))),
            (b"l\x02\0\x01\0\0\0\x07\x01\0\0\0\x08\0\0\0", Ok(Length::Foreign(24 + (7 << 24)))),
            (b"B\x02\0\x01\0\0\0\x05\0\0\0\x01\0\0\0\x08", Ok(Length::Foreign(29))),
            (b"l\x02\0\x01\0\0\0\x7f\x01\0\0\0\x08\0\0\0", Err(Malformed)),
            (b"l\x02\0\x02\0\0\0\0\x01\0\0\0\x08\0\0\0", Err(Malformed)),
            (b"x\x02\0\x01\0\0\0\0\x01\0\0\0\x08\0\0\0", Err(Malformed)),
        ];
        for (fixed, expected) in table {
            assert_eq!(length(fixed), expected, "{fixed:?}");
        }
    }

    #[test]
    fn a_message_cut_short_is_refused_wherever_it_is_cut() {
        let whole = testing::reply(7, &[]);
        for end in 0..whole.len() - 4 {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
    }
}
