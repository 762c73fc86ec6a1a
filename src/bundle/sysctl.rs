//! The two spellings of a sysctl's name (`man 8 sysctl`).
//!
//! Where the first separator is a dot, dots separate and a slash stands for a dot within a name
//! (`net.ipv4.conf.eno2/100.rp_filter`); where it is a slash, it is a path below /proc/sys as it is
//! (`net/ipv4/conf/eno2.100/rp_filter`).

/// As a path below /proc/sys.
pub fn path(key: &str) -> String {
    if dots_separate(key) { exchanged(key) } else { key.to_string() }
}

/// With dots as separators.
pub fn dotted(key: &str) -> String {
    if dots_separate(key) { key.to_string() } else { exchanged(key) }
}

fn dots_separate(key: &str) -> bool {
    key.find(['.', '/']).is_none_or(|index| key.as_bytes()[index] == b'.')
}

fn exchanged(key: &str) -> String {
    let exchange = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    key.chars().map(exchange).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_written_with_dots_or_with_slashes() {
        let cases = [
            ("kernel", "kernel", "kernel"),
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eno2/100.x", "net.ipv4.conf.eno2/100.x", "net/ipv4/conf/eno2.100/x"),
            ("net/ipv4/conf/eno2.100/x", "net.ipv4.conf.eno2/100.x", "net/ipv4/conf/eno2.100/x"),
        ];
        for (key, with_dots, as_path) in cases {
            assert_eq!(dotted(key), with_dots, "{key}");
            assert_eq!(path(key), as_path, "{key}");
        }
    }
}
