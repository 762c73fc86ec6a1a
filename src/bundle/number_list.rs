//! Lists of CPUs and memory nodes as configs write them, `0-3, 7,` (`man 7 cpuset`, list format).

/// Without blanks and empty elements, which say nothing (runc).
pub fn tidy(list: &str) -> String {
    let ranges: Vec<&str> = list.split(',').map(str::trim).filter(|range| !range.is_empty()).collect();
    ranges.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_empty_elements_say_nothing() {
        for (list, expected) in
            [("0-3,7", "0-3,7"), ("    , 1   , 3  ,  5-7,    ", "1,3,5-7"), (",", ""), ("", "")]
        {
            assert_eq!(tidy(list), expected);
        }
    }
}
