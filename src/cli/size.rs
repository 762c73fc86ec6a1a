//! Amounts of memory as people and callers write them: `67108864`, `64m`, `1.5GiB`.

/// Bytes; units are binary, in any case, and -1 is no limit. The error is what is wrong with the text.
pub fn bytes(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let invalid = || format!("invalid size: '{text}'");
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.' || c == ' ';
    let end = text.rfind(is_of_number).ok_or_else(invalid)? + 1;
    let (number, suffix) = text.split_at(end);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let amount: f64 = if is_number { number.parse().map_err(|_| invalid())? } else { return Err(invalid()) };
    let amount = amount * factor(suffix)?;
    match amount < i64::MAX as f64 {
        true => Ok(amount as i64),
        false => Err(invalid()),
    }
}

fn factor(suffix: &str) -> Result<f64, String> {
    let suffix = suffix.to_ascii_lowercase();
    let letter = suffix.strip_suffix("ib").filter(|rest| !rest.is_empty());
    let letter = letter.or(suffix.strip_suffix('b')).unwrap_or(&suffix);
    let power = match letter {
        "" if suffix.len() < 2 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    Ok(1024_f64.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_in_any_case_and_spelling() {
        for (text, expected) in [
            ("-1", -1),
            ("0", 0),
            ("67108864", 67_108_864),
            ("64m", 67_108_864),
            ("64M", 67_108_864),
            ("64MB", 67_108_864),
            ("64MiB", 67_108_864),
            ("64 mb", 67_108_864),
            ("1.5k", 1536),
            ("5b", 5),
            ("5B", 5),
            ("2g", 2 << 30),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
            (".5k", 512),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_said_to_be_none() {
        for (text, expected) in [
            ("", "invalid size: ''"),
            ("m", "invalid size: 'm'"),
            ("-5", "invalid size: '-5'"),
            ("-1m", "invalid size: '-1m'"),
            ("nan", "invalid size: 'nan'"),
            ("1e3", "invalid size: '1e3'"),
            ("1.2.3", "invalid size: '1.2.3'"),
            (" 5", "invalid size: ' 5'"),
            ("5x", "invalid suffix: 'x'"),
            ("5mm", "invalid suffix: 'mm'"),
            ("5ib", "invalid suffix: 'ib'"),
            ("5bb", "invalid suffix: 'bb'"),
            ("5mibb", "invalid suffix: 'mibb'"),
            ("9999999999p", "invalid size: '9999999999p'"),
        ] {
            assert_eq!(bytes(text), Err(expected.to_owned()), "{text}");
        }
    }
}
