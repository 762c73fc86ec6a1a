//! The few forms that the kernel's statistics files have. An error names the file.

use crate::cgroup::write::Current;
use crate::report::{Code, Context, Error, Result};

/// The number in a file, `max` being the highest; None where there is no such file.
pub fn number(now: &dyn Current, file: &str) -> Result<Option<u64>> {
    now.read(file)?.map(|text| unsigned(text.trim()).with_context(|| parsing(file))).transpose()
}

/// The same, 0 where there is no such file.
pub fn number_or_zero(now: &dyn Current, file: &str) -> Result<u64> {
    Ok(number(now, file)?.unwrap_or(0))
}

/// The numbers in a file, between blanks; none where there is no such file.
pub fn numbers(now: &dyn Current, file: &str) -> Result<Vec<u64>> {
    let text = now.read(file)?.unwrap_or_default();
    text.split_whitespace().map(|word| unsigned(word).with_context(|| parsing(file))).collect()
}

/// A file of `key number` lines; empty where there is no such file.
pub fn pairs(now: &dyn Current, file: &str) -> Result<Vec<(String, u64)>> {
    let text = now.read(file)?.unwrap_or_default();
    text.lines().map(|line| pair(line).with_context(|| parsing(file))).collect()
}

/// What goes before an error about a file's content.
pub fn parsing(file: &str) -> String {
    format!("parse {file}")
}

/// A line that is not in the file's form.
pub fn malformed(line: &str, form: &str) -> Error {
    Error::new(Code::Cgroup, format!("line {line:?} is not in {form:?} format"))
}

fn pair(line: &str) -> Result<(String, u64)> {
    match line.split_once(' ') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), unsigned(value)?)),
        _ => Err(malformed(line, "key value")),
    }
}

/// Counters of the kernel are sums over CPUs, read without a lock, and can be below zero for a moment.
pub fn unsigned(word: &str) -> Result<u64> {
    let is_negative = word.strip_prefix('-').is_some_and(is_digits);
    match word {
        "max" => Ok(u64::MAX),
        _ if is_negative => Ok(0),
        _ => word.parse().with_context(|| format!("number {word:?}")).code(Code::Cgroup),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    #[test]
    fn a_number_is_read_with_its_line_end_and_max_is_the_highest() {
        for (text, expected) in [
            ("0\n", 0),
            ("33554432\n", 33_554_432),
            ("9223372036854771712\n", 9_223_372_036_854_771_712),
            ("max\n", u64::MAX),
            ("-4096\n", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(number(&files(&[("f", text)]), "f").unwrap(), Some(expected), "{text:?}");
        }
        assert_eq!(number(&files(&[]), "f").unwrap(), None);
    }

    #[test]
    fn what_is_malformed_is_an_error_that_names_the_file() {
        for text in ["", "x\n", "-\n", "--1", "1 2\n", "1.5\n", "18446744073709551616\n"] {
            let error = number(&files(&[("memory.max", text)]), "memory.max").unwrap_err().to_string();
            assert!(error.starts_with("parse memory.max: number "), "{text:?}: {error}");
        }
        for text in ["key\n", " 5\n", "key \n", "key  5\n", "key 5 6\n", "a 1\n\nb 2\n"] {
            let error = pairs(&files(&[("cpu.stat", text)]), "cpu.stat").unwrap_err().to_string();
            assert!(error.starts_with("parse cpu.stat: "), "{text:?}: {error}");
        }
    }

    #[test]
    fn lines_become_pairs_in_their_order() {
        let found = pairs(&files(&[("cpu.stat", "usage_usec 7\nuser_usec 3\n")]), "cpu.stat").unwrap();
        assert_eq!(found, [("usage_usec".to_owned(), 7), ("user_usec".to_owned(), 3)]);
        assert!(pairs(&files(&[]), "cpu.stat").unwrap().is_empty());
        assert_eq!(numbers(&files(&[("f", "1 20 3 \n")]), "f").unwrap(), [1, 20, 3]);
    }
}
