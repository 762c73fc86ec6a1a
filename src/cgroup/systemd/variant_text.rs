//! GVariant text (GLib's "GVariant Text Format"): how annotations write the values of unit properties.
//!
//! What is written is looked at as it stands first, then given a type: the one that is asked for by `uint64 …` or
//! `@t …`, else the usual one (`int32` for whole numbers, `double` for others, strings, arrays of what their first
//! element is).

use super::bus::{Type, Value};

/// How deep values may be nested.
const DEPTH: usize = 16;
/// The longest signature (D-Bus Specification, "Valid Signatures").
const LONGEST: usize = 255;

/// What is wrong with a text.
pub type Wrong = String;

/// The value that a text says.
///
/// # Errors
/// What is wrong, for people.
pub fn parse(text: &str) -> Result<Value, Wrong> {
    let mut parser = Parser { left: text };
    let node = parser.node(DEPTH)?;
    parser.skip_space();
    if !parser.left.is_empty() {
        return Err(format!("unexpected {:?} after the value", parser.left));
    }
    variant(&node)
}

/// The value of what says its type itself: the whole, and each variant in it. The type goes before the value as text.
fn variant(node: &Node) -> Result<Value, Wrong> {
    let kind = usual_type(node)?;
    match kind.to_string().len() > LONGEST {
        true => Err(format!("a type longer than {LONGEST} letters")),
        false => build(node, &kind),
    }
}

/// A text, taken apart.
#[derive(Debug)]
enum Node {
    Word(bool),
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Node>),
    Tuple(Vec<Node>),
    Dictionary(Vec<(Node, Node)>),
    Variant(Box<Node>),
    Typed(Type, Box<Node>),
}

struct Parser<'a> {
    left: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.left = self.left.trim_start();
    }

    fn next_is(&mut self, letter: char) -> bool {
        self.skip_space();
        self.left.starts_with(letter)
    }

    fn take(&mut self, letter: char) -> Result<(), Wrong> {
        if !self.next_is(letter) {
            return Err(match self.left.chars().next() {
                Some(found) => format!("expected {letter:?}, found {found:?}"),
                None => format!("expected {letter:?} before the end"),
            });
        }
        self.left = &self.left[letter.len_utf8()..];
        Ok(())
    }

    fn word(&mut self, part: impl Fn(char) -> bool) -> &'a str {
        let end = self.left.find(|letter| !part(letter)).unwrap_or(self.left.len());
        let (word, rest) = self.left.split_at(end);
        self.left = rest;
        word
    }

    fn node(&mut self, depth: usize) -> Result<Node, Wrong> {
        let below = depth.checked_sub(1).ok_or("nested too deeply")?;
        self.skip_space();
        match self.left.chars().next() {
            None => Err("no value".into()),
            Some('\'' | '"') => self.text().map(Node::Text),
            Some('[') => Ok(Node::Array(self.list('[', ']', below)?)),
            Some('(') => Ok(Node::Tuple(self.list('(', ')', below)?)),
            Some('{') => self.dictionary(below),
            Some('<') => {
                self.take('<')?;
                let inner = self.node(below)?;
                self.take('>')?;
                Ok(Node::Variant(Box::new(inner)))
            }
            Some('@') => {
                self.take('@')?;
                let signature = self.word(|letter| letter.is_ascii_alphanumeric() || "(){}".contains(letter));
                let kind = signature.parse().map_err(|_| format!("{signature:?} is not a type"))?;
                Ok(Node::Typed(kind, Box::new(self.node(below)?)))
            }
            Some('b') if self.left[1..].starts_with(['\'', '"']) => {
                self.take('b')?;
                let mut bytes = self.text()?.into_bytes();
                bytes.push(0);
                Ok(Node::Bytes(bytes))
            }
            Some(letter) if letter.is_ascii_alphabetic() => self.keyword(below),
            Some(_) => {
                let number = self.word(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
                match number {
                    "" => Err(format!("unexpected {:?}", self.left)),
                    number => Ok(Node::Number(number.to_owned())),
                }
            }
        }
    }

    fn keyword(&mut self, depth: usize) -> Result<Node, Wrong> {
        let word = self.word(|letter| letter.is_ascii_alphanumeric());
        let code = match word {
            "true" => return Ok(Node::Word(true)),
            "false" => return Ok(Node::Word(false)),
            "inf" | "nan" => return Ok(Node::Number(word.to_owned())),
            "boolean" => b'b',
            "byte" => b'y',
            "int16" => b'n',
            "uint16" => b'q',
            "int32" => b'i',
            "uint32" => b'u',
            "int64" => b'x',
            "uint64" => b't',
            "double" => b'd',
            "string" => b's',
            "objectpath" => b'o',
            "signature" => b'g',
            _ => return Err(format!("unknown word {word:?}")),
        };
        Ok(Node::Typed(Type::Basic(code), Box::new(self.node(depth)?)))
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Result<Vec<Node>, Wrong> {
        self.take(open)?;
        let mut items = Vec::new();
        while !self.next_is(close) {
            items.push(self.node(depth)?);
            if !self.next_is(close) {
                self.take(',')?;
            }
        }
        self.take(close)?;
        Ok(items)
    }

    fn dictionary(&mut self, depth: usize) -> Result<Node, Wrong> {
        self.take('{')?;
        let mut entries = Vec::new();
        while !self.next_is('}') {
            let key = self.node(depth)?;
            self.take(':')?;
            entries.push((key, self.node(depth)?));
            if !self.next_is('}') {
                self.take(',')?;
            }
        }
        self.take('}')?;
        Ok(Node::Dictionary(entries))
    }

    /// A string in either kind of quotes, with C's escapes.
    fn text(&mut self) -> Result<String, Wrong> {
        let mut letters = self.left.char_indices();
        let quote = letters.next().map(|(_, letter)| letter);
        let mut text = String::new();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => text.push(escaped(&mut letters)?),
                letter if Some(letter) == quote => {
                    self.left = &self.left[at + 1..];
                    return Ok(text);
                }
                '\0' => return Err("a string with a NUL in it".into()),
                letter => text.push(letter),
            }
        }
        Err("a string without its closing quote".into())
    }
}

