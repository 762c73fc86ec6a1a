//! D-Bus values, their types, and both as bytes (D-Bus Specification, "Type System" and "Marshaling").
//!
//! Little-endian only: both ends are on this machine. Whatever comes in is checked; nothing here panics.

use std::fmt;
use std::str::FromStr;

/// How deep containers may be nested, as the specification has it for arrays and structs each.
const DEPTH: usize = 32;
/// The longest array that the specification allows, in bytes.
const ARRAY_BYTES: usize = 64 << 20;

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// One of `ybnqiuxtdsog`.
    Basic(u8),
    Array(Box<Type>),
    Struct(Vec<Type>),
    /// One entry of a dictionary, which is an array of them.
    Entry(Box<Type>, Box<Type>),
    Variant,
}

impl Type {
    pub const TEXT: Type = Type::Basic(b's');

    pub fn array(element: Type) -> Self {
        Type::Array(Box::new(element))
    }

    fn alignment(&self) -> usize {
        match self {
            Type::Basic(b'y' | b'g') | Type::Variant => 1,
            Type::Basic(b'n' | b'q') => 2,
            Type::Basic(b'x' | b't' | b'd') | Type::Struct(_) | Type::Entry(..) => 8,
            Type::Basic(_) | Type::Array(_) => 4,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Basic(code) => write!(f, "{}", char::from(*code)),
            Type::Array(element) => write!(f, "a{element}"),
            Type::Struct(fields) => {
                f.write_str("(")?;
                fields.iter().try_for_each(|field| field.fmt(f))?;
                f.write_str(")")
            }
            Type::Entry(key, value) => write!(f, "{{{key}{value}}}"),
            Type::Variant => f.write_str("v"),
        }
    }
}

/// One complete type.
impl FromStr for Type {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match &types(text)?[..] {
            [one] => Ok(one.clone()),
            _ => Err(Malformed),
        }
    }
}

/// The types of a signature.
pub fn types(signature: &str) -> Result<Vec<Type>, Malformed> {
    let mut left = signature.as_bytes();
    let mut types = Vec::new();
    while !left.is_empty() {
        types.push(one_type(&mut left, DEPTH)?);
    }
    Ok(types)
}

fn one_type(left: &mut &[u8], depth: usize) -> Result<Type, Malformed> {
    let (&code, rest) = left.split_first().ok_or(Malformed)?;
    *left = rest;
    let below = depth.checked_sub(1).ok_or(Malformed)?;
    match code {
        b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g' => {
            Ok(Type::Basic(code))
        }
        b'v' => Ok(Type::Variant),
        b'a' if left.first() == Some(&b'{') => {
            *left = &left[1..];
            let key @ Type::Basic(_) = one_type(left, below)? else { return Err(Malformed) };
            let value = one_type(left, below)?;
            *left = left.strip_prefix(b"}").ok_or(Malformed)?;
            Ok(Type::array(Type::Entry(Box::new(key), Box::new(value))))
        }
        b'a' => Ok(Type::array(one_type(left, below)?)),
        b'(' => {
            let mut fields = Vec::new();
            while left.first() != Some(&b')') {
                fields.push(one_type(left, below)?);
            }
            *left = &left[1..];
            if fields.is_empty() { Err(Malformed) } else { Ok(Type::Struct(fields)) }
        }
        _ => Err(Malformed),
    }
}

/// A message, signature or value that the specification does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Byte(u8),
    Bool(bool),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    Double(f64),
    Text(String),
    Path(String),
    Signature(String),
    /// The type of the elements, since there may be none.
    Array(Type, Vec<Value>),
    Struct(Vec<Value>),
    Entry(Box<Value>, Box<Value>),
    Variant(Box<Value>),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Value::Array(Type::TEXT, texts.into_iter().map(Value::text).collect())
    }

    pub fn bytes(bytes: &[u8]) -> Self {
        Value::Array(Type::Basic(b'y'), bytes.iter().map(|byte| Value::Byte(*byte)).collect())
    }

    pub fn kind(&self) -> Type {
        let basic = match self {
            Value::Byte(_) => b'y',
            Value::Bool(_) => b'b',
            Value::I16(_) => b'n',
            Value::U16(_) => b'q',
            Value::I32(_) => b'i',
            Value::U32(_) => b'u',
            Value::I64(_) => b'x',
            Value::U64(_) => b't',
            Value::Double(_) => b'd',
            Value::Text(_) => b's',
            Value::Path(_) => b'o',
            Value::Signature(_) => b'g',
            Value::Array(element, _) => return Type::array(element.clone()),
            Value::Struct(fields) => return Type::Struct(fields.iter().map(Value::kind).collect()),
            Value::Entry(key, value) => return Type::Entry(Box::new(key.kind()), Box::new(value.kind())),
            Value::Variant(_) => return Type::Variant,
        };
        Type::Basic(basic)
    }

    /// The text in a string, path or signature.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Path(text) | Value::Signature(text) => Some(text),
            _ => None,
        }
    }
}

