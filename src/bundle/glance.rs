//! What a text of JSON shows at a glance, in one pass and without a parser: whether it has to be read a second time.
//! May see a doubt where there is none; never the other way round, for a text that is JSON.

use std::ops::Range;

use super::{names, shape};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// A member may have one of the specification's names in another case (`names`).
    pub odd_names: bool,
    /// A list may stand where an object should (`shape`).
    pub odd_lists: bool,
    /// Where the object stands that is a member `seccomp`, at whatever place. None where none is, where another member of
    /// that name comes in it or after it, and where a name may be it in other words.
    pub seccomp: Option<Range<usize>>,
}

pub fn at(text: &[u8]) -> Glance {
    let mut glance = Glance::default();
    let mut seccomp = Sole { name: b"seccomp", found: None, open: None, depth: 0, lost: false };
    let mut before = 0;
    for token in Tokens::of(text) {
        seccomp.see(&token, before);
        match token.byte {
            b':' => {
                let odd = names::is_in_doubt(token.string);
                glance.odd_names |= odd;
                glance.odd_lists |= odd || shape::has_any_names(token.string);
            }
            // The value of a member: all others are elements of a list, or the whole text.
            b'[' => glance.odd_lists |= before != b':' || !shape::is_list(token.string),
            _ => {}
        }
        before = token.byte;
    }
    glance.seccomp = seccomp.found.filter(|_| !seccomp.lost && !glance.odd_names);
    glance
}

/// A look for the only object of a name.
struct Sole<'n> {
    name: &'n [u8],
    found: Option<Range<usize>>,
    /// Where it begins, and how deep that is.
    open: Option<(usize, usize)>,
    depth: usize,
    /// It is not the only one, or the text is no JSON.
    lost: bool,
}

impl Sole<'_> {
    fn see(&mut self, token: &Token, before: u8) {
        match token.byte {
            b':' => self.lost |= token.string == self.name && (self.found.is_some() || self.open.is_some()),
            b'{' => {
                if before == b':' && token.string == self.name {
                    self.open = Some((token.place, self.depth));
                }
                self.depth += 1;
            }
            b'}' => {
                self.lost |= self.depth == 0;
                self.depth = self.depth.saturating_sub(1);
                if let Some((begin, _)) = self.open.filter(|(_, outside)| *outside == self.depth) {
                    (self.found, self.open) = (Some(begin..token.place + 1), None);
                }
            }
            _ => {}
        }
    }
}

/// What is neither space nor in a string, but for a string's first quotation mark.
struct Token<'t> {
    byte: u8,
    place: usize,
    /// The last string: a member's name if this is a colon, or what comes after it.
    string: &'t [u8],
}

struct Tokens<'t> {
    text: &'t [u8],
    place: usize,
    string: &'t [u8],
}

impl<'t> Tokens<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self { text, place: 0, string: b"" }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = self.text.get(self.place..)?;
        let place = self.place + rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let byte = self.text[place];
        self.place = place + 1;
        if byte == b'"' {
            self.string = string_at(&self.text[self.place..]);
            self.place += self.string.len() + 1;
        }
        Some(Token { byte, place, string: self.string })
    }
}

/// What comes before the quotation mark that ends a string, or before the end of the text.
fn string_at(text: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Some(length) =
        text.get(end..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\')))
    {
        end += length;
        if text[end] == b'"' {
            return &text[..end];
        }
        end += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_odd_only_in_another_case() {
        for (text, expected) in [
            (r#"{"linux": {"resources": {"memory" : {"limit": 5}}}}"#, false),
            (r#"{"linux": {"resources": {"Memory" : {"limit": 5}}}}"#, true),
            ("{\"LINUX\"\n\t:{}}", true),
            (r#"{"args": ["Path", "LIMIT"], "unknown": "CPU"}"#, false),
            (r#"{"args": ["a\"", "\\"], "CWD": "/"}"#, true),
            (r#"{"args": ["a \"CWD\":", "\\"]}"#, false),
            (r#"{"\u0043pu": {}}"#, true),
            (r#"{"annotations": {"org.systemd.property.After": "x"}}"#, false),
            (r#"{"open"#, false),
            (r#"{"open\"#, false),
            ("", false),
        ] {
            assert_eq!(at(text.as_bytes()).odd_names, expected, "{text}");
        }
    }

    #[test]
    fn lists_are_odd_unless_they_are_a_member_that_is_always_one() {
        for (text, expected) in [
            (r#"{"process": {"args": ["[", ":["], "env" : [ ]}, "mounts":[{"options": ["a,[b"]}]}"#, false),
            (r#"{"linux": {"resources": {"devices": [], "memory": {}}, "sysctl": {"a": "["}}}"#, false),
            (r#"{"process": []}"#, true),
            (r#"{"linux": {"resources" : [1]}}"#, true),
            (r#"{"mounts": [{}, []]}"#, true),
            (r#"{"mounts": [ []]}"#, true),
            ("[]", true),
            (r#"{"l\u0069nux": []}"#, true),
            // A name of the user's own, which may be that of a list.
            (r#"{"linux": {"netDevices": {"args": []}}}"#, true),
            (r#"{"linux": {"timeOffsets": {"env": []}}}"#, true),
            (r#"{"linux": {"resources": {"rdma": {"env": []}}}}"#, true),
        ] {
            assert_eq!(at(text.as_bytes()).odd_lists, expected, "{text}");
        }
    }

    #[test]
    fn the_only_object_of_a_name_is_found_as_it_is_written() {
        for (text, expected) in [
            (r#"{"linux": {"seccomp": {"a": [{}, "}"]} }, "x": {}}"#, Some(r#"{"a": [{}, "}"]}"#)),
            (r#"{"seccomp" : {}}"#, Some("{}")),
            (r#"{"x": "seccomp", "y": {"z": ["seccomp", {}]}}"#, None),
            (r#"{"seccomp": null}"#, None),
            (r#"{"seccomp": {"seccomp": {}}}"#, None),
            (r#"{"seccomp": {}, "annotations": {"seccomp": ""}}"#, None),
            (r#"{"annotations": {"seccomp": ""}, "linux": {"seccomp": {}}}"#, Some("{}")),
            (r#"{"seccomp": {}, "Seccomp": {"x": 1}}"#, None),
            (r#"{"seccomp": {}, "sec\u0063omp": {"x": 1}}"#, None),
            (r#"{"seccomp": {"#, None),
            (r#"}"#, None),
        ] {
            let found = at(text.as_bytes()).seccomp;
            assert_eq!(found.map(|place| &text[place]), expected, "{text}");
        }
    }

    /// Held to the slow look, which knows the places.
    #[test]
    fn a_misplaced_list_is_never_passed_over() {
        let config = crate::bundle::default_spec::text(false);
        assert_eq!(at(config.as_bytes()), Glance::default());
        for (at_byte, _) in config.match_indices('{') {
            let end = matching_end(&config, at_byte);
            let mistaken = format!("{}[]{}", &config[..at_byte], &config[end..]);
            let found = shape::misplaced_list(mistaken.as_bytes());
            assert!(at(mistaken.as_bytes()).odd_lists || found.is_none(), "{found:?}: {mistaken}");
        }
    }

    fn matching_end(text: &str, start: usize) -> usize {
        let mut depth = 0;
        for (offset, letter) in text[start..].char_indices() {
            depth += match letter {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            if depth == 0 {
                return start + offset + 1;
            }
        }
        panic!("no end");
    }
}
