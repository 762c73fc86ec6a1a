//! JSON pointers into config.json (RFC 6901).

/// The place of an object's member whose name comes from the config.
pub fn member(object: &str, name: &str) -> String {
    format!("{object}/{}", token(name))
}

/// A name as one token of a pointer.
pub fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_tildes_in_names_are_escaped() {
        assert_eq!(member("/linux/sysctl", "a/b~c"), "/linux/sysctl/a~1b~0c");
    }
}