/// The signature of a message's body.
pub fn signature(values: &[Value]) -> String {
    values.iter().map(|value| value.kind().to_string()).collect()
}

/// Bytes as they are put together; aligned by their beginning.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn align(&mut self, alignment: usize) {
        self.0.resize(self.0.len().next_multiple_of(alignment), 0);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.align(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.raw(&(text.len() as u32).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.0.push(text.len() as u8);
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Byte(value) => self.raw(&[*value]),
            Value::Bool(value) => self.raw(&u32::from(*value).to_le_bytes()),
            Value::I16(value) => self.raw(&value.to_le_bytes()),
            Value::U16(value) => self.raw(&value.to_le_bytes()),
            Value::I32(value) => self.raw(&value.to_le_bytes()),
            Value::U32(value) => self.raw(&value.to_le_bytes()),
            Value::I64(value) => self.raw(&value.to_le_bytes()),
            Value::U64(value) => self.raw(&value.to_le_bytes()),
            Value::Double(value) => self.raw(&value.to_le_bytes()),
            Value::Text(text) | Value::Path(text) => self.text(text),
            Value::Signature(text) => self.signature(text),
            Value::Array(element, items) => self.array(element, items),
            Value::Struct(fields) => {
                self.align(8);
                fields.iter().for_each(|field| self.value(field));
            }
            Value::Entry(key, value) => {
                self.align(8);
                self.value(key);
                self.value(value);
            }
            Value::Variant(value) => {
                self.signature(&value.kind().to_string());
                self.value(value);
            }
        }
    }

    /// The length counts from the first element on, after the padding before it.
    fn array(&mut self, element: &Type, items: &[Value]) {
        self.raw(&[0; 4]);
        let length_at = self.0.len() - 4;
        self.align(element.alignment());
        let start = self.0.len();
        items.iter().for_each(|item| self.value(item));
        let length = (self.0.len() - start) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// Bytes as they are read; aligned by their beginning.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn align(&mut self, alignment: usize) {
        self.at = self.at.next_multiple_of(alignment);
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    fn raw<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.align(N);
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        self.raw().map(u32::from_le_bytes)
    }

    fn text(&mut self, length: usize) -> Result<String, Malformed> {
        let text = self.take(length)?;
        if self.take(1)? != [0] {
            return Err(Malformed);
        }
        String::from_utf8(text.to_vec()).map_err(|_| Malformed)
    }

    pub fn value(&mut self, kind: &Type) -> Result<Value, Malformed> {
        self.value_within(kind, DEPTH)
    }

    fn value_within(&mut self, kind: &Type, depth: usize) -> Result<Value, Malformed> {
        let below = depth.checked_sub(1).ok_or(Malformed)?;
        Ok(match kind {
            Type::Basic(b'y') => Value::Byte(self.raw::<1>()?[0]),
            Type::Basic(b'b') => Value::Bool(match self.number()? {
                0 => false,
                1 => true,
                _ => return Err(Malformed),
            }),
            Type::Basic(b'n') => Value::I16(i16::from_le_bytes(self.raw()?)),
            Type::Basic(b'q') => Value::U16(u16::from_le_bytes(self.raw()?)),
            Type::Basic(b'i') => Value::I32(i32::from_le_bytes(self.raw()?)),
            Type::Basic(b'u') => Value::U32(self.number()?),
            Type::Basic(b'x') => Value::I64(i64::from_le_bytes(self.raw()?)),
            Type::Basic(b't') => Value::U64(u64::from_le_bytes(self.raw()?)),
            Type::Basic(b'd') => Value::Double(f64::from_le_bytes(self.raw()?)),
            Type::Basic(b'g') => Value::Signature(self.signature()?),
            Type::Basic(code) => {
                let length = self.number()? as usize;
                let text = self.text(length)?;
                if *code == b'o' { Value::Path(text) } else { Value::Text(text) }
            }
            Type::Array(element) => self.array(element, below)?,
            Type::Struct(fields) => {
                self.align(8);
                let fields = fields.iter().map(|field| self.value_within(field, below));
                Value::Struct(fields.collect::<Result<_, _>>()?)
            }
            Type::Entry(key, value) => {
                self.align(8);
                let key = self.value_within(key, below)?;
                Value::Entry(Box::new(key), Box::new(self.value_within(value, below)?))
            }
            Type::Variant => {
                let kind: Type = self.signature()?.parse()?;
                Value::Variant(Box::new(self.value_within(&kind, below)?))
            }
        })
    }

    fn signature(&mut self) -> Result<String, Malformed> {
        let length = usize::from(self.raw::<1>()?[0]);
        self.text(length)
    }

    fn array(&mut self, element: &Type, depth: usize) -> Result<Value, Malformed> {
        let length = self.number()? as usize;
        if length > ARRAY_BYTES {
            return Err(Malformed);
        }
        self.align(element.alignment());
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(Malformed)?;
        let mut items = Vec::new();
        while self.at < end {
            items.push(self.value_within(element, depth)?);
        }
        if self.at == end { Ok(Value::Array(element.clone(), items)) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.value(value);
        writer.0
    }

    #[test]
    fn values_are_laid_out_as_the_specification_says() {
        let table: [(Value, &[u8]); 6] = [
            (Value::Bool(true), &[1, 0, 0, 0]),
            (Value::text("foo"), b"\x03\0\0\0foo\0"),
            (Value::Signature("as".into()), b"\x02as\0"),
            (Value::Array(Type::Basic(b't'), vec![Value::U64(5)]), b"\x08\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0"),
            // Padding before an element that is not there is there all the same, and not counted.
            (Value::Array(Type::Basic(b't'), vec![]), b"\0\0\0\0\0\0\0\0"),
            (Value::Variant(Box::new(Value::U32(7))), b"\x01u\0\0\x07\0\0\0"),
        ];
        for (value, bytes) in table {
            assert_eq!(encoded(&value), bytes, "{value:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let entry = Value::Entry(Box::new(Value::text("k")), Box::new(Value::I64(-9)));
        let device = Value::Struct(vec![Value::text("/dev/x"), Value::text("rw")]);
        let values = [
            Value::Struct(vec![Value::Byte(1), Value::Double(0.5), Value::I16(-2), Value::U16(9)]),
            Value::Array(entry.kind(), vec![entry]),
            Value::Variant(Box::new(Value::Array(device.kind(), vec![device.clone(), device]))),
            Value::Struct(vec![
                Value::Path("/a".into()),
                Value::I32(-1),
                Value::Variant(Box::new(Value::bytes(b"x"))),
            ]),
        ];
        for value in values {
            let kind = value.kind();
            assert_eq!(kind.to_string().parse(), Ok(kind.clone()));
            assert_eq!(Reader::new(&encoded(&value)).value(&kind), Ok(value));
        }
    }

    #[test]
    fn malformed_signatures_are_refused() {
        for signature in
            ["a", "(", "()", "(s", "a{vs}", "a{s}", "a{ss", "z", "h", "{ss}", &"a".repeat(64), "ss"]
        {
            assert_eq!(signature.parse::<Type>(), Err(Malformed), "{signature}");
        }
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let table: [(&str, &[u8]); 7] = [
            ("u", &[1, 0, 0]),
            ("b", &[2, 0, 0, 0]),
            ("s", b"\x04\0\0\0foo\0"),
            ("s", b"\x03\0\0\0foo!"),
            ("s", b"\x01\0\0\0\xff\0"),
            ("au", b"\x06\0\0\0\x01\0\0\0\x01\0\0\0"),
            ("v", b"\x02uu\0\x01\0\0\0\x01\0\0\0"),
        ];
        for (kind, bytes) in table {
            assert_eq!(Reader::new(bytes).value(&kind.parse().unwrap()), Err(Malformed), "{kind} {bytes:?}");
        }
        // A variant in a variant in a variant …
        let deep = b"\x01v\0".repeat(40);
        assert_eq!(Reader::new(&deep).value(&Type::Variant), Err(Malformed));
    }
}