fn escaped(letters: &mut std::str::CharIndices) -> Result<char, Wrong> {
    let Some((_, letter)) = letters.next() else { return Err("a string ends in a backslash".into()) };
    let digits = match letter {
        'a' => return Ok('\x07'),
        'b' => return Ok('\x08'),
        'f' => return Ok('\x0c'),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'v' => return Ok('\x0b'),
        'u' => 4,
        'U' => 8,
        other => return Ok(other),
    };
    let hex: String = letters.take(digits).map(|(_, letter)| letter).collect();
    let code = u32::from_str_radix(&hex, 16).ok().filter(|code| *code != 0 && hex.len() == digits);
    code.and_then(char::from_u32).ok_or_else(|| format!("{hex:?} is no Unicode escape"))
}

fn usual_type(node: &Node) -> Result<Type, Wrong> {
    Ok(match node {
        Node::Word(_) => Type::Basic(b'b'),
        Node::Number(text) if is_whole(text) => Type::Basic(b'i'),
        Node::Number(_) => Type::Basic(b'd'),
        Node::Text(_) => Type::TEXT,
        Node::Bytes(_) => Type::array(Type::Basic(b'y')),
        Node::Variant(_) => Type::Variant,
        Node::Typed(kind, _) => kind.clone(),
        Node::Tuple(items) if items.is_empty() => return Err("an empty tuple".into()),
        Node::Tuple(items) => Type::Struct(items.iter().map(usual_type).collect::<Result<_, _>>()?),
        Node::Array(items) => {
            let first = items.iter().find(|item| matches!(item, Node::Typed(..))).or(items.first());
            Type::array(usual_type(
                first.ok_or("the type of an empty array is unknown: write @as [] or the like")?,
            )?)
        }
        Node::Dictionary(entries) => {
            let (key, value) = entries
                .first()
                .ok_or("the type of an empty dictionary is unknown: write @a{sv} {} or the like")?;
            let Type::Basic(code) = usual_type(key)? else { return Err("a key that is a container".into()) };
            let entry = Type::Entry(Box::new(Type::Basic(code)), Box::new(usual_type(value)?));
            Type::array(entry)
        }
    })
}

fn is_whole(text: &str) -> bool {
    let hex = text.trim_start_matches(['+', '-']).starts_with("0x");
    hex || !text.contains(['.', 'e', 'E', 'n'])
}

fn build(node: &Node, kind: &Type) -> Result<Value, Wrong> {
    let mismatch = || format!("not of type {kind}");
    match (node, kind) {
        (Node::Typed(own, inner), _) if own == kind => build(inner, kind),
        (Node::Word(word), Type::Basic(b'b')) => Ok(Value::Bool(*word)),
        (Node::Text(text), Type::Basic(b's')) => Ok(Value::text(text)),
        (Node::Text(text), Type::Basic(b'o')) if is_path(text) => Ok(Value::Path(text.clone())),
        (Node::Text(text), Type::Basic(b'g')) if text.is_empty() || text.parse::<Type>().is_ok() => {
            Ok(Value::Signature(text.clone()))
        }
        (Node::Number(text), Type::Basic(code)) => number(text, *code),
        (Node::Bytes(bytes), Type::Array(element)) if **element == Type::Basic(b'y') => {
            Ok(Value::bytes(bytes))
        }
        (Node::Variant(inner), Type::Variant) => Ok(Value::Variant(Box::new(variant(inner)?))),
        (Node::Array(items), Type::Array(element)) => {
            let items = items.iter().map(|item| build(item, element));
            Ok(Value::Array((**element).clone(), items.collect::<Result<_, _>>()?))
        }
        (Node::Tuple(items), Type::Struct(kinds)) if items.len() == kinds.len() => {
            let items = items.iter().zip(kinds).map(|(item, kind)| build(item, kind));
            Ok(Value::Struct(items.collect::<Result<_, _>>()?))
        }
        (Node::Dictionary(entries), Type::Array(element)) => {
            let Type::Entry(key_kind, value_kind) = &**element else { return Err(mismatch()) };
            let entry = |(key, value): &(Node, Node)| {
                Ok(Value::Entry(Box::new(build(key, key_kind)?), Box::new(build(value, value_kind)?)))
            };
            Ok(Value::Array((**element).clone(), entries.iter().map(entry).collect::<Result<_, Wrong>>()?))
        }
        _ => Err(mismatch()),
    }
}

