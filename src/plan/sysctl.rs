//! linux.sysctl: kernel parameters of the container's own namespaces.

use oci_spec::runtime::Spec;

use super::types::{Action, Step};
use crate::bundle::pointer;

/// Sorted by key: a JSON object has no order.
pub fn write(spec: &Spec) -> Vec<Step> {
    let linux = spec.linux().as_ref();
    let mut sysctls: Vec<_> = linux.and_then(|linux| linux.sysctl().as_ref()).into_iter().flatten().collect();
    sysctls.sort();
    let step = |(key, value): (&String, &String)| {
        let action = Action::WriteSysctl { key: path(key), value: value.clone() };
        action.at(pointer::member("/linux/sysctl", key))
    };
    sysctls.into_iter().map(step).collect()
}

/// The file below /proc/sys. Where the first separator is a dot, dots and slashes are exchanged
/// (`net.ipv4.conf.eth0/1.rp_filter`); where it is a slash, the key is a path already (`man 8 sysctl`).
fn path(key: &str) -> String {
    match key.find(['.', '/']).map(|index| key.as_bytes()[index]) {
        Some(b'.') => key.chars().map(exchanged).collect(),
        _ => key.to_string(),
    }
}

fn exchanged(letter: char) -> char {
    match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_written_with_dots_or_with_slashes() {
        let cases = [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eno2/100.rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
            ("net/ipv4/conf/eno2.100/rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
        ];
        for (key, expected) in cases {
            assert_eq!(path(key), expected);
        }
    }
}
