//! Durations as callers written in Go print and read them: `5s`, `100ms`, `1m30s`, `1.5h`.

use std::time::Duration;

use crate::fail;
use crate::report::{Code, Result};

const REFUSAL: &str = "duration interval must be greater than 0";

/// The time between two events.
///
/// # Errors
/// What is no duration, or not more than nothing.
pub fn interval(text: &str) -> Result<Duration> {
    match nanoseconds(text) {
        Some(1..) if text.starts_with('-') => fail!(Code::Usage, "{REFUSAL}"),
        Some(0) => fail!(Code::Usage, "{REFUSAL}"),
        Some(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
        None => fail!(Code::Usage, "invalid interval {text:?}, such as 5s, 100ms or 1m30s: {REFUSAL}"),
    }
}

/// Without its sign. None for what Go does not read either.
fn nanoseconds(text: &str) -> Option<u64> {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    if text == "0" {
        return Some(0);
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        total = total.checked_add(part(whole, fraction, unit(name)?)?)?;
        rest = after;
    }
    // Go keeps it in 63 bits.
    (!text.is_empty() && total <= i64::MAX as u64).then_some(total)
}

fn part(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Nobody counts finer than nanoseconds of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(fraction.len() as u32);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let fraction = u64::try_from(fraction * u128::from(unit) / scale).ok()?;
    whole.checked_mul(unit)?.checked_add(fraction)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_durations_are_read() {
        for (text, expected) in [
            ("5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+1ns", 1),
            ("2us", 2_000),
            ("2µs", 2_000),
            ("1h2m3s4ms", 3_723_004_000_000),
            ("0.0000000001s1ns", 1),
            ("0.99999999999999999999s", 999_999_999),
        ] {
            assert_eq!(interval(text).unwrap(), Duration::from_nanos(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_in_runcs_words() {
        for text in ["0", "0s", "-5s", "-0.5h", "+0", "0.0000000001s"] {
            assert_eq!(interval(text).unwrap_err().to_string(), REFUSAL, "{text}");
        }
        let long = format!("{}h", u64::MAX);
        for text in ["", "5", "s", "5x", "5 s", "abc", ".s", "1m30", "--5s", "9223372036854775808ns", &long] {
            let error = interval(text).unwrap_err().to_string();
            assert!(error.contains(REFUSAL) && error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
