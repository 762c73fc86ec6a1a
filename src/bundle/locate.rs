//! From a place in JSON text to its pointer: serde_json says where it stopped, a person wants to know in what.

use super::pointer;

/// The pointer of the innermost value that begins at `end`, contains the byte before it, or ends with that: serde_json
/// stops before a value of the wrong kind, and after one of the wrong content. The text must be JSON that has parsed
/// once, without whitespace (as serde_json writes it).
pub fn value_before(text: &[u8], end: usize) -> String {
    let mut walk = Walk { text, at: 0, end, path: Vec::new(), found: None };
    walk.value();
    walk.found.unwrap_or_default()
}

/// A walk over the text that ends where `end` lies in a value.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    end: usize,
    path: Vec<String>,
    found: Option<String>,
}

impl Walk<'_> {
    /// Walks over one value; the innermost whose extent has `end` is found first.
    fn value(&mut self) {
        let begin = self.at;
        match self.text.get(self.at) {
            Some(b'{') => self.members(),
            Some(b'[') => self.elements(),
            Some(b'"') => drop(self.string()),
            _ => self.scalar(),
        }
        if self.found.is_none() && (begin..=self.at).contains(&self.end) {
            let pointer = self.path.iter().fold(String::new(), |object, name| pointer::member(&object, name));
            self.found = Some(pointer);
        }
    }

    fn members(&mut self) {
        self.at += 1;
        while self.found.is_none() && self.text.get(self.at).is_some_and(|byte| *byte != b'}') {
            let name = self.string();
            // The colon.
            self.at += 1;
            self.path.push(name);
            self.value();
            self.path.pop();
            self.comma();
        }
        self.at += 1;
    }

    fn elements(&mut self) {
        self.at += 1;
        let mut index = 0;
        while self.found.is_none() && self.text.get(self.at).is_some_and(|byte| *byte != b']') {
            self.path.push(index.to_string());
            self.value();
            self.path.pop();
            self.comma();
            index += 1;
        }
        self.at += 1;
    }

    fn comma(&mut self) {
        if self.text.get(self.at) == Some(&b',') {
            self.at += 1;
        }
    }

    fn string(&mut self) -> String {
        let begin = self.at;
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(begin..self.at).unwrap_or_default();
        serde_json::from_slice(quoted).unwrap_or_default()
    }

    /// A number or a word.
    fn scalar(&mut self) {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']');
        while self.text.get(self.at).is_some_and(|byte| !ends(byte)) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_the_innermost_value() {
        let text = br#"{"a":[1,{"b/c":"x\"y"}],"d":true}"#;
        let cases = [
            (r#"{"a":"#, "/a"),
            (r#"{"a":[1,{"b/c":"#, "/a/1/b~1c"),
            (r#"{"a":[1"#, "/a/0"),
            (r#"{"a":[1,{"b/c":"x\"y""#, "/a/1/b~1c"),
            (r#"{"a":[1,{"b/c":"x\"y"}"#, "/a/1"),
            (r#"{"a":[1,{"b/c":"x\"y"}]"#, "/a"),
            (r#"{"a":[1,{"b/c":"x\"y"}],"d":true"#, "/d"),
            (r#"{"a":[1,{"b/c":"x\"y"}],"d":true}"#, ""),
            ("", ""),
        ];
        for (before, pointer) in cases {
            assert_eq!(value_before(text, before.len()), pointer, "{before}");
        }
    }

    #[test]
    fn text_that_is_no_json_ends_the_walk() {
        for text in [&b"{"[..], b"[", b"\"", b"{\"a\"", b"[1,", b"\\", b"{\"a\":\"\\"] {
            for end in 0..10 {
                value_before(text, end);
            }
        }
    }
}