/// D-Bus Specification, "Valid Object Paths".
fn is_path(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    text == "/" || text.strip_prefix('/').is_some_and(|parts| parts.split('/').all(part))
}

fn number(text: &str, code: u8) -> Result<Value, Wrong> {
    let wrong = || format!("{text} is not of type {}", char::from(code));
    if code == b'd' {
        return text.parse().map(Value::Double).map_err(|_| wrong());
    }
    let whole = whole_number(text).ok_or_else(wrong)?;
    let value = match code {
        b'y' => u8::try_from(whole).map(Value::Byte),
        b'n' => i16::try_from(whole).map(Value::I16),
        b'q' => u16::try_from(whole).map(Value::U16),
        b'i' => i32::try_from(whole).map(Value::I32),
        b'u' => u32::try_from(whole).map(Value::U32),
        b'x' => i64::try_from(whole).map(Value::I64),
        b't' => u64::try_from(whole).map(Value::U64),
        _ => return Err(wrong()),
    };
    value.map_err(|_| wrong())
}

/// In C's notation: `0x` is hexadecimal, a leading `0` octal.
fn whole_number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    // A second sign would be taken by from_str_radix.
    let number =
        i128::from(u64::from_str_radix(digits.strip_prefix(['+', '-']).map_or(digits, |_| ""), base).ok()?);
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_its_value() {
        let entry = Value::Entry(Box::new(Value::text("a")), Box::new(Value::I32(1)));
        let device = Value::Struct(vec![Value::text("/dev/x"), Value::text("rw")]);
        let table = [
            ("true", Value::Bool(true)),
            (" false ", Value::Bool(false)),
            ("5", Value::I32(5)),
            ("-0x10", Value::I32(-16)),
            ("010", Value::I32(8)),
            ("0.5", Value::Double(0.5)),
            ("1e3", Value::Double(1000.0)),
            ("double 2", Value::Double(2.0)),
            ("byte 255", Value::Byte(255)),
            ("int16 -1", Value::I16(-1)),
            ("uint16 1", Value::U16(1)),
            ("uint32 1", Value::U32(1)),
            ("int64 -1", Value::I64(-1)),
            ("uint64 123456789", Value::U64(123_456_789)),
            ("uint64 18446744073709551615", Value::U64(u64::MAX)),
            ("@t 9", Value::U64(9)),
            ("'inactive-or-failed'", Value::text("inactive-or-failed")),
            (r#""it's\n\u00e4\\""#, Value::text("it's\nä\\")),
            ("''", Value::text("")),
            ("objectpath '/a/b_1'", Value::Path("/a/b_1".into())),
            ("signature 'as'", Value::Signature("as".into())),
            ("['a.slice', \"b\"]", Value::texts(["a.slice", "b"])),
            ("@as []", Value::texts([])),
            ("[1, uint64 2]", Value::Array(Type::Basic(b't'), vec![Value::U64(1), Value::U64(2)])),
            ("@ay [1, 2]", Value::bytes(&[1, 2])),
            ("b'hi'", Value::bytes(b"hi\0")),
            ("[('/dev/x', 'rw')]", Value::Array(device.kind(), vec![device])),
            ("{'a': 1}", Value::Array(entry.kind(), vec![entry])),
            ("<uint32 1>", Value::Variant(Box::new(Value::U32(1)))),
            (
                "[<1>, <'x'>]",
                Value::Array(
                    Type::Variant,
                    vec![Value::Variant(Box::new(Value::I32(1))), Value::Variant(Box::new(Value::text("x")))],
                ),
            ),
        ];
        for (text, value) in table {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_makes_no_value_is_refused_and_never_a_panic() {
        let deep = "[".repeat(100);
        let long = format!("({}1)", "1, ".repeat(254));
        let long_within = format!("[<{long}>]");
        for text in [
            "",
            "x",
            "'a",
            "\"a",
            "'\\",
            "'\\u00'",
            "'\\ud800'",
            "[1",
            "[1,",
            "[1 2]",
            "[]",
            "{}",
            "()",
            "{'a' 1}",
            "{[1]: 2}",
            "[1, 'a']",
            "byte 256",
            "uint32 -1",
            "int32 0.5",
            "uint64 18446744073709551616",
            "1 2",
            "--1",
            "+-1",
            "0x",
            "@zz 1",
            "@ 1",
            "@s 1",
            "<1",
            "objectpath 'a'",
            "objectpath '/a/'",
            "boolean 1",
            "int32 true",
            "b",
            "b'",
            "é",
            "bé",
            "'a\0b'",
            "1x",
            &deep,
            &long,
            &long_within,
        ] {
            assert!(parse(text).is_err(), "{text:?} is {:?}", parse(text));
        }
    }
}
