//! Pressure stall information of the unified tree (Documentation/accounting/psi.rst).

use super::layout::{Pressure, Stall};
use super::parse::{malformed, parsing, unsigned};
use crate::cgroup::write::Current;
use crate::linux::Errno;
use crate::report::{Code, Context, Result};

/// None where the kernel has it not, or turned off (`psi=0`, `cgroup.pressure`).
pub fn read(now: &dyn Current, file: &str) -> Result<Option<Pressure>> {
    match now.read(file) {
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => Ok(None),
        text => text?.map(|text| parse(&text).with_context(|| parsing(file))).transpose(),
    }
}

fn parse(text: &str) -> Result<Pressure> {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("some", rest)) => pressure.some = stall(rest)?,
            Some(("full", rest)) => pressure.full = stall(rest)?,
            // A line that a later kernel may add.
            _ => {}
        }
    }
    Ok(pressure)
}

fn stall(text: &str) -> Result<Stall> {
    let mut stall = Stall::default();
    for word in text.split_whitespace() {
        let Some((key, value)) = word.split_once('=') else { return Err(malformed(text, "key=value")) };
        match key {
            "avg10" => stall.avg10 = percent(value)?,
            "avg60" => stall.avg60 = percent(value)?,
            "avg300" => stall.avg300 = percent(value)?,
            "total" => stall.total = unsigned(value)?,
            _ => {}
        }
    }
    Ok(stall)
}

fn percent(text: &str) -> Result<f64> {
    let value: f64 = text.parse().with_context(|| format!("number {text:?}")).code(Code::Cgroup)?;
    match value.is_finite() {
        true => Ok(value),
        false => Err(malformed(text, "number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::write::testing::files;

    #[test]
    fn some_and_full_are_read() {
        let text = "some avg10=1.50 avg60=20.00 avg300=0.07 total=123456\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        let found = read(&files(&[("cpu.pressure", text)]), "cpu.pressure").unwrap().unwrap();
        assert_eq!(found.some, Stall { avg10: 1.5, avg60: 20.0, avg300: 0.07, total: 123_456 });
        assert_eq!(found.full, Stall { total: 7, ..Stall::default() });
    }

    #[test]
    fn a_kernel_without_it_tells_none() {
        assert_eq!(read(&files(&[]), "io.pressure").unwrap(), None);
    }

    #[test]
    fn what_is_malformed_names_the_file() {
        for text in ["some avg10\n", "some avg10=x\n", "some avg10=nan\n", "full total=1.5\n"] {
            let error = read(&files(&[("io.pressure", text)]), "io.pressure").unwrap_err().to_string();
            assert!(error.starts_with("parse io.pressure: "), "{error}");
        }
    }
}
