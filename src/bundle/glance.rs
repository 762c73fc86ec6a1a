//! What a text of JSON shows at a glance, in one pass and without a parser: whether it has to be read a second time.
//! May see a doubt where there is none; never the other way round, for a text that is JSON.

use super::{names, shape};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Glance {
    /// A member may have one of the specification's names in another case (`names`).
    pub odd_names: bool,
    /// A list may stand where an object should (`shape`).
    pub odd_lists: bool,
}

pub fn at(text: &[u8]) -> Glance {
    let mut glance = Glance::default();
    // The last string, which is a member's name if a colon follows; and the last byte that is neither space nor in one.
    let (mut string, mut before): (&[u8], u8) = (b"", 0);
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => continue,
            b'"' => {
                let length = length_of_string(after);
                string = &after[..length];
                rest = after.get(length + 1..).unwrap_or_default();
            }
            b':' => {
                let odd = names::is_in_doubt(string);
                glance.odd_names |= odd;
                glance.odd_lists |= odd || shape::has_any_names(string);
            }
            // The value of a member: all others are elements of a list, or the whole text.
            b'[' => glance.odd_lists |= before != b':' || !shape::is_list(string),
            _ => {}
        }
        before = byte;
    }
    glance
}

/// Bytes up to the quotation mark that ends a string, or to the end of the text.
fn length_of_string(text: &[u8]) -> usize {
    let mut end = 0;
    loop {
        match text.get(end) {
            None => return text.len(),
            Some(b'"') => return end,
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
        }
    }
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
